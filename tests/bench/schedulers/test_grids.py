"""The executed grid: what the denoiser was told, as recorded with a cell."""

import inspect
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    HeunDiscreteScheduler,
)

from denoisebench.bench.records.cell import Grid
from denoisebench.bench.records.run import load_run
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.grids import build_scheduler, can_match, training_timestep
from tests.helpers.cli import call, tiny


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
    from denoisebench.__main__ import run

    folder = tmp_path_factory.mktemp("grids")
    grid = ("model=gaussian", "scheduler=ddim,euler,heun,dpmpp_2m_karras", "steps=4,5")
    assert run(tiny(folder, *grid)) == 0
    return folder / "tiny"


@pytest.mark.slow
def test_timesteps_are_those_the_denoiser_was_called_with(recorded):
    found = grids(recorded)
    assert found["ddim", 4].timesteps == [999, 749, 499, 249]
    assert found["ddim", 5].timesteps == [999, 799, 599, 399, 199]
    assert found["heun", 4].timesteps == [999, 749, 749, 499, 499, 249, 249]


def test_sigmas_are_those_of_the_scheduler(recorded):
    euler = grids(recorded)["euler", 5]
    assert euler.sigmas == pytest.approx(euler.scheduler_sigmas[:-1], rel=3e-5)
    karras = grids(recorded)["dpmpp_2m_karras", 5]
    # whole timesteps: half of one is up to three percent in sigma, more at the end
    assert karras.sigmas[:-1] == pytest.approx(karras.scheduler_sigmas[:-2], rel=0.03)


def test_start_and_end_are_columns_of_the_results(recorded):
    frame = pd.read_csv(recorded / "results.csv").set_index(["scheduler", "steps"])
    found = grids(recorded)["ddim", 4]
    assert frame.loc[("ddim", 4), "sigma_start"] == pytest.approx(found.sigmas[0], rel=1e-5)
    assert frame.loc[("ddim", 4), "sigma_end"] == pytest.approx(found.sigmas[-1], rel=1e-5)
    assert frame.loc[("ddim", 4), "sigma_start"] == pytest.approx(14.61, abs=0.01)


@pytest.mark.slow
def test_a_flow_counts_sigma_from_one_to_zero(tmp_path, capsys):
    code, _, _ = call(capsys, *tiny(tmp_path, "model=mixture-flow", "scheduler=flow_euler"))
    assert code == 0
    (grid,) = grids(tmp_path / "tiny").values()
    assert grid.sigmas[0] == 1
    assert grid.sigmas == pytest.approx(grid.scheduler_sigmas[:-1])


@pytest.mark.slow
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
    assert "the more so the fewer the steps" in page
    assert re.search(r"<li>ddim, heun: starts at sigma [\d.]+, [\d.]+ for 2, 3 steps\.</li>", page)
    starts = pd.read_csv(copied / "tiny" / "results.csv").groupby("steps")["sigma_start"].first()
    assert math.log(starts[3] / starts[2]) > 0.5


def test_starts_that_stay_are_not_mentioned(recorded):
    assert "starts from moves" not in (recorded / "report.html").read_text()


def matching(kind):
    return [name for name, spec in SCHEDULERS.items() if spec.kind == kind and can_match(spec)]


def matched(folder, model, kind, *steps):
    """Recorded grids of all schedulers that claim the matched grid; those of one name each."""
    from denoisebench.__main__ import run

    names = ",".join(matching(kind))
    counts = ",".join(map(str, steps))
    grid = (f"model={model}", f"scheduler={names}", f"steps={counts}", "grid=matched")
    off = ("latency.timed_runs=0", "samples=2")
    assert run(tiny(folder, *grid, *off)) == 0
    found = grids(folder / "tiny")
    assert {name for name, _ in found} == set(matching(kind)) - {"dpmpp_2m_karras"}
    return found


def of_each_step(name, values):
    """Of evaluations, those that begin a step; in between the others are the solver's own."""
    return values[:: SCHEDULERS[name].evaluations[0]]


def karras(first, last, steps):
    """Karras et al. (2022), equation 5."""
    i = np.arange(steps) / (steps - 1)
    return (first ** (1 / 7) + i * (last ** (1 / 7) - first ** (1 / 7))) ** 7


@pytest.mark.parametrize("model", ["mixture", "shapes-ddpm"])
@pytest.mark.slow
def test_on_the_matched_grid_all_diffusion_schedulers_visit_the_same_levels(model, tmp_path):
    """Their own levels to single precision; the timesteps told, where a class rounds them, to half
    a timestep, and the first and the last exactly."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    signal = np.cumprod(1 - betas)
    trained = np.sqrt((1 - signal) / signal)
    for (name, steps), grid in matched(tmp_path, model, "diffusion", 4, 7).items():
        levels = karras(trained[-1], trained[0], steps)
        own = np.array(grid.scheduler_sigmas)
        assert own[-1] == 0, name
        assert list(dict.fromkeys(own[own > 0])) == pytest.approx(levels, rel=3e-5), name
        told = of_each_step(name, grid.timesteps)
        places = np.interp(np.log(levels), np.log(trained), np.arange(1000))
        assert told == pytest.approx(places, abs=0.51), name
        assert (grid.sigmas[0], grid.sigmas[-1]) == pytest.approx((levels[0], levels[-1]), rel=3e-5)


@pytest.mark.parametrize("model", ["mixture-flow", "shapes-flow"])
@pytest.mark.slow
def test_on_the_matched_grid_all_flow_schedulers_visit_the_same_levels(model, tmp_path):
    """Their own levels to single precision; the timesteps told, where a class cuts them to whole
    ones, to one timestep."""
    for (name, steps), grid in matched(tmp_path, model, "flow", 4, 7).items():
        levels = 0.999 * (1 - np.arange(steps) / steps)  # both models have shift 1
        own = np.array(grid.scheduler_sigmas)
        assert own[-1] == 0, name
        assert list(dict.fromkeys(own[own > 0])) == pytest.approx(levels, rel=3e-5), name
        assert grid.timesteps == pytest.approx(1000 * levels, abs=1.01), name


@pytest.mark.parametrize("name", matching("flow"))
@pytest.mark.parametrize("dynamic", [False, True])
def test_the_matched_grid_has_the_shift_of_the_model(name, dynamic):
    spec, steps = SCHEDULERS[name], 5
    config = {"shift": 3.0, "use_dynamic_shifting": dynamic, "shift_terminal": 0.02}
    scheduler = build_scheduler(spec.class_name, spec.flags, config, grid="matched")
    takes = inspect.signature(scheduler.set_timesteps).parameters
    asked = {"mu": math.log(3)} if dynamic and "mu" in takes else {}
    scheduler.set_timesteps(steps, **asked)
    u = 0.999 * (1 - np.arange(steps) / steps)
    levels = 3 * u / (1 + 2 * u)
    own = np.asarray(scheduler.sigmas, dtype=float)
    assert list(own[:steps]) == pytest.approx(levels, rel=1e-4)


@pytest.mark.slow
def test_the_native_grid_is_untouched_by_the_matched_one(recorded, tmp_path, capsys):
    grid = ("model=gaussian", "scheduler=euler", "steps=5", "grid=native,matched")
    assert call(capsys, *tiny(tmp_path, *grid))[0] == 0
    run = load_run(tmp_path / "tiny")
    cells = {entry.cell.grid: entry.cell for entry in run.entries}
    found = {name: Grid(**run.store.read_record(cell.key, "grid")) for name, cell in cells.items()}
    assert found["native"] == grids(recorded)["euler", 5]
    assert cells["native"].key in {entry.cell.key for entry in load_run(recorded).entries}
    assert found["matched"].sigmas != found["native"].sigmas
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv")
    assert frame["grid"].tolist() == ["native", "matched"]
    assert "matched grid" in (tmp_path / "tiny" / "report.html").read_text()


@pytest.mark.parametrize("name", ["ddim", "ddpm", "pndm", "euler_a"])
def test_schedulers_that_cannot_be_matched_say_so(name, tmp_path, capsys):
    grid = ("model=gaussian", f"scheduler={name},euler", "grid=matched", "steps=3")
    code, _, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 2
    assert f"scheduler={name}: cannot be put on grid=matched; choose from lms, euler, heun," in err


def test_a_flow_starts_at_noise_of_variance_1_in_a_pipeline_that_asks_the_scheduler():
    """StableDiffusionPipeline reads init_noise_sigma, which classes of flows lack."""
    for name, spec in SCHEDULERS.items():
        if spec.family == "flow":
            scheduler = build_scheduler(spec.class_name, spec.flags, {})
            assert float(scheduler.init_noise_sigma) == pytest.approx(1), name


def visited(scheduler, passed):
    """Timesteps as they are read during a run, before each step, of what a pipeline passes."""
    timesteps, sample = [], torch.zeros(1)
    for t in scheduler.timesteps:
        timesteps.append(training_timestep(float(passed(t)), scheduler))
        sample = scheduler.step(torch.zeros(1), t, sample).prev_sample
    return timesteps


def shifted_flow(*, steps=50):
    """A grid as FLUX.1-dev shifts it for an image of 1024 pixels."""
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), mu=1.15)
    return scheduler


@pytest.mark.parametrize(
    "passed",
    [
        lambda t: t.to(torch.bfloat16) / 1000,
        lambda t: (1000 - t) / 1000,
        lambda t: ((1000 - t) / 1000).to(torch.bfloat16),
        lambda t: t,
    ],
    ids=["share", "mirrored", "mirrored and rounded", "as it is"],
)
def test_a_timestep_is_the_one_that_the_scheduler_is_at(passed):
    scheduler = shifted_flow()
    assert visited(scheduler, passed) == [float(t) for t in scheduler.timesteps]


def test_a_mirrored_grid_is_not_read_from_its_other_end():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[0.75, 0.5, 0.25])  # one less each is a noise level of it too
    assert visited(scheduler, lambda t: (1000 - t) / 1000) == [750, 500, 250]


def test_a_run_that_begins_within_a_grid_is_read_there():
    scheduler = shifted_flow()
    scheduler.set_begin_index(30)
    t = scheduler.timesteps[30]
    assert training_timestep(float(t.to(torch.bfloat16) / 1000), scheduler) == t


@pytest.mark.parametrize("cls", [HeunDiscreteScheduler, FlowMatchHeunDiscreteScheduler])
def test_both_evaluations_of_a_step_are_read(cls):
    scheduler = cls()
    scheduler.set_timesteps(5)
    assert visited(scheduler, lambda t: t) == [float(t) for t in scheduler.timesteps]


def test_a_scheduler_that_keeps_no_place_is_read_by_what_is_closest():
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(20)
    assert visited(scheduler, lambda t: t) == [float(t) for t in scheduler.timesteps]
