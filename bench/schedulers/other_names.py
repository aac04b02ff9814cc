"""Schedulers by the names of other tools: k-diffusion, Stable Diffusion web UI, ComfyUI, diffusers.

An unknown name is never taken for another one; its error says what the other tools mean by it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from denoisebench.bench.errors import suggestion
from denoisebench.bench.schedulers.catalogue import CLASSES, SCHEDULERS
from denoisebench.bench.schedulers.not_run import NOT_RUN


class Meant(NamedTuple):
    """An entry of the catalogue, and the overrides to give beside it."""

    entry: str
    overrides: Mapping[str, Any] = {}
    lacks: str = ""  # the schedule that was named and that the entry's class cannot follow
    of: str = ""  # the model that the levels were made for


_KARRAS = {"scheduler.flags.use_karras_sigmas": "true"}
# Names that are spelt unlike the catalogue's, its labels and the classes of diffusers.
SOLVERS = {
    "plms": [Meant("pndm")],
    "dpm_2": [Meant("kdpm2")],
    "dpm_2_ancestral": [Meant("kdpm2_a")],
    "dpm_solver": [Meant("dpmpp_2m"), Meant("kdpm2")],
    "dpm_solver_2": [Meant("kdpm2")],
    "dpmsolver++": [Meant("dpmpp_2m")],
    "dpmpp": [Meant("dpmpp_2m")],
    "sde_dpmsolver++": [Meant("dpmpp_2m_sde")],
    "dpmpp_2s_ancestral": [
        Meant("dpmpp_2s", {"scheduler.flags.algorithm_type": "sde-dpmsolver++"})
    ],
    "dpmpp_2m_sde_heun": [Meant("dpmpp_2m_sde", {"scheduler.flags.solver_type": "heun"})],
    "dpmpp_3m_sde": [Meant("dpmpp_2m_sde", {"scheduler.flags.solver_order": 3})],
    "uni_pc_bh2": [Meant("unipc")],
    "edm": [Meant("heun", _KARRAS), Meant("edm_euler"), Meant("edm_dpmpp_2m")],
    "flow_match_euler": [Meant("flow_euler")],
    "flowmatch": [Meant("flow_euler")],
    "rectified_flow": [Meant("flow_euler")],
}
# Words behind a solver, or alone, that choose the noise levels. Karras, simple and sgm_uniform are
# translated so by the documentation of diffusers. By ComfyUI's code: normal is even in timesteps
# from the largest sigma to the smallest, both included; sgm_uniform has a point more and drops the
# last; simple takes every (total / n)th sigma of the table from its end; ddim_uniform every kth
# timestep, plus one. Align Your Steps: ten levels a model (AysSchedules of diffusers).
SCHEDULES: dict[str, dict[str, Any]] = {
    "karras": _KARRAS,
    "exponential": {"scheduler.flags.use_exponential_sigmas": "true"},
    "beta": {"scheduler.flags.use_beta_sigmas": "true"},
    "sgm_uniform": {"scheduler.flags.timestep_spacing": "trailing"},
    "simple": {"scheduler.flags.timestep_spacing": "trailing"},
    "normal": {"scheduler.flags.timestep_spacing": "linspace"},
    "ddim_uniform": {
        "scheduler.flags.timestep_spacing": "leading",
        "scheduler.flags.steps_offset": 1,
    },
    "ays": {"grid.timesteps": "[999,850,736,645,545,455,343,233,124,24]", "steps": 10},
    "ays_sdxl": {"grid.timesteps": "[999,845,730,587,443,310,193,116,53,13]", "steps": 10},
}
SCHEDULES["align_your_steps"] = SCHEDULES["ays"]
_AYS = {"ays": "Stable Diffusion 1", "ays_sdxl": "SDXL"}  # the models they were made for
_FURTHER = {word: [*_AYS] for word in ("ays", "align_your_steps")}  # words of several schedules
# Names that differ from one of the catalogue in how they are spelt alone, and mean a variant of it.
# With bh1 the class of diffusers makes no finite step to sigma 0.
_BH1 = {"scheduler.flags.solver_type": "bh1", "scheduler.flags.final_sigmas_type": "sigma_min"}
VARIANTS = {"uni_pc": [Meant("unipc", _BH1)]}
_USUAL = "dpmpp_2m"  # which takes every schedule: for a schedule without a solver
# Solvers that neither diffusers nor the catalogue has.
MISSING = (
    "dpm_fast",
    "dpm_adaptive",
    "restart",
    "heunpp2",
    "ipndm",
    "ipndm_v",
    "res_multistep",
    "gradient_estimation",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "euler_cfg_pp",
    "euler_ancestral_cfg_pp",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2s_ancestral_cfg_pp",
    "ddim_cfg_pp",
)


def unknown_scheduler(name: str, known: Iterable[str]) -> str:
    """What to say of a scheduler's name that is unknown: what other tools mean, or the nearest."""
    if name in NOT_RUN:
        return f"not run here: {NOT_RUN[name]}"
    key = _plain(name)
    if key in map(_plain, MISSING):
        return "a solver of other tools that is not here; `denoisebench list schedulers` names all"
    choices = meant_by(name)
    if not choices:
        return suggestion(name, known)
    return f"did you mean {' or '.join(map(_override_text, choices))}?"


def meant_by(name: str) -> list[Meant]:
    """What other tools mean by a name; nothing where none of them has it."""
    if name in VARIANTS:
        return VARIANTS[name]
    key, solvers = _plain(name), _solvers()
    if key in solvers:
        return solvers[key]
    for schedule in SCHEDULES:
        solver = key.removesuffix(_plain(schedule))
        if solver != key and (not solver or solver in solvers):
            choices = solvers.get(solver, [Meant(_USUAL)])
            schedules = _FURTHER.get(schedule, [schedule])
            return [_with_levels(choice, word) for choice in choices for word in schedules]
    return []


def _solvers() -> dict[str, list[Meant]]:
    """The table, the classes of the catalogue, its labels and its names, by plain name."""
    entries = [*SCHEDULERS.items()]
    classes = {_plain(spec.class_name): [Meant(name)] for name, spec in reversed(entries)}
    labels = {_plain(spec.label): [Meant(name)] for name, spec in entries}
    names = {_plain(name): [Meant(name)] for name in SCHEDULERS}
    return {_plain(name): meant for name, meant in SOLVERS.items()} | classes | labels | names


def _plain(name: str) -> str:
    """A name without what tools spell differently: `dpm2a` of `DPM2 a` and `k_dpm_2_ancestral`."""
    text = name.lower().replace("++", "pp").removesuffix("scheduler").removesuffix("_gpu")
    words = re.findall(r"[a-z0-9]+", re.sub(r"^(k|sample)[ _-]", "", text))
    return "".join(words).replace("ancestral", "a")


def _with_levels(choice: Meant, schedule: str) -> Meant:
    """The choice on that schedule, where its class can follow it."""
    facts, overrides = CLASSES[SCHEDULERS[choice.entry].class_name], SCHEDULES[schedule]
    needed = {*re.findall(r"use_(\w+)_sigmas|grid\.(timesteps)", " ".join(overrides))}
    if not {kind or levels for kind, levels in needed} <= {*facts.honours, *facts.takes}:
        return choice._replace(lacks=schedule)
    levels = {**choice.overrides, **overrides}
    return choice._replace(overrides=levels, of=_AYS.get(schedule, ""))


def _override_text(meant: Meant) -> str:
    settings = [f"{name}={value}" for name, value in meant.overrides.items()]
    without = [f"(it cannot follow {meant.lacks})"] if meant.lacks else []
    made_for = [f"(levels of {meant.of})"] if meant.of else []
    return " ".join([f"scheduler={meant.entry}", *settings, *without, *made_for])
