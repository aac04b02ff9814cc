"""Names of schedulers of other tools: each leads to something that runs, and none is taken."""

import pytest
from diffusers.schedulers import AysSchedules

from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.other_names import (
    MISSING,
    SCHEDULES,
    SOLVERS,
    VARIANTS,
    meant_by,
)
from tests.helpers.cli import call

_FLAGS = "scheduler.flags"
MEANT = {
    "plms": "scheduler=pndm",
    "PLMS": "scheduler=pndm",
    "dpm-solver": "scheduler=dpmpp_2m or scheduler=kdpm2",
    "dpmsolver++": "scheduler=dpmpp_2m",
    "DPM++ 2M": "scheduler=dpmpp_2m",
    "DPM++ 2M Karras": "scheduler=dpmpp_2m_karras",
    "k_dpmpp_2m": "scheduler=dpmpp_2m",
    "DPM++ 2M SDE Karras": f"scheduler=dpmpp_2m_sde {_FLAGS}.use_karras_sigmas=true",
    "DPM++ SDE Karras": f"scheduler=dpmpp_sde {_FLAGS}.use_karras_sigmas=true",
    "dpmpp_2m_sde_gpu": "scheduler=dpmpp_2m_sde",
    "dpmpp_3m_sde": f"scheduler=dpmpp_2m_sde {_FLAGS}.solver_order=3",
    "edm": (
        f"scheduler=heun {_FLAGS}.use_karras_sigmas=true or scheduler=edm_euler "
        "or scheduler=edm_dpmpp_2m"
    ),
    "euler_ancestral": "scheduler=euler_a",
    "k_euler_a": "scheduler=euler_a",
    "sample_euler_ancestral": "scheduler=euler_a",
    "Euler a": "scheduler=euler_a",
    "Euler a Karras": "scheduler=euler_a (it cannot follow karras)",
    "DDIM AYS": "scheduler=ddim (it cannot follow ays)",
    "DPM2 a": "scheduler=kdpm2_a",
    "uni_pc": f"scheduler=unipc {_FLAGS}.solver_type=bh1 {_FLAGS}.final_sigmas_type=sigma_min",
    "uni_pc_bh2": "scheduler=unipc",
    "normal": f"scheduler=dpmpp_2m {_FLAGS}.timestep_spacing=linspace",
    "ddim_uniform": f"scheduler=dpmpp_2m {_FLAGS}.timestep_spacing=leading {_FLAGS}.steps_offset=1",
    "EulerDiscreteScheduler": "scheduler=euler",
    "EulerAncestralDiscreteScheduler": "scheduler=euler_a",
    "karras": f"scheduler=dpmpp_2m {_FLAGS}.use_karras_sigmas=true",
    "exponential": f"scheduler=dpmpp_2m {_FLAGS}.use_exponential_sigmas=true",
    "beta": f"scheduler=dpmpp_2m {_FLAGS}.use_beta_sigmas=true",
    "sgm_uniform": f"scheduler=dpmpp_2m {_FLAGS}.timestep_spacing=trailing",
    "simple": f"scheduler=dpmpp_2m {_FLAGS}.timestep_spacing=trailing",
    "AYS": "scheduler=dpmpp_2m grid.timesteps=[999,850,736,645,545,455,343,233,124,24] steps=10 "
    "(levels of Stable Diffusion 1) or scheduler=dpmpp_2m "
    "grid.timesteps=[999,845,730,587,443,310,193,116,53,13] steps=10 (levels of SDXL)",
    "align_your_steps": "scheduler=dpmpp_2m grid.timesteps=[999,850,",
}
MODELS = {"diffusion": "shapes-ddpm", "flow": "shapes-flow"}


def choices_of_the_tables():
    choices = [choice for name in (*SOLVERS, *VARIANTS, *SCHEDULES) for choice in meant_by(name)]
    return {str(choice): choice for choice in choices}


@pytest.mark.parametrize("name", MEANT)
def test_a_name_of_another_tool_is_translated_and_not_taken(name, capsys):
    code, out, err = call(capsys, "sweep", f"scheduler={name}", "--dry-run")
    assert code == 2
    assert out.startswith("reading the grid")
    assert err.startswith(f"denoisebench: scheduler={name}: unknown; did you mean {MEANT[name]}")


def test_the_setting_of_other_tools_for_schedules_names_what_each_word_means(capsys):
    code, _, err = call(capsys, "sweep", "schedule=simple", "--dry-run")
    assert code == 2
    for word, overrides in SCHEDULES.items():
        for name, value in overrides.items():
            assert f"{name.removeprefix('scheduler.flags.')}={value}" in err, word


@pytest.mark.parametrize("choice", choices_of_the_tables().values(), ids=choices_of_the_tables())
def test_what_is_suggested_is_accepted(choice, capsys):
    family = SCHEDULERS[choice.entry].family
    if family == "edm":
        return  # the entry is there, and of such models none comes with denoisebench
    overrides = [f"{name}={value}" for name, value in choice.overrides.items()]
    model = f"model={MODELS[family]}"
    grid = (f"scheduler={choice.entry}", model, "metrics=none", *overrides)
    code, _, err = call(capsys, "sweep", *grid, "--dry-run")
    assert (code, err) == (0, "")


def test_classes_of_the_catalogue_lead_to_an_entry_of_theirs():
    for spec in SCHEDULERS.values():
        for name in (spec.class_name, spec.class_name.removesuffix("Scheduler")):
            (meant,) = meant_by(name)
            assert SCHEDULERS[meant.entry].class_name == spec.class_name


def test_labels_and_names_of_the_catalogue_lead_to_themselves():
    for name, spec in SCHEDULERS.items():
        assert [meant.entry for meant in meant_by(spec.label)] == [name]
        assert [meant.entry for meant in meant_by(name.upper())] == [name]


def test_the_steps_of_align_your_steps_are_those_of_diffusers():
    timesteps = AysSchedules["StableDiffusionTimesteps"]
    assert SCHEDULES["ays"] == {
        "grid.timesteps": str(timesteps).replace(" ", ""),
        "steps": len(timesteps),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", MISSING)
def test_solvers_that_are_nowhere_are_not_taken_for_others(name, capsys):
    _, _, err = call(capsys, "sweep", f"scheduler={name}", "--dry-run")
    assert f"scheduler={name}: unknown; a solver of other tools that is not here" in err
    assert meant_by(name) == []


def test_a_class_that_is_not_run_has_its_reason(capsys):
    _, _, err = call(capsys, "sweep", "scheduler=UnCLIPScheduler", "--dry-run")
    assert "unknown; not run here: for unCLIP alone" in err


def test_names_of_a_grid_are_translated_one_by_one(capsys):
    code, _, err = call(capsys, "sweep", "scheduler=plms,DPM++ 2M, ddim,eulr", "--dry-run")
    assert code == 2
    assert [line.rpartition("did you mean ")[2] for line in err.splitlines()] == [
        "scheduler=pndm?",
        "scheduler=dpmpp_2m?",
        "euler or euler_a or edm_euler?",
    ]


def test_verify_translates_too(capsys):
    code, _, err = call(capsys, "verify", "scheduler=k_euler_a")
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean scheduler=euler_a?" in err
