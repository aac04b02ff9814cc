"""Workers on this machine: their share of it."""

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.queue import here
from tests.helpers.shared_sweeps import plan


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Environments of the processes that a starter starts, none of which runs."""
    environments = []
    monkeypatch.setattr(here.subprocess, "Popen", lambda *_, env, **__: environments.append(env))
    (tmp_path / "queue").mkdir()
    return environments


@pytest.mark.parametrize(
    ("visible", "taken"), [(None, ["0", "1"]), ("2,GPU-5", ["2", "GPU-5"]), ("3,1,0", ["3", "1"])]
)
def test_each_worker_takes_an_accelerator_of_those_that_are_visible(
    monkeypatch, tmp_path, started, visible, taken
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    count = 2 if visible is None else len(visible.split(","))
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    start = here.process_starter(plan(tmp_path, "cuda", 2))
    for place in range(2):
        start(place)
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in started] == taken


def test_more_workers_than_accelerators_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(UserError, match="workers=4: torch sees 2 CUDA devices here"):
        here.process_starter(plan(tmp_path, "cuda", 4))


def test_processors_are_shared_evenly_unless_it_is_said_who_takes_how_many(
    monkeypatch, tmp_path, started
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(here.os, "sched_getaffinity", lambda _: range(8))
    for workers, threads in ((3, 0), (16, 0), (3, 4)):
        here.process_starter(plan(tmp_path, "cpu", workers, threads))(0)
    assert [environment.get("OMP_NUM_THREADS") for environment in started] == ["2", "1", None]
