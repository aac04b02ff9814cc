"""The world of photographs through the real command line: its models, prompts and metrics."""

import pandas as pd
import pytest

from tests.helpers.cli import tiny

MODELS = "model=fashion-ddpm,fashion-flow,fashion-lcm"
SCHEDULERS = "scheduler=ddim,flow_euler,flow_dpmpp_2m,lcm"


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    from denoisebench.__main__ import run

    folder = tmp_path_factory.mktemp("twins")
    assert run(tiny(folder, MODELS, SCHEDULERS, "guidance=4")) == 0
    return pd.read_csv(folder / "tiny" / "results.csv")


@pytest.mark.slow
def test_each_runs_with_its_own_kind_of_scheduler(frame):
    done = frame[frame["status"] == "done"]
    assert set(frame["status"]) == {"done", "unsupported"}
    assert set(zip(done["model"], done["scheduler"], strict=True)) == {
        ("fashion-ddpm", "ddim"),
        ("fashion-flow", "flow_euler"),
        ("fashion-flow", "flow_dpmpp_2m"),
        ("fashion-lcm", "lcm"),
    }
    assert (done["nfe"] == done["steps"]).all()
    starts = done[done["model"] == "fashion-flow"]["sigma_start"]
    assert starts.between(0.99, 1).all()


def test_a_model_of_photographs_brings_its_prompts_metrics_and_reference(frame):
    done = frame[frame["status"] == "done"]
    assert set(done["prompts"]) == {"fashion"}
    for column in ("fd_fashion", "clip_score_fashion", "accuracy"):
        assert done[column].notna().all(), column
    assert not [name for name in frame.columns if name.startswith("accuracy_shape")]
