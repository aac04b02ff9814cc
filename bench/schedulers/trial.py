"""A trajectory of a made-up network: whether a scheduler runs, and what a flag changes of it."""

import json
import math
import warnings
from functools import cache
from typing import Any

from denoisebench.bench.errors import first_line
from denoisebench.bench.remembered import remembered
from denoisebench.bench.schedulers.grids import build_scheduler

# What becomes of a variance that a network gives beside its prediction, as twice the channels:
# dropped by the pipeline, passed on to the scheduler, or passed on where the scheduler's config
# says that it is learned.
DROPPED, PASSED, ASKED = "dropped", "passed", "asked"


@cache
def trial(
    class_name: str,
    flags: str,
    config: str,
    *,
    steps: int,
    grid: str,
    variance: str = DROPPED,
    channels: int = 1,
) -> tuple[list[float], list[float]] | str:
    """Timesteps and result; what the class says when it fails.

    flags and config (of the model's own scheduler) are JSON, all that is laid over it in flags.
    channels: of the state, on which some depend where a variance is passed on.
    """
    import torch

    from denoisebench.bench.noise import sample_generators, seed_noise

    x = 2 * torch.randn(2, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler = build_scheduler(
                class_name, json.loads(flags), json.loads(config), grid=grid
            )
            shifts = scheduler.config.get("use_dynamic_shifting", False)
            scheduler.set_timesteps(steps, **({"mu": 1.0} if shifts else {}))
            parts = 2 if _is_given_variance(scheduler, variance) else 1
            seed_noise(scheduler, sample_generators(0, 0, 2))
            x = x * getattr(scheduler, "init_noise_sigma", 1.0)
            scale = getattr(scheduler, "scale_model_input", lambda x, t: x)
            for t in scheduler.timesteps:
                output = torch.cat([torch.tanh(scale(x, t)) / 2] * parts, 1)
                x = scheduler.step(output, t, x, return_dict=False)[0]
    except Exception as error:  # each class has its own ways to fail
        return first_line(error)
    end = x.flatten().tolist()
    if not all(map(math.isfinite, end)):
        return "its result is not finite"
    return [float(t) for t in scheduler.timesteps], end


def repeats(class_name: str, flags: str, config: str, *, steps: int, grid: str) -> bool:
    """Whether a trial ends alike whatever the state of the process's own generator is."""
    import torch

    ends = []
    with torch.random.fork_rng(devices=[]):
        for seed in (0, 1):
            torch.manual_seed(seed)
            ends.append(trial.__wrapped__(class_name, flags, config, steps=steps, grid=grid))
    return bool(ends[0] == ends[1])


def failure(class_name: str, flags: str, config: str, **rest: Any) -> str | None:
    """What the class says when a trial fails; None when it ends well. Takes what `trial` takes.

    Only a good end is remembered: memory may be short, or a library absent, today alone.
    """
    try:
        _end_well(class_name, flags, config, **rest)
    except _Failed as error:
        return str(error)
    return None


class _Failed(Exception):
    """Why a trial fails."""


@remembered
def _end_well(class_name: str, flags: str, config: str, **rest: Any) -> bool:
    end = trial(class_name, flags, config, **rest)
    if isinstance(end, str):
        raise _Failed(end)
    return True


def _is_given_variance(scheduler: Any, variance: str) -> bool:
    learned = str(scheduler.config.get("variance_type")).startswith("learned")
    return variance == PASSED or (variance == ASKED and learned)
