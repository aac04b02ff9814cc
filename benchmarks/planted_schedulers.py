"""How small a fault of a scheduler `denoisebench verify` finds: faults planted, made smaller.

`make schedulers` appends the table to docs/schedulers.md. A fault is found where a check is not met
that the table of known defects does not expect, as a user sees it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version
from typing import Any
from unittest.mock import patch

import diffusers

from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.known_defects import known_defects
from denoisebench.bench.verify.findings import findings
from denoisebench.bench.verify.subject import Subject
from denoisebench.bench.verify.verify import verify_case

PATH = "scaled_linear"  # Stable Diffusion's noise schedule
_NONE = "none"
SIZES = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
Plant = Callable[[Any, float], dict[str, Any]]  # class and size to the attributes that are off


def noise_variance(cls: Any, size: float) -> dict[str, Any]:
    """Draws of a step, for which a class looks in its module."""
    step = cls.step

    @wraps(step)
    def off(self: Any, *given: Any, **named: Any) -> Any:
        draw = vars(diffusers.utils.torch_utils)["randn_tensor"]

        def larger(*shape: Any, **how: Any) -> Any:
            return draw(*shape, **how) * (1 + size) ** 0.5

        with patch(f"{cls.__module__}.randn_tensor", larger):
            return step(self, *given, **named)

    return {"step": off}


def sigma_max(cls: Any, size: float) -> dict[str, Any]:
    return _ends(cls, 0, 1 + size)


def sigma_min(cls: Any, size: float) -> dict[str, Any]:
    return _ends(cls, -1, 1 + size)


def _ends(cls: Any, place: int, factor: float) -> dict[str, Any]:
    """Sigmas that Karras' are spaced between."""
    karras = cls._convert_to_karras

    def off(self: Any, in_sigmas: Any, *given: Any, **named: Any) -> Any:
        sigmas = in_sigmas.copy() if hasattr(in_sigmas, "copy") else in_sigmas.clone()
        # Some classes hand the largest over first, some last.
        order = place if sigmas[0] > sigmas[-1] else -1 - place
        sigmas[order] = sigmas[order] * factor
        return karras(self, sigmas, *given, **named)

    return {"_convert_to_karras": off}


def init_noise_sigma(cls: Any, size: float) -> dict[str, Any]:
    right = cls.init_noise_sigma
    return {"init_noise_sigma": property(lambda self: (1 + size) * right.fget(self))}


def added_noise(cls: Any, size: float) -> dict[str, Any]:
    right = cls.add_noise

    def off(self: Any, data: Any, noise: Any, timesteps: Any) -> Any:
        return right(self, data, (1 + size) * noise, timesteps)

    return {"add_noise": off}


def last_step_extrapolated(cls: Any, size: float) -> dict[str, Any]:
    """A share of the second-order term in the step to clean data."""
    step = cls.step

    @wraps(step)
    def off(self: Any, *given: Any, **named: Any) -> Any:
        result = step(self, *given, **named)
        if self.step_index == len(self.timesteps) and len(self.timesteps) > 1:
            last, before = self.model_outputs[-1], self.model_outputs[-2]
            result.prev_sample = result.prev_sample + size / 2 * (last - before)
        return result

    return {"step": off}


def order_lowered_early(cls: Any, size: float) -> dict[str, Any]:
    """A share of the second-order term left out of the step before the last."""
    second = cls.multistep_dpm_solver_second_order_update

    def off(self: Any, outputs: Any, sample: Any, **named: Any) -> Any:
        right = second(self, outputs, sample=sample, **named)
        if self.step_index != len(self.timesteps) - 2:
            return right
        first = self.dpm_solver_first_order_update(outputs[-1], sample=sample, **named)
        return right + size * (first - right)

    return {"multistep_dpm_solver_second_order_update": off}


def second_order_term(cls: Any, size: float) -> dict[str, Any]:
    second = cls.multistep_dpm_solver_second_order_update

    def off(self: Any, outputs: Any, sample: Any, **named: Any) -> Any:
        right = second(self, outputs, sample=sample, **named)
        first = self.dpm_solver_first_order_update(outputs[-1], sample=sample, **named)
        return first + (1 + size) * (right - first)

    return {"multistep_dpm_solver_second_order_update": off}


def step_length(cls: Any, size: float) -> dict[str, Any]:
    step = cls.step

    @wraps(step)
    def off(self: Any, output: Any, t: Any, sample: Any, **named: Any) -> Any:
        result = step(self, output, t, sample, **named)
        result.prev_sample = sample + (1 + size) * (result.prev_sample - sample)
        return result

    return {"step": off}


def told_timesteps(cls: Any, size: float) -> dict[str, Any]:
    """Timesteps that the model is told, by a share of one."""
    choose = cls.set_timesteps

    @wraps(choose)
    def off(self: Any, *given: Any, **named: Any) -> None:
        choose(self, *given, **named)
        self.timesteps = (self.timesteps - size).clamp(min=0)

    return {"set_timesteps": off}


@dataclass(frozen=True)
class Fault:
    """A fault of any size, the schedulers that it is planted in, and the grids that it touches."""

    planted: str
    plant: Plant
    schedulers: tuple[str, ...]
    grids: tuple[str, ...] = ("trailing", "linspace", "leading", "karras", "exponential", "beta")

    @contextmanager
    def in_place(self, scheduler: str, size: float) -> Iterator[None]:
        cls = getattr(diffusers, SCHEDULERS[scheduler].class_name)
        with ExitStack() as stack:
            for name, attribute in self.plant(cls, size).items():
                stack.enter_context(patch.object(cls, name, attribute))
            yield


_NOISY = ("ddpm", "euler_a", "dpmpp_2m_sde", "sa_solver")
_EULER = ("euler", "heun")
FAULTS = (
    Fault("variance of the noise of all steps", noise_variance, _NOISY),
    Fault("sigma_max", sigma_max, ("euler", "dpmpp_2m"), ("karras",)),
    Fault("sigma_min", sigma_min, ("euler", "dpmpp_2m"), ("karras",)),
    Fault("init_noise_sigma", init_noise_sigma, _EULER),
    Fault("noise of add_noise", added_noise, ("ddim", "euler", "dpmpp_2m")),
    Fault("second-order term in the last step", last_step_extrapolated, ("dpmpp_2m",)),
    Fault("last step but one of first order", order_lowered_early, ("dpmpp_2m",)),
    Fault("second-order term of all steps", second_order_term, ("dpmpp_2m",)),
    Fault("length of all steps", step_length, ("euler",)),
    Fault("timesteps told, in timesteps", told_timesteps, ("euler",)),
)


def new_checks(scheduler: str, grid: str) -> set[str]:
    """Names of the checks that are not met and not listed."""
    subject = Subject(scheduler, SCHEDULERS[scheduler])
    rows = verify_case(subject, PATH, grid)
    table = known_defects(version("diffusers"))
    new = findings(rows, {scheduler: subject.aliases}, table)
    return {finding.check.name for finding in new if not finding.known}


def smallest(fault: Fault, scheduler: str) -> tuple[dict[str, float], set[str]]:
    """The smallest of SIZES that is found, by grid, and the checks that find it there."""
    grids = Subject(scheduler, SCHEDULERS[scheduler]).grids
    by_grid: dict[str, float] = {}
    checks: set[str] = set()
    for size in SIZES:
        for grid in (g for g in fault.grids if g in grids and g not in by_grid):
            with fault.in_place(scheduler, size):
                names = new_checks(scheduler, grid)
            if names:
                by_grid[grid] = size
                checks |= names
    return by_grid, checks


def lines() -> Iterator[str]:
    yield from ("", "## How small a fault is found", "")
    yield (
        f"Measured by planting (`python -m benchmarks.planted_schedulers`) with diffusers "
        f"{version('diffusers')} on Stable Diffusion's noise schedule: each fault in steps of "
        f"{', '.join(f'{size:.2%}' for size in SIZES)}. A grid counts as soon as one check is not "
        "met that is not listed."
    )
    yield ""
    yield "| fault | planted in | found from | on grids | not found on | by the checks |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for fault in FAULTS:
        for scheduler in fault.schedulers:
            yield _line(fault, scheduler)


def _line(fault: Fault, scheduler: str) -> str:
    by_grid, checks = smallest(fault, scheduler)
    planted = [g for g in Subject(scheduler, SCHEDULERS[scheduler]).grids if g in fault.grids]
    sizes = sorted({f"{size:.2%}" for size in by_grid.values()}, key=lambda text: float(text[:-1]))
    missed = [grid for grid in planted if grid not in by_grid]
    cells = (
        fault.planted,
        scheduler,
        " to ".join(dict.fromkeys((*sizes[:1], *sizes[-1:]))) or _NONE,
        f"{len(by_grid)} of {len(planted)}",
        ", ".join(missed) or _NONE,
        ", ".join(sorted(checks)) or _NONE,
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    import sys

    for line in lines():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
