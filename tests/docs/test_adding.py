"""The walks of docs/adding.md: their diffs, applied to a copy of the source, do what they say."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from tests.helpers.cli import tiny
from tests.helpers.diffs import apply_diff, copy_source, diffs_of, section_of
from tests.helpers.folders import ROOT

ADDING = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
PIPELINE = ROOT / "bench" / "weights" / "shapes-ddpm"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the source with all diffs applied, and the model's folder beside it."""
    root = copy_source(tmp_path_factory.mktemp("source"))
    for diff in diffs_of(ADDING):
        apply_diff(diff, root)
    (root / "models").mkdir()
    (root / "models" / "crisp-shapes").symlink_to(PIPELINE)
    return root


def run_in(source, *arguments):
    """Standard output of `denoisebench ARGUMENTS` by the source in that folder."""
    command = [sys.executable, "-m", "denoisebench", *arguments]
    whole = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    result = subprocess.run(
        command, cwd=source, capture_output=True, text=True, timeout=300, env=whole
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_written_walk_has_a_diff():
    for heading in ("A scheduler", "A model", "A metric", "A sweep axis"):
        assert diffs_of(section_of(ADDING, heading))


def test_the_scheduler_is_listed(source):
    assert "dpmpp_2m_heun" in run_in(source, "list", "schedulers")


def test_the_model_is_listed_with_its_comment(source):
    listed = run_in(source, "list", "models")
    assert "crisp-shapes" in listed
    assert "Shapes in eight steps" in listed


@pytest.mark.long
@pytest.mark.slow
def test_the_model_runs_with_the_scheduler_and_its_flags_have_its_name(source):
    named = ("scheduler=dpmpp_2m_heun,dpmpp_2m", "scheduler.flags.solver_type=heun")
    run_in(source, *tiny(source / "runs", "model=crisp-shapes", *named))
    frame = pd.read_csv(source / "runs" / "tiny" / "results.csv")
    assert frame.status.tolist() == ["done"]
    assert frame.scheduler.tolist() == ["dpmpp_2m_heun"]
    assert frame.model.tolist() == ["crisp-shapes"]
    assert frame.guidance.tolist() == [1.0]  # the command line wins over the model's file


@pytest.mark.slow
def test_the_scheduler_is_as_its_entry_states(source):
    assert "not listed" not in run_in(source, "verify", "scheduler=dpmpp_2m_heun")


@pytest.mark.long
@pytest.mark.slow
def test_the_metric_is_measured_where_the_config_names_it(source):
    less = ("metrics.frechet=[]", "metrics.clip_score=[]", "metrics.images=[warmth]")
    run_in(source, *tiny(source / "runs", "run=warm", *less))
    frame = pd.read_csv(source / "runs" / "warm" / "results.csv")
    assert frame[["warmth", "warmth_se"]].notna().all().all()
    listed = run_in(source, "sweep", "metrics=shapes_full", "--cfg", "job")
    assert "- warmth" in listed


@pytest.mark.long
@pytest.mark.slow
def test_the_axis_splits_curves_and_is_said_wherever_it_is_unusual(source):
    axis = ("run=axis", "steps=4", "guidance=4", "guidance_start=0,0.5")
    less = ("metrics.frechet=[]", "latency.timed_runs=0")
    run_in(source, *tiny(source / "runs", *axis, *less))
    frame = pd.read_csv(source / "runs" / "axis" / "results.csv").set_index("guidance_start")
    assert frame.network_passes.to_dict() == {0.0: 8, 0.5: 6}  # two of four steps are guided
    page = (source / "runs" / "axis" / "report.html").read_text(encoding="utf-8")
    assert "guided from 0.5" in page
