"""The noise levels of a run: those that are asked for, and those that it really visited.

grid=native is what a user of diffusers gets: each class spaces its levels in its own way. With
grid=matched all schedulers of a family visit the same levels, so that curves differ by the solver
alone. Of N steps, each then ending at clean data:

diffusion  sigma_i = (a + i/(N-1) (b - a))^7, where a^7 and b^7 are sigma / alpha of the last and
           the first training timestep (Karras et al. 2022, equation 5)
edm        the same between sigma_max and sigma_min of the model's config
flow       u_i = (1 - 1/T)(1 - i/N) for T training timesteps, then the model's shift s:
           sigma_i = s u_i / (1 + (s - 1) u_i)

i runs from 0 to N - 1. With grid.timesteps or grid.sigmas the levels are those given, as the
class's set_timesteps takes them: a flow's shift comes on top. What the denoiser is told is rounded
to a whole timestep by some classes.
"""

import inspect
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from denoisebench.bench.records.cell import Grid
from denoisebench.bench.schedulers.catalogue import (
    SchedulerSpec,
    class_facts,
    scheduler_class,
    scheduler_from,
)
from denoisebench.bench.schedulers.own import class_like, like

_GIVEN = re.compile(r"(timesteps|sigmas)=(\[\d[\d.e+\-]*(?:, \d[\d.e+\-]*)*\])")  # bench/settings
_NEAR = 0.01  # of all training timesteps: what rounding a share of them takes away at most
_LEAVES_NOISE = ("DEISMultistepScheduler", "SASolverScheduler")  # their last step does nothing


def build_scheduler(
    class_name: str, flags: Mapping[str, Any], model_config: dict[str, Any], *, grid: str = "native"
) -> Any:
    """A fresh scheduler object: the model's own config with the flags over it.

    One per trajectory: diffusers' schedulers keep state. Raises UserError for an unknown class.
    """
    given, laid = given_levels(grid), {**flags, **grid_flags(class_name, flags, grid)}
    scheduler = scheduler_from(scheduler_class(class_name), laid, model_config)
    if not hasattr(scheduler, "init_noise_sigma"):
        scheduler.init_noise_sigma = 1.0  # of flows; pipelines that other paths had first read it
    if given:
        _give_levels(scheduler, lambda steps: _as_taken(class_name, given))
    elif grid == "matched" and _follows_flow(class_name, flags) and _takes_sigmas(class_name):
        trained = scheduler.config.num_train_timesteps
        _give_levels(scheduler, lambda steps: {"sigmas": _flow_levels(steps, trained)})
    return scheduler


def given_levels(grid: str) -> dict[str, list[float]]:
    """Levels of the user's own, by what set_timesteps calls them; empty for other grids."""
    given = _GIVEN.fullmatch(grid)
    return {given[1]: json.loads(given[2])} if given else {}


def _as_taken(class_name: str, given: Mapping[str, list[float]]) -> dict[str, Any]:
    """Arguments of set_timesteps: sigmas as an array, to which one class wants the end added."""
    if "sigmas" not in given:
        return dict(given)
    end = [0.0] if like(class_name) == "EulerDiscreteScheduler" else []
    return {"sigmas": np.array([*given["sigmas"], *end])}


def can_match(spec: SchedulerSpec) -> bool:
    """Whether a scheduler can be put on the matched grid. Those that cannot live on whole training
    timesteps, space their levels in one way alone, or do not end at clean data."""
    if like(spec.class_name) in _LEAVES_NOISE:
        return False
    if spec.family == "flow":
        return bool(spec.flags.get("use_flow_sigmas")) or _takes_sigmas(spec.class_name)
    return spec.family == "edm" or "karras" in class_facts(spec.class_name).honours


def grid_flags(class_name: str, flags: Mapping[str, Any], grid: str) -> dict[str, Any]:
    """What a grid lays over the flags of a scheduler that can take it."""
    if grid != "matched":
        return {}
    if like(class_name).startswith("EDM"):
        return {"sigma_schedule": "karras", "rho": 7.0}
    others = {"use_exponential_sigmas": False, "use_beta_sigmas": False}
    if _follows_flow(class_name, flags):
        return {**others, "use_karras_sigmas": False, "shift_terminal": None}
    karras = {"use_karras_sigmas": True, "timestep_spacing": "linspace"}
    takes = inspect.signature(scheduler_class(class_name)).parameters
    end = {"final_sigmas_type": "zero"} if "final_sigmas_type" in takes else {}
    return {**others, **karras, **end}


def _follows_flow(class_name: str, flags: Mapping[str, Any]) -> bool:
    return like(class_name).startswith("FlowMatch") or bool(flags.get("use_flow_sigmas"))


def _takes_sigmas(class_name: str) -> bool:
    return "sigmas" in class_facts(class_name).takes


def _give_levels(scheduler: Any, levels_of: Callable[[int], dict[str, Any]]) -> None:
    """Makes set_timesteps choose these levels of a number of steps, whatever a pipeline asks it
    for. Flow schedulers shift those that they are given.
    """
    set_timesteps = scheduler.set_timesteps

    @wraps(set_timesteps)  # pipelines ask the signature what it takes
    def matched(
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
        timesteps: Sequence[float] | None = None,
    ) -> None:
        levels = sigmas if sigmas is not None else timesteps
        steps = num_inference_steps or len(levels if levels is not None else ())
        shift = {} if mu is None else {"mu": mu}
        set_timesteps(device=device, **levels_of(steps), **shift)

    scheduler.set_timesteps = matched


def _flow_levels(steps: int, trained: int) -> np.ndarray:
    """Noise levels of a flow model before the shift, [steps]."""
    return (1 - 1 / trained) * (1 - np.arange(steps) / steps)


def executed_grid(timesteps: Sequence[float], scheduler: Any) -> Grid:
    """The grid of a run: timesteps that a hook saw, by the scheduler that chose them.

    A timestep between two training timesteps is read by the logarithm of sigma, as schedulers do.
    """
    sigmas = getattr(scheduler, "sigmas", None)
    trained = training_timesteps(timesteps, scheduler)
    return Grid(
        timesteps=trained,
        sigmas=[noise_level(t, scheduler) for t in trained],
        scheduler_sigmas=None if sigmas is None else [float(sigma) for sigma in sigmas],
    )


def training_timesteps(passed: Sequence[float], scheduler: Any) -> list[float]:
    """Training timesteps of those passed to a denoiser.

    They are passed as they are, as their share of all (Flux, Qwen-Image), or as one less that share
    (Z-Image): whichever comes closest to the scheduler's own timesteps.
    """
    values, steps = np.array(passed, dtype=np.float64), scheduler.config.num_train_timesteps
    visited = np.array([float(t) for t in scheduler.timesteps])
    readings = _readings(values, steps)
    misses = [np.abs(reading[:, None] - visited).min(1).sum() for reading in readings]
    closest: list[float] = readings[int(np.argmin(misses))].tolist()
    return closest


def training_timestep(passed: float, scheduler: Any) -> float:
    """The training timestep of the evaluation that runs, of the one passed to its denoiser.

    One number alone can be read wrongly: in bfloat16 a share is up to 4 of 1000 off, and one less
    the share may come closer to another visited timestep. So the scheduler's own place is asked
    first, where it keeps one.
    """
    timesteps, steps = scheduler.timesteps, scheduler.config.num_train_timesteps
    place = _place(scheduler)
    if place is not None and place < len(timesteps):
        visited = float(timesteps[place])
        misses = [abs(reading - visited) for reading in _readings(passed, steps)]
        if min(misses) <= _NEAR * steps:
            return visited
    return training_timesteps([passed], scheduler)[0]


def _place(scheduler: Any) -> int | None:
    """The number of the evaluation that runs; None where the class does not count them. Many do
    not until the first step, which begins where a pipeline says."""
    if not hasattr(scheduler, "step_index"):
        return None
    if scheduler.step_index is not None:
        return int(scheduler.step_index)
    return int(getattr(scheduler, "begin_index", None) or 0)


def _readings(passed: Any, steps: int) -> tuple[Any, Any, Any]:
    """What a passed timestep, or an array of them, may mean, see training_timesteps."""
    return passed, passed * steps, (1 - passed) * steps


def noise_level(timestep: float, scheduler: Any) -> float:
    """Noise over signal on a variance-preserving path, sigma itself on the others."""
    name = class_like(type(scheduler))
    if name.startswith("CMStochastic"):
        return math.exp(timestep / 250)
    if name.startswith("EDM") or scheduler.config.get("timestep_type") == "continuous":
        return math.exp(4 * timestep)
    trained: int = scheduler.config.num_train_timesteps
    if name.startswith("FlowMatch") or getattr(scheduler.config, "use_flow_sigmas", False):
        return timestep / trained
    signal = np.asarray(scheduler.alphas_cumprod, dtype=np.float64)
    with np.errstate(divide="ignore"):
        logs = np.log((1 - signal) / signal) / 2
    return float(np.exp(np.interp(timestep, np.arange(len(logs)), logs)))
