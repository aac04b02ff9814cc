"""Workers as actors of Ray, on a cluster of this machine."""

import subprocess
import sys

import pytest
import ray

from denoisebench.bench.errors import UserError
from denoisebench.bench.queue.ray import _check_room
from tests.helpers.cli import call, start
from tests.helpers.shared_sweeps import content, swept

PROBE = "import ray; ray.init(log_to_driver=False, logging_level='ERROR')"


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


def test_a_cluster_with_too_little_is_refused():
    _check_room({"CPU": 4.0}, {"CPU": 2, "GPU": 0}, 2)
    with pytest.raises(UserError, match="take 6 CPU and the Ray cluster has 4"):
        _check_room({"CPU": 4.0}, {"CPU": 2, "GPU": 0}, 3)
    with pytest.raises(UserError, match="take 2 GPU and the Ray cluster has 0"):
        _check_room({"CPU": 4.0}, {"CPU": 1, "GPU": 1}, 2)
