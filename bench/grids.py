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
    told = training_timesteps(timesteps, scheduler)
    return Grid(
        timesteps=told,
        sigmas=[noise_level(t, scheduler) for t in told],
        scheduler_sigmas=None if own is None else [float(sigma) for sigma in own],
    )


def training_timesteps(told: Sequence[float], scheduler: Any) -> list[float]:
    """Denoisers are told training timesteps, or their share of all (Flux, Qwen-Image), or what is
    missing to all of it (Z-Image): whichever comes closest to the scheduler's own timesteps."""
    values, steps = np.array(told, dtype=np.float64), scheduler.config.num_train_timesteps
    own = np.array([float(t) for t in scheduler.timesteps])
    readings = (values, values * steps, (1 - values) * steps)
    misses = [np.abs(reading[:, None] - own).min(1).sum() for reading in readings]
    return readings[int(np.argmin(misses))].tolist()


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
