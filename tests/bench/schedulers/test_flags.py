"""Flags of schedulers as an axis: named, checked, and equal cells run once."""

import json
import shutil

import pandas as pd
import pytest

from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.records.run import load_run
from denoisebench.bench.schedulers.flags import chosen
from denoisebench.bench.settings.job import SchedulerSettings
from tests.helpers.cli import call, model_at, tiny
from tests.helpers.configs import USUAL

SD = {**USUAL["diffusion"], "timestep_spacing": "leading"}


def name_of(scheduler, config=SD, **flags):
    return chosen(SchedulerSettings(name=scheduler, flags=flags), config).name


def swept_with(folder, *overrides):
    """Results of a sweep of `gaussian`, by scheduler and steps."""
    from denoisebench.__main__ import run

    assert run(tiny(folder, "model=gaussian", "latency.timed_runs=0", *overrides)) == 0
    return pd.read_csv(folder / "tiny" / "results.csv").set_index(["scheduler", "steps"])


@pytest.mark.parametrize(
    ("scheduler", "flags", "name"),
    [
        ("dpmpp_2m", {}, "dpmpp_2m"),
        ("dpmpp_2m", {"use_karras_sigmas": True}, "dpmpp_2m_karras"),
        ("dpmpp_2m", {"use_karras_sigmas": False}, "dpmpp_2m"),  # the class's default
        ("dpmpp_2m", {"timestep_spacing": "leading"}, "dpmpp_2m"),  # the model's own
        ("dpmpp_2m_karras", {"use_karras_sigmas": False}, "dpmpp_2m"),
        ("dpmpp_2m", {"solver_order": 3}, "dpmpp_3m"),
        ("dpmpp_2m", {"algorithm_type": "sde-dpmsolver++"}, "dpmpp_2m_sde"),
        ("dpmpp_3m", {"use_karras_sigmas": True}, "dpmpp_2m_karras+solver_order=3"),
        ("dpmpp_2m_karras", {"solver_order": 3}, "dpmpp_2m_karras+solver_order=3"),
        ("euler", {"use_karras_sigmas": True}, "euler+karras"),
        ("unipc", {"lower_order_final": False}, "unipc+lower_order_final=false"),
        ("ddim", {"use_karras_sigmas": False}, "ddim"),  # off in a class that has none
    ],
)
def test_a_scheduler_is_called_by_what_it_runs(scheduler, flags, name):
    assert name_of(scheduler, **flags) == name


def test_flow_schedulers_know_the_shift_of_the_model():
    config = {"num_train_timesteps": 1000, "shift": 3.0}
    assert name_of("flow_dpmpp_2m", config, flow_shift=3.0) == "flow_dpmpp_2m"
    assert name_of("flow_dpmpp_2m", config, flow_shift=5.0) == "flow_dpmpp_2m+flow_shift=5"
    assert name_of("flow_euler", config, stochastic_sampling=True) == "flow_euler_sde"


@pytest.mark.long
@pytest.mark.slow
def test_a_cell_asked_for_by_flags_is_the_one_of_the_catalogue(tmp_path, capsys):
    """The key is that of the cell that ran before flags were an axis."""
    swept_with(tmp_path, "scheduler=dpmpp_2m_karras")
    grid = ("model=gaussian", "latency.timed_runs=0", "scheduler=dpmpp_2m")
    flag = "scheduler.flags.use_karras_sigmas=true"
    code, out, err = call(capsys, *tiny(tmp_path, *grid, flag))
    assert (code, err) == (0, "")
    assert "nothing was generated" in out
    assert "dpmpp_2m+karras is dpmpp_2m_karras on gaussian: one cell, under that name" in out


@pytest.mark.slow
def test_flags_are_an_axis_and_tell_curves_apart(tmp_path):
    grid = ("scheduler=ddim,euler", "scheduler.flags.use_karras_sigmas=true,false", "steps=3,5")
    frame = swept_with(tmp_path, *grid)
    status = frame["status"]
    for steps in (3, 5):
        assert status["euler+karras", steps] == status["euler", steps] == "done"
        assert status["ddim", steps] == "done"
        assert status["ddim+karras", steps] == "unsupported"
    assert len(frame) == 8
    message = frame.loc[("ddim+karras", 3), "message"]
    assert message == "scheduler=ddim: takes no notice of use_karras_sigmas"
    run = load_run(tmp_path / "tiny")
    entries = {e.cell.scheduler: e.cell for e in run.entries}
    assert json.loads(entries["euler"].scheduler_flags) == {}
    assert json.loads(entries["euler+karras"].scheduler_flags) == {"use_karras_sigmas": True}
    grids = {e.cell.scheduler: run.store.read_record(e.cell.key, "grid") for e in run.entries}
    plain, karras = grids["euler"]["sigmas"], grids["euler+karras"]["sigmas"]
    assert (karras[0], karras[-1]) == pytest.approx((plain[0], plain[-1]))
    assert karras[2] > 1.2 * plain[2]
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert "euler+karras" in page


def test_a_model_that_has_the_flag_makes_two_names_one_cell(tmp_path, capsys):
    folder = tmp_path / "model"
    shutil.copytree(EMBEDDED / "shapes-ddpm", folder)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "use_karras_sigmas": True}))
    grid = (*model_at(folder), "scheduler=dpmpp_2m,dpmpp_2m_karras", "--dry-run")
    code, out, _ = call(capsys, *tiny(tmp_path / "runs", *grid))
    assert code == 0
    assert "cells: 1" in out
    assert "dpmpp_2m_karras is dpmpp_2m on model" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("scheduler=ddim F.use_karras_sigmas=true", "ddim: takes no notice of use_karras_sigmas"),
        ("scheduler=ddim F.use_karras_sigma=true", "use_karras_sigma: DDIMScheduler has no such"),
        ("scheduler=euler F.use_karas_sigmas=true", "did you mean use_karras_sigmas"),
        (
            "scheduler=dpmpp_2m F.use_flow_sigmas=true",
            "makes another scheduler, for flow models; leave it out",
        ),
        ("scheduler=ddim F.prediction_type=sample", "says what a model was trained on"),
        ("scheduler=pndm F.skip_prk_steps=false steps=4", "how many evaluations a step has"),
        ("scheduler=dpmpp_2m_karras F.use_beta_sigmas=true", "has karras and beta sigmas at once"),
        ("scheduler=dpmpp_2m F.solver_type=x", "DPMSolverMultistepScheduler refuses solver_type=x"),
        ("scheduler=dpmpp_2m F.euler_at_final=true", "changes nothing of dpmpp_2m with grid=nat"),
        (
            "scheduler=euler F.timestep_spacing=leading grid=matched",
            "changes nothing of euler with grid=matched, at 2 steps or others; leave it out",
        ),
        ("scheduler=euler F.use_karras_sigmas=[1]", "scheduler.flags.use_karras_sigmas"),
        ("+scheduler.base=eular scheduler.name=mine", "scheduler.base=eular: unknown; did you"),
        ("+scheduler.base=euler scheduler.name=ddim", "is in the catalogue; give yours another"),
    ],
)
def test_flags_that_cannot_be_had_are_refused_with_the_cure(overrides, message, tmp_path, capsys):
    words = overrides.replace("F.", "scheduler.flags.").split()
    code, _, err = call(capsys, *tiny(tmp_path, "model=gaussian", *words))
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "tiny").exists()


@pytest.mark.slow
def test_a_flag_that_acts_on_few_steps_alone_has_a_whole_curve(tmp_path):
    flag = "scheduler.flags.lower_order_final=true,false"
    frame = swept_with(tmp_path, "scheduler=deis", flag, "steps=4,20")
    assert set(frame["status"]) == {"done"}
    assert len(frame) == 4
    distance = frame["fd_pixels"].unstack("steps")
    assert distance[4].nunique() == 2
    assert distance[20].nunique() == 1


@pytest.fixture
def own(tmp_path):
    """A config folder with schedulers of the user's own."""
    folder = tmp_path / "own" / "scheduler"
    folder.mkdir(parents=True)
    flags = "{use_karras_sigmas: true, solver_order: 3}"
    (folder / "mine.yaml").write_text(f"name: my_dpm\nbase: dpmpp_2m\nflags: {flags}\n")
    flags = "{use_karras_sigmas: true}"
    (folder / "known.yaml").write_text(f"name: known\nbase: dpmpp_2m\nflags: {flags}\n")
    (folder / "clash.yaml").write_text(f"name: my_dpm\nbase: euler\nflags: {flags}\n")
    return tmp_path / "own"


@pytest.mark.slow
def test_a_scheduler_of_ones_own_is_a_few_lines_of_yaml(own, tmp_path, capsys):
    frame = swept_with(tmp_path, f"--config-dir={own}", "scheduler=mine,known")
    assert set(frame["status"]) == {"done"}
    assert set(frame.index.get_level_values("scheduler")) == {"my_dpm", "dpmpp_2m_karras"}
    merged = "known is dpmpp_2m_karras on gaussian: one cell, under that name"
    assert merged in capsys.readouterr().out
    assert merged in (tmp_path / "tiny" / "report.html").read_text()


def test_two_schedulers_of_one_name_are_refused(own, tmp_path, capsys):
    grid = ("model=gaussian", f"--config-dir={own}", "scheduler=mine,clash")
    code, _, err = call(capsys, *tiny(tmp_path, *grid))
    assert code == 2
    assert "scheduler my_dpm: names 2 different ones; give each its own name" in err


def test_a_prediction_type_that_a_scheduler_cannot_read_is_refused(tmp_path, capsys):
    folder = tmp_path / "model"
    shutil.copytree(EMBEDDED / "shapes-ddpm", folder)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "prediction_type": "sample"}))
    grid = (*model_at(folder), "scheduler=pndm", "steps=4")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *grid))
    assert code == 2
    assert "pndm: cannot read prediction_type=sample of model; choose from ddpm, ddim" in err
