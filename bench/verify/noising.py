"""The noise that a scheduler begins with, ends with and adds, against the noise schedule itself."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from denoisebench.bench.models.analytic import Level
from denoisebench.bench.verify.budget import OutOfTime
from denoisebench.bench.verify.case import TWO, Case
from denoisebench.bench.verify.paths import TRAIN_TIMESTEPS, Path
from denoisebench.bench.verify.subject import NATIVE
from denoisebench.bench.verify.trajectory import Call, scaled

NOISED_STEPS = 8  # few, so that no two timesteps round to the same
Ends = tuple[float, float | None]  # first and last timestep


def ends_error(case: Case, steps: int) -> float | None:
    """|log| of the first and of the last noise level over those of the grid, whichever is larger.

    Of the two ways in which diffusers' classes count leading and evenly spaced timesteps, the one
    that comes closer. None of a scheduler of consistency functions, which takes its steps from
    others.
    """
    run = case.run(steps, by_timestep=False)
    if not run.trajectory or case.subject.spec.expects_ends:
        return None
    calls = run.trajectory.calls
    return min(_apart(calls, ends, case.path) for ends in _ends(case, steps))


def _ends(case: Case, steps: int) -> list[Ends]:
    trained = TRAIN_TIMESTEPS
    if case.path.family != "diffusion":
        first, last = case.path.ends
        shared = case.path.family == "edm" or not case.subject.spec.flags.get("use_flow_sigmas")
        return [(first, last if shared else None)]
    others = trained // (steps + 1)  # the stride of classes that count the end as a step
    spacings: dict[str, list[Ends]] = {
        "trailing": [(trained - 1.0, trained / steps - 1)],
        "linspace": [(trained - 1.0, 0.0), (trained - 1.0, (trained - 1) / steps)],
        "leading": [((steps - 1.0) * (trained // steps), 0.0), (steps * others, others)],
    }
    return spacings.get(case.grid, [(trained - 1.0, None if case.grid == NATIVE else 0.0)])


def _apart(calls: list[Call], ends: Ends, path: Path) -> float:
    first = abs(_log(calls[0].grid, path) - _log(path.level_at(ends[0]), path))
    if ends[1] is None:
        return first
    return max(first, abs(_log(calls[-1].grid, path) - _log(path.level_at(ends[1]), path)))


def _log(level: Level, path: Path) -> float:
    """Logarithm of the noise: of a flow, which starts without any signal, sigma alone."""
    return math.log(level.sigma if path.family == "flow" else level.sigma / level.alpha)


def initial_noise_error(case: Case) -> float | None:
    """How far init_noise_sigma is from the noise of the first level, as a share of it.

    Pure noise of that level and noised data of variance one are both in use: between them is right.
    """
    run = case.run(NOISED_STEPS, TWO, by_timestep=False)
    if not run.trajectory:
        return None
    level, scheduler = run.trajectory.calls[0].grid, case.scheduler()
    scheduler.set_timesteps(NOISED_STEPS)
    one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    noise = one * float(getattr(scheduler, "init_noise_sigma", 1.0))
    size = float(scaled(scheduler, noise, scheduler.timesteps[0]))
    return max(0.0, size / level.radius - 1, 1 - size / level.sigma)


def added_noise_error(case: Case) -> float | None:
    """How far noised data are from the level that a step begins at, as img2img needs it.

    The larger of the errors of the data's share, and of the noise as a share of it, over all steps.
    None of a class that noises nothing.
    """
    run = case.run(NOISED_STEPS, TWO, by_timestep=False)
    adds = any(hasattr(case.subject.scheduler_class, name) for name in ("add_noise", "scale_noise"))
    if not run.trajectory or not adds:
        return None
    return max(_added_errors(case, run.trajectory.calls))


def _added_errors(case: Case, calls: list[Call]) -> Iterator[float]:
    for place in range(0, len(calls), case.subject.spec.period):
        level = calls[place].grid
        try:
            with case.spent():
                data, noise = (_noised(case.scheduler(), place, part) for part in (1.0, 0.0))
        except (Exception, OutOfTime):  # a class that cannot noise a sample is as wrong as can be
            yield math.inf
            return
        yield max(abs(data - level.alpha), abs(noise / level.sigma - 1))


def _noised(scheduler: Any, place: int, data: float) -> float:
    """The state at a step of data without noise (1) or of noise without data (0)."""
    scheduler.set_timesteps(NOISED_STEPS)
    t = scheduler.timesteps[place]
    clean = torch.full((1, 1, 1, 1), data, dtype=torch.float64)
    noise = 1 - clean
    state: Tensor
    if hasattr(scheduler, "add_noise"):
        state = scheduler.add_noise(clean, noise, t[None])
    else:
        state = scheduler.scale_noise(clean, t[None], noise)
    return float(scaled(scheduler, state, t))
