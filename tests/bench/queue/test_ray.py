"""Workers as actors of Ray, on a cluster of this machine."""

import subprocess
import sys

import pytest
import ray

from denoisebench.bench.errors import UserError
from denoisebench.bench.queue.ray import _Actor, _check_room, _connect
from tests.helpers.cli import call, start
from tests.helpers.shared_sweeps import content, swept

PROBE = "import ray; ray.init('local', log_to_driver=False, logging_level='ERROR')"


@pytest.fixture
def cluster():
    """Skips where Ray itself starts no cluster, as in a sandbox without shared memory."""
    try:
        subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, timeout=90)
    except subprocess.SubprocessError as error:
        pytest.skip(f"Ray starts no cluster on this machine: {error}")


@pytest.mark.long
@pytest.mark.slow
def test_workers_that_ray_starts_make_what_one_process_makes(cluster, alone, tmp_path):
    driving = start(*swept(tmp_path, "hydra/launcher=ray", "workers=2"))
    _, err = driving.communicate(timeout=240)
    assert driving.returncode == 0, err
    assert content(tmp_path / "tiny") == content(alone)
    logs = [*(tmp_path / "tiny" / "queue").glob("ray-*.log")]
    assert len(logs) == 2
    assert sum(log.read_text().count(": samples") for log in logs) == 12, "each piece once"


def test_an_address_where_no_cluster_answers_is_a_line_before_any_work(
    tmp_path, capsys, monkeypatch
):
    def refuses(address, **_):
        raise ConnectionError(f"ray cluster at {address} was not found\nmore")

    monkeypatch.setattr(ray, "init", refuses)
    there = ("launcher=ray", "ray.address=10.0.0.1:1", "workers=2")
    code, _, err = call(capsys, *swept(tmp_path, *there))
    assert code == 2
    assert "ray.address=10.0.0.1:1: ray cluster at 10.0.0.1:1 was not found; give" in err
    assert len(err.splitlines()) == 1


def test_without_an_address_a_cluster_is_started_here_whatever_else_runs(monkeypatch):
    """Ray refuses a configuration for a cluster that it joins, as it does by RAY_ADDRESS."""
    given = {}

    def init(address=None, *, _system_config=None, **_):
        given.update(address=address, system_config=_system_config)

    monkeypatch.setattr(ray, "init", init)
    _connect(ray, None)
    assert given == {"address": "local", "system_config": {"worker_niceness": 0}}
    _connect(ray, "10.0.0.1:1")
    assert given == {"address": "10.0.0.1:1", "system_config": None}


def test_a_machine_on_which_no_cluster_starts_is_told_to_name_one(monkeypatch):
    def refuses(**_):
        raise RuntimeError("no shared memory\nmore")

    monkeypatch.setattr(ray, "init", refuses)
    with pytest.raises(UserError) as refusal:
        _connect(ray, None)
    assert str(refusal.value) == (
        "launcher=ray: no cluster can be started on this machine: no shared memory; "
        "give the address of a running one by ray.address"
    )


class Raising:
    """As much of Ray as an actor asks, one that raised an error or was killed."""

    exceptions = ray.exceptions

    def __init__(self, error):
        self._error = error

    def wait(self, references, timeout):
        return references, []

    def get(self, reference):
        raise self._error


def test_a_bug_in_an_actor_is_in_its_log_and_no_kill(tmp_path):
    trace = 'Traceback\n  File "worker.py", line 1\nValueError: planted'
    error = ray.exceptions.RayTaskError("work", trace, ValueError("planted"), "p", 1, "10.0.0.1")
    actor = _Actor(Raising(error.as_instanceof_cause()), None, "ended", tmp_path / "ray-0.log")
    assert actor.poll() == 1
    assert 'File "worker.py", line 1' in actor.log.read_text()
    assert actor.last_line() == f"ValueError: planted ({actor.log})"
    killed = _Actor(Raising(ray.exceptions.RayActorError()), None, "ended", actor.log)
    assert killed.poll() == -9


def test_a_cluster_with_too_little_is_refused():
    _check_room({"CPU": 4.0}, {"CPU": 2, "GPU": 0}, 2)
    with pytest.raises(UserError, match="take 6 CPU and the Ray cluster has 4"):
        _check_room({"CPU": 4.0}, {"CPU": 2, "GPU": 0}, 3)
    with pytest.raises(UserError, match="take 2 GPU and the Ray cluster has 0"):
        _check_room({"CPU": 4.0}, {"CPU": 1, "GPU": 1}, 2)
