"""The noise levels that a run really visited, from what the denoiser was told."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.cell import Grid


def executed_grid(timesteps: Sequence[float], scheduler: Any) -> Grid:
    """Of the timesteps that a hook saw, with the scheduler that chose them.

    A timestep between two training timesteps is read by the logarithm of sigma, as schedulers do.
    """
    own = getattr(scheduler, "sigmas", None)
    return Grid(
        timesteps=[float(t) for t in timesteps],
        sigmas=[noise_level(float(t), scheduler) for t in timesteps],
        scheduler_sigmas=None if own is None else [float(sigma) for sigma in own],
    )


def noise_level(timestep: float, scheduler: Any) -> float:
    """Noise over signal on a variance-preserving path, sigma itself on the others."""
    name = type(scheduler).__name__
    if name.startswith("EDM"):
        return math.exp(4 * timestep)
    trained = scheduler.config.num_train_timesteps
    if name.startswith("FlowMatch") or getattr(scheduler.config, "use_flow_sigmas", False):
        return timestep / trained
    signal = np.asarray(scheduler.alphas_cumprod, dtype=np.float64)
    with np.errstate(divide="ignore"):
        logs = np.log((1 - signal) / signal) / 2
    return float(np.exp(np.interp(timestep, np.arange(len(logs)), logs)))
