"""Races through the real command line: the default of the fixed design, with fewer images."""

import json
import shutil
import signal
import time

import pandas as pd
import pytest
import yaml

from denoisebench.bench.generate import generate as sampling
from denoisebench.bench.records.run import load_run
from denoisebench.reports.rows.compare import compare_cells, find_cell
from tests.helpers.cli import call, start, tiny

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
    from denoisebench.__main__ import run

    folder = tmp_path_factory.mktemp("raced")
    assert run([*GRID, f"runs={folder}", "run=race", "sampling=race"]) == 0
    return folder


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """The run folder of the same cells with all samples each."""
    from denoisebench.__main__ import run

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_race_that_is_over_generates_nothing_when_it_is_run_again(raced, capsys):
    before = (raced / "race" / "race.json").read_bytes()
    code, out, err = call(capsys, *GRID, f"runs={raced}", "run=race", "sampling=race")
    assert code == 0, err
    assert "nothing was generated" in out
    scheduler, steps, guidance = default_of(raced / "race")
    assert f"{scheduler}, {steps} steps, guidance {guidance:g} (PASS" in out
    assert (raced / "race" / "race.json").read_bytes() == before


@pytest.mark.slow
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


@pytest.mark.slow
def test_other_margins_decide_anew_and_generate_nothing(fixed, tmp_path, capsys):
    shutil.copytree(fixed, tmp_path / "fixed")
    wide = "margins.gating.fd_pixels.absolute=100"
    code, out, err = call(capsys, *GRID[:-1], wide, f"runs={tmp_path}", "run=fixed")
    assert code == 0, err
    assert "nothing was generated" in out
    assert default_of(fixed)[1] > 2
    assert default_of(tmp_path / "fixed")[1] == 2


@pytest.mark.slow
def test_a_cell_that_breaks_on_the_way_is_a_failed_row_and_the_race_goes_on(
    tmp_path, monkeypatch, capsys
):
    generate = sampling.generate

    def breaking(pipeline, cell, prompts, *, start, **rest):
        if (cell.scheduler, cell.steps) == ("ddim", 16) and start >= 64:
            raise RuntimeError("out of luck")
        return generate(pipeline, cell, prompts, start=start, **rest)

    monkeypatch.setattr(sampling, "generate", breaking)
    code, _, _ = call(capsys, *GRID, f"runs={tmp_path}", "run=race", "sampling=race")
    assert code == 1
    frame = pd.read_parquet(tmp_path / "race" / "results.parquet")
    (broken,) = frame[frame["status"] != "done"].to_dict("records")
    assert (broken["scheduler"], broken["steps"], broken["status"]) == ("ddim", 16, "failed")
    assert "out of luck" in broken["message"]
    record = race_of(tmp_path / "race")
    (place,) = record["broken"]
    assert record["cells"][place]["steps"] == 16
    assert "failed" in [rung["stopped"].get(str(place)) for rung in record["rungs"]]
    assert record["over"]


def test_a_set_without_fresh_prompts_for_the_winner_is_said(tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(f"a red ring {i}" for i in range(100)))
    asked = ("model=shapes-ddpm", "sampling=race", "samples=512", "prompts=file", "--dry-run")
    file = (f"prompts.path={prompts}", f"runs={tmp_path}")
    code, out, err = call(capsys, "sweep", *asked, *file)
    assert code == 0, err
    assert "holds 100 prompts" in " ".join(out.split())


@pytest.mark.slow
def test_a_race_whose_cap_is_below_what_a_distance_needs_says_how_many(tmp_path, capsys):
    few = [argument for argument in GRID if not argument.startswith("samples=")]
    code, _, err = call(capsys, *few, f"runs={tmp_path}", "sampling=race", "samples=128")
    assert code == 2
    assert "samples=192 or more" in err


@pytest.mark.slow
def test_a_race_whose_prompts_repeat_below_what_a_distance_needs_says_how_many(tmp_path, capsys):
    """Of 256 captions of the embedded world 252 differ, and fd_shapes decides from 256 on."""
    race = ("sampling=race", "samples=256", "steps=1,2", "batch_size=64", "sampling.first=16")
    code, _, err = call(capsys, *tiny(tmp_path, *race, "latency.timed_runs=0"))
    assert code == 2
    assert "here 252; give samples=504 or more" in err


def test_too_few_prompts_to_decide_by_are_said_before_a_race(tmp_path, capsys):
    (tmp_path / "few.txt").write_text("\n".join(f"a red ring {i}" for i in range(20)))
    file = ("prompts=file", f"prompts.path={tmp_path / 'few.txt'}", "--dry-run")
    code, out, _ = call(capsys, *tiny(tmp_path, "sampling=race", "samples=512", *file))
    assert code == 0
    assert "512 samples are of 20 different prompts" in " ".join(out.split())


def test_cells_of_a_race_are_compared_by_the_samples_that_they_share(raced, fixed):
    """The winner has those that confirmed it too; unpaired they would drown the difference."""
    record = race_of(raced / "race")
    chosen = record["cells"][record["choice"]["chosen"]]
    settings = [{"scheduler": chosen["curve"], "steps": str(n)} for n in (chosen["steps"], 2)]
    pair = [find_cell(load_run(raced / "race"), each) for each in settings]
    assert pair[0].entry.samples > pair[1].entry.samples
    found = compare_cells(*pair, "fd_pixels")
    truth = compare_cells(*(find_cell(load_run(fixed), each) for each in settings), "fd_pixels")
    assert found.samples == pair[1].entry.samples
    assert found.value == pytest.approx(truth.value, abs=4 * found.se)
    assert found.se < 3 * truth.se * (1024 / found.samples) ** 0.5
