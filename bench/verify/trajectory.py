"""Drives a scheduler with a closed-form denoiser and records its calls, states and levels."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from denoisebench.bench.models.analytic import Level
from denoisebench.bench.verify.paths import Path
from denoisebench.bench.verify.problems import Problem


@dataclass(frozen=True, eq=False)
class Call:
    """One evaluation of the denoiser."""

    timestep: float
    level: Level  # that the timestep tells the model
    grid: Level  # of the state by the scheduler's own noise grid
    state: Tensor  # [N, D] the model's input


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A whole run."""

    calls: list[Call]
    final: Tensor  # [N, D]


@dataclass(frozen=True)
class Drive:
    """The setting of a run: data, noise schedule, and how the denoiser is used."""

    problem: Problem
    path: Path
    prediction_type: str
    by_timestep: bool = True  # the denoiser believes the timestep, as a network does; else the grid
    double: bool = True  # precision; else single
    seed: int = 0  # of the noise that a stochastic scheduler adds


def follow(scheduler: Any, steps: int, noise: Tensor, *, drive: Drive) -> Trajectory:
    """Runs a fresh scheduler from the exact state at its first level.

    noise: [N, D] float64, standard normal. It is mapped to the exact marginal at that level, so
    that no error comes from the start. Errors that the scheduler raises are passed on.
    """
    scheduler.set_timesteps(steps)
    if drive.double:
        _to_double(scheduler)
    extra = _step_arguments(scheduler, torch.Generator().manual_seed(drive.seed))
    if hasattr(scheduler, "noise_sampler_seed"):  # in place of a generator
        scheduler.noise_sampler_seed = drive.seed
    x, calls = _start(scheduler, noise, drive), list[Call]()
    for t in scheduler.timesteps:
        model_input = scaled(scheduler, x, t)
        level = drive.path.level_at(float(t))
        grid = _grid_level(
            scheduler, x, model_input, by_timestep=level, path=drive.path, call=len(calls)
        )
        state = model_input.flatten(1)
        calls.append(Call(float(t), level, grid, state.clone()))
        believed = level if drive.by_timestep else grid
        denoised = drive.problem.denoise(state, believed)
        output = drive.path.output(denoised, state, believed, prediction_type=drive.prediction_type)
        x = scheduler.step(output.view_as(x), t, x, **extra).prev_sample
    return Trajectory(calls, x.flatten(1))


def _start(scheduler: Any, noise: Tensor, drive: Drive) -> Tensor:
    """The state at the first level, as the scheduler keeps it: [N, D, 1, 1]."""
    t = scheduler.timesteps[0]
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64 if drive.double else torch.float32)
    model_input = scaled(scheduler, x, t)
    level = _grid_level(
        scheduler,
        x,
        model_input,
        by_timestep=drive.path.level_at(float(t)),
        path=drive.path,
        call=0,
    )
    state = drive.problem.state(noise, level) / float(model_input)
    return state[..., None, None].to(x)


def scaled(scheduler: Any, x: Tensor, t: Tensor) -> Tensor:
    """The state as the model is given it."""
    scale: Callable[[Tensor, Tensor], Tensor] | None  # flow ones have none
    scale = getattr(scheduler, "scale_model_input", None)
    return scale(x, t) if scale else x


def _grid_level(
    scheduler: Any, x: Tensor, model_input: Tensor, *, by_timestep: Level, path: Path, call: int
) -> Level:
    """The noise level of the scheduler's own grid at a call, by the call's number.

    Where the state is scaled for the model, the scale gives the level. Otherwise scheduler.sigmas
    gives it, at the scheduler's index or, where it keeps none, at the call's number. Without sigmas
    there is no grid but the timesteps.
    """
    scale = _ratio(model_input, x)
    if path.family == "diffusion" and abs(scale - 1) > 1e-9:
        return Level(scale, math.sqrt(max(1 - scale**2, 0)))
    sigmas = getattr(scheduler, "sigmas", None)
    if sigmas is None:
        return by_timestep
    index = getattr(scheduler, "step_index", None)
    return path.at(float(sigmas[call if index is None else index]))


def _ratio(model_input: Tensor, x: Tensor) -> float:
    place = int(x.abs().argmax())
    return float(model_input.flatten()[place] / x.flatten()[place])


def _to_double(scheduler: Any) -> None:
    """Converts grids to double precision: single would hide orders above two."""
    for name, value in vars(scheduler).items():
        if isinstance(value, Tensor) and value.dtype == torch.float32:
            setattr(scheduler, name, value.double())


def _step_arguments(scheduler: Any, generator: torch.Generator) -> dict[str, Any]:
    """The generator, where `step` of the class takes one or passes it on to a base class's."""
    steps = [vars(cls)["step"] for cls in type(scheduler).__mro__ if "step" in vars(cls)]
    takes = any("generator" in inspect.signature(step).parameters for step in steps)
    arguments = inspect.signature(scheduler.step).parameters
    passes = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in arguments.values())
    return {"generator": generator} if "generator" in arguments or (takes and passes) else {}
