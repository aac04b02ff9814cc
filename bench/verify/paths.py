"""Noise schedules that models are trained on, by their names in diffusers: timesteps to levels."""

import math
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from torch import Tensor

from denoisebench.bench.models.analytic import Level, prediction

TRAIN_TIMESTEPS = 1000
SIGMA_DATA = 0.5  # of EDM's preconditioning
_EDM_START, _EDM_END = math.log(80.0) / 4, 0.002  # timestep of sigma_max; sigma_min
_EDM_UNITS = TRAIN_TIMESTEPS / (math.log(80.0 / _EDM_END) / 4)  # training timesteps in one of EDM's
_SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
_DDPM = {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}


@dataclass(frozen=True)
class Path:
    """How data are noised, and what a network trained on it can predict."""

    family: str  # of the models: "diffusion", "flow" or "edm"
    config: dict[str, Any] = field(hash=False)  # of a scheduler
    predictions: tuple[str, ...]  # the usual one first

    def level_at(self, timestep: float) -> Level:
        """The level that a timestep stands for; fractions interpolate log(sigma/alpha)."""
        if self.family == "flow":
            return Level.flow(timestep / TRAIN_TIMESTEPS)
        if self.family == "edm":
            return _edm(math.exp(4 * timestep))
        table = _log_ratios(tuple(self.config.items()))
        return Level.vp_from_ratio(math.exp(np.interp(timestep, np.arange(len(table)), table)))

    @property
    def ends(self) -> tuple[float, float]:
        """The last training timestep, of most noise, and the one nearest to clean data."""
        return {
            "diffusion": (TRAIN_TIMESTEPS - 1.0, 0.0),
            "flow": (float(TRAIN_TIMESTEPS), 1.0),
            "edm": (_EDM_START, math.log(_EDM_END) / 4),
        }[self.family]

    @property
    def start(self) -> Level:
        """The level of the last training timestep, where generation should start."""
        return self.level_at(self.ends[0])

    @property
    def smallest(self) -> float:
        """sigma / alpha of the training timestep that is nearest to clean data."""
        level = self.level_at(self.ends[1])
        return level.sigma / level.alpha

    def timestep(self, level: Level) -> float:
        """The timestep, with its fraction, that stands for a level: the inverse of level_at."""
        if self.family == "flow":
            return TRAIN_TIMESTEPS * level.sigma / (level.alpha + level.sigma)
        ratio = math.log(max(level.sigma, 1e-30) / max(level.alpha, 1e-30))
        if self.family == "edm":
            return ratio / 4
        table = _log_ratios(tuple(self.config.items()))
        return float(np.interp(ratio, table, np.arange(len(table))))

    def offset(self, level: Level, timestep: float) -> float:
        """How far a level is from that of a timestep, in training timesteps."""
        unit = _EDM_UNITS if self.family == "edm" else 1.0
        return unit * (self.timestep(level) - timestep)

    def at(self, sigma: float) -> Level:
        """The level of an entry of scheduler.sigmas, as the model sees it."""
        if self.family == "flow":
            return Level.flow(sigma)
        return _edm(sigma) if self.family == "edm" else Level.vp_from_ratio(sigma)

    def output(self, denoised: Tensor, x: Tensor, level: Level, *, prediction_type: str) -> Tensor:
        """The network output that expresses the result `denoised` of a denoiser."""
        if self.family == "edm":
            return _edm_output(denoised, x, level)
        return prediction(denoised, x, level, prediction_type=prediction_type)


PATHS = {
    "scaled_linear": Path("diffusion", _SD, ("epsilon", "v_prediction", "sample")),
    "linear": Path("diffusion", _DDPM, ("epsilon", "v_prediction", "sample")),
    "cosine": Path(
        "diffusion", {"beta_schedule": "squaredcos_cap_v2"}, ("epsilon", "v_prediction", "sample")
    ),
    # Noise without any signal at the last timestep: a predicted eps says nothing there.
    "zero_snr": Path("diffusion", {**_SD, "rescale_betas_zero_snr": True}, ("v_prediction",)),
    "flow": Path("flow", {"shift": 1.0}, ("flow_prediction",)),
    "flow_shift3": Path("flow", {"shift": 3.0}, ("flow_prediction",)),
    "edm": Path("edm", {}, ("epsilon",)),
}


def _edm(sigma: float) -> Level:
    """The level of c_in x, where x = x0 + sigma eps (Karras et al. 2022, table 1)."""
    scale = 1 / math.hypot(sigma, SIGMA_DATA)
    return Level(scale, scale * sigma)


def _edm_output(denoised: Tensor, x: Tensor, level: Level) -> Tensor:
    """F in D = c_skip x / c_in + c_out F, for the scaled state x that the network is given."""
    sigma = level.sigma / level.alpha
    skip = SIGMA_DATA**2 / (sigma**2 + SIGMA_DATA**2)
    out = sigma * SIGMA_DATA / math.hypot(sigma, SIGMA_DATA)
    return (denoised - skip * x / level.alpha) / out


@cache
def _log_ratios(config: tuple[Any, ...]) -> np.ndarray:
    """log(sigma/alpha) of every training timestep."""
    from diffusers import DDIMScheduler

    signal = DDIMScheduler(**dict(config)).alphas_cumprod.double().numpy()
    with np.errstate(divide="ignore"):
        ratios: np.ndarray = np.log((1 - signal) / signal) / 2
    return ratios
