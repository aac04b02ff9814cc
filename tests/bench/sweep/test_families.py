"""The three embedded generators through one sweep: what fits runs, the rest says why."""

import pandas as pd
import pytest

from tests.helpers.cli import call, tiny

GRID = ("model=shapes-ddpm,shapes-flow,shapes-lcm", "scheduler=ddim,flow_euler,lcm", "guidance=4")


@pytest.mark.slow
def test_each_generator_runs_with_its_own_kind_of_scheduler(tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, *GRID))
    assert (code, err) == (0, "")
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv").set_index(["model", "scheduler"])
    done = frame[frame["status"] == "done"]
    assert set(done.index) == {
        ("shapes-ddpm", "ddim"),
        ("shapes-flow", "flow_euler"),
        ("shapes-lcm", "lcm"),
    }
    assert set(frame["status"]) == {"done", "unsupported"}
    assert set(done["nfe"]) == {2}
    passes = done["network_passes"].droplevel("scheduler").to_dict()
    assert passes == {"shapes-ddpm": 4, "shapes-flow": 4, "shapes-lcm": 2}
    start = done["sigma_start"].droplevel("scheduler")
    assert start["shapes-flow"] == 1
    assert start["shapes-lcm"] > 14


def test_a_model_of_each_kind_brings_a_scheduler_that_fits(tmp_path, capsys):
    for model in ("shapes-flow", "shapes-lcm"):
        assert call(capsys, *tiny(tmp_path, f"model={model}", "--dry-run"))[0] == 0
