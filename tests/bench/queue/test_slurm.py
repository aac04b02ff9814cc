"""Workers as jobs of submitit, by its local executor; SLURM itself is not here."""

import json

import pytest

from denoisebench.bench.queue.slurm import SlurmHelper, _parameters
from tests.helpers.cli import call
from tests.helpers.shared_sweeps import content, plan, swept


@pytest.mark.slow
def test_workers_that_submitit_starts_make_what_one_process_makes(alone, tmp_path, capsys):
    local = ("launcher=slurm", "slurm.cluster=local", "workers=2")
    code, _, err = call(capsys, *swept(tmp_path, *local))
    assert code == 0, err
    assert content(tmp_path / "tiny") == content(alone)
    logs = [*(tmp_path / "tiny" / "queue" / "slurm").glob("*.out")]
    assert sum("samples" in log.read_text() for log in logs) >= 1


def test_where_there_is_no_slurm_that_is_said_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = call(capsys, *swept(tmp_path / "runs", "launcher=slurm", "workers=2"))
    assert code == 2
    assert "launcher=slurm: there is no SLURM here (sbatch)" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("workers", [(), ("workers=0",)])
def test_a_launcher_without_workers_is_refused(tmp_path, capsys, workers):
    code, _, err = call(capsys, *swept(tmp_path, "launcher=slurm", *workers))
    assert code == 2
    assert "launcher=slurm: starts no worker; give workers=N too" in err


def test_what_slurm_is_asked_for(tmp_path):
    settings = {"cluster": "slurm", "partition": "gpu", "account": None, "minutes": 60, "cpus": 4}
    asked = plan(tmp_path, "cuda", 2)
    asked.slurm = type("Slurm", (), settings)
    assert _parameters(asked) == {
        "name": "denoisebench",
        "timeout_min": 60,
        "cpus_per_task": 4,
        "gpus_per_node": 1,
        "slurm_partition": "gpu",
    }


def test_a_preempted_worker_is_put_back_as_it_was():
    helper = SlurmHelper(("true",))
    again = helper.checkpoint()
    assert again.function is helper
    assert helper() == 0
    assert json.dumps(helper.command)
