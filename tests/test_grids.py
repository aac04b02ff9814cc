"""The executed grid: what the denoiser was told, as recorded with a cell."""

import math

import pandas as pd
import pytest
from cli import call, tiny

from bench.cell import Grid
from bench.run import load_run


def grids(folder):
    """Recorded grids by scheduler and steps."""
    run = load_run(folder)
    return {
        (entry.cell.scheduler, entry.cell.steps): Grid(
            **run.store.read_record(entry.cell.key, "grid")
        )
        for entry in run.entries
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    from bench.__main__ import run

    folder = tmp_path_factory.mktemp("grids")
    grid = ("model=gaussian", "scheduler=ddim,euler,heun,dpmpp_2m_karras", "steps=4,5")
    assert run(tiny(folder, *grid)) == 0
    return folder / "tiny"


def test_timesteps_are_those_the_denoiser_was_called_with(recorded):
    found = grids(recorded)
    assert found["ddim", 4].timesteps == [999, 749, 499, 249]
    assert found["ddim", 5].timesteps == [999, 799, 599, 399, 199]
    assert found["heun", 4].timesteps == [999, 749, 749, 499, 499, 249, 249]


def test_sigmas_are_those_of_the_scheduler(recorded):
    euler = grids(recorded)["euler", 5]
    assert euler.sigmas == pytest.approx(euler.scheduler_sigmas[:-1], rel=1e-5)
    karras = grids(recorded)["dpmpp_2m_karras", 5]
    # whole timesteps: half of one is up to three percent in sigma, more at the end
    assert karras.sigmas[:-1] == pytest.approx(karras.scheduler_sigmas[:-2], rel=0.03)


def test_start_and_end_are_columns_of_the_results(recorded):
    frame = pd.read_csv(recorded / "results.csv").set_index(["scheduler", "steps"])
    found = grids(recorded)["ddim", 4]
    assert frame.loc[("ddim", 4), "sigma_start"] == pytest.approx(found.sigmas[0])
    assert frame.loc[("ddim", 4), "sigma_end"] == pytest.approx(found.sigmas[-1])
    assert frame.loc[("ddim", 4), "sigma_start"] == pytest.approx(14.61, abs=0.01)


def test_a_flow_counts_sigma_from_one_to_zero(tmp_path, capsys):
    code, _, _ = call(capsys, *tiny(tmp_path, "model=mixture-flow", "scheduler=flow_euler"))
    assert code == 0
    (grid,) = grids(tmp_path / "tiny").values()
    assert grid.sigmas[0] == 1
    assert grid.sigmas == pytest.approx(grid.scheduler_sigmas[:-1])


def test_a_lost_grid_is_counted_again_without_new_images(recorded, capsys):
    run = load_run(recorded)
    key = run.entries[0].cell.key
    before = grids(recorded)["ddim", 4]
    shards = run.store.shards(key, "images")
    (path,) = (run.store.root / "cells" / key).glob("grid-*")
    path.unlink()
    grid = ("model=gaussian", "scheduler=ddim,euler,heun,dpmpp_2m_karras", "steps=4,5")
    assert call(capsys, *tiny(recorded.parent, *grid))[0] == 0
    assert grids(recorded)["ddim", 4] == before
    assert run.store.shards(key, "images") == shards


def test_a_start_that_moves_with_the_steps_is_said(copied):
    """shapes-ddpm has leading spacing."""
    page = (copied / "tiny" / "report.html").read_text()
    assert "The noise that a run starts from moves with the number of steps" in page
    starts = pd.read_csv(copied / "tiny" / "results.csv").groupby("steps")["sigma_start"].first()
    assert math.log(starts[3] / starts[2]) > 0.5


def test_starts_that_stay_are_not_mentioned(recorded):
    assert "starts from moves" not in (recorded / "report.html").read_text()
