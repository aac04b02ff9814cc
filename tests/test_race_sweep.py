"""Races through the real command line: the default of the fixed design, with fewer images."""

import json
import shutil
import signal
import time

import pandas as pd
import pytest
import yaml
from cli import call, start

FIXED_IMAGES = 8 * 1024
GRID = (
    "sweep",
    "model=gaussian",
    "scheduler=ddim,dpmpp_2m",
    "steps=2,4,8,16",
    "samples=1024",
    "batch_size=32",
    "latency.timed_runs=0",
    "tracking=none",
    "threads=1",
    "margins.gating.fd_pixels.absolute=0.01",
)


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    """The runs folder of a finished race."""
    from bench.__main__ import run

    folder = tmp_path_factory.mktemp("raced")
    assert run([*GRID, f"runs={folder}", "run=race", "sampling=race"]) == 0
    return folder


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """The run folder of the same cells with all samples each."""
    from bench.__main__ import run

    folder = tmp_path_factory.mktemp("raced")
    assert run([*GRID, f"runs={folder}", "run=fixed"]) == 0
    return folder / "fixed"


def default_of(folder):
    (found,) = yaml.safe_load((folder / "defaults.yaml").read_text())["defaults"]
    assert found["outcome"] == "PASS"
    return found["scheduler"], found["steps"], found["guidance"]


def race_of(folder):
    (record,) = json.loads((folder / "race.json").read_text())
    return record


def test_a_race_finds_the_default_of_the_fixed_design_with_fewer_images(raced, fixed):
    assert default_of(raced / "race") == default_of(fixed)
    frame = pd.read_parquet(raced / "race" / "results.parquet")
    drawn = race_of(raced / "race")["drawn"]
    assert sorted(frame["samples"]) == sorted(drawn)
    assert sum(drawn) < FIXED_IMAGES / 2


def test_a_winner_is_confirmed_on_samples_that_did_not_choose_it(raced):
    record = race_of(raced / "race")
    trial = record["trials"][-1]
    assert trial["winner"] == record["choice"]["chosen"]
    assert trial["first"] == record["rungs"][-1]["samples"]
    assert record["drawn"][trial["winner"]] == trial["last"]


def test_a_race_that_is_over_generates_nothing_when_it_is_run_again(raced, capsys):
    before = (raced / "race" / "race.json").read_bytes()
    code, out, err = call(capsys, *GRID, f"runs={raced}", "run=race", "sampling=race")
    assert code == 0, err
    assert "nothing was generated" in out
    scheduler, steps, guidance = default_of(raced / "race")
    assert f"{scheduler}, {steps} steps, guidance {guidance:g} (PASS" in out
    assert (raced / "race" / "race.json").read_bytes() == before


def test_a_killed_race_goes_on_to_the_same_end(raced, tmp_path, capsys):
    command = (*GRID, f"runs={tmp_path}", "run=race", "sampling=race")
    process = start(*command)
    while process.poll() is None and not (tmp_path / "race" / "race.json").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, _, err = call(capsys, *command)
    assert code == 0, err
    whole, resumed = race_of(raced / "race"), race_of(tmp_path / "race")
    assert resumed["drawn"] == whole["drawn"]
    assert [rung["live"] for rung in resumed["rungs"]] == [rung["live"] for rung in whole["rungs"]]
    assert default_of(tmp_path / "race") == default_of(raced / "race")


def test_a_race_without_a_metric_to_decide_by_is_refused(tmp_path, capsys):
    command = (*GRID[:-1], f"runs={tmp_path}", "sampling=race", "metrics=none")
    code, _, err = call(capsys, *command)
    assert code == 2
    assert "sampling=race" in err
    assert not list(tmp_path.rglob("cells"))


def test_other_margins_decide_anew_and_generate_nothing(fixed, tmp_path, capsys):
    shutil.copytree(fixed, tmp_path / "fixed")
    wide = "margins.gating.fd_pixels.absolute=100"
    code, out, err = call(capsys, *GRID[:-1], wide, f"runs={tmp_path}", "run=fixed")
    assert code == 0, err
    assert "nothing was generated" in out
    assert default_of(fixed)[1] > 2
    assert default_of(tmp_path / "fixed")[1] == 2
