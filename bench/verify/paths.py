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
_SIGMA_MIN, _SIGMA_MAX = 0.002, 80.0  # of EDM and of consistency models
_TIMES = {"edm": 0.25, "consistency": 250.0}  # by which they multiply log sigma, for a timestep
_SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
_DDPM = {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}


@dataclass(frozen=True)
class Path:
    """How data are noised, and what a network trained on it can predict."""

    family: str  # of the models: "diffusion", "flow", "edm" or "consistency"
    config: dict[str, Any] = field(hash=False)  # of a scheduler
    predictions: tuple[str, ...]  # the usual one first

    def level_at(self, timestep: float) -> Level:
        """The level that a timestep stands for; fractions interpolate log(sigma/alpha)."""
        if self.family == "flow":
            return Level.flow(timestep / TRAIN_TIMESTEPS)
        if self.family in _TIMES:
            return _edm(math.exp(timestep / _TIMES[self.family]))
        table = _log_ratios(tuple(self.config.items()))
        return Level.vp_from_ratio(math.exp(np.interp(timestep, np.arange(len(table)), table)))

    @property
    def ends(self) -> tuple[float, float]:
        """The last training timestep, of most noise, and the one nearest to clean data."""
        if self.family in _TIMES:
            unit = _TIMES[self.family]
            return unit * math.log(_SIGMA_MAX), unit * math.log(_SIGMA_MIN)
        return {
            "diffusion": (TRAIN_TIMESTEPS - 1.0, 0.0),
            "flow": (float(TRAIN_TIMESTEPS), 1.0),
        }[self.family]

    @property
    def start(self) -> Level:
        """The level of the last training timestep, where generation should start."""
        return self.level_at(self.ends[0])

    @property
    def end(self) -> Level:
        """Where generation ends: at clean data, or at the level at which consistency functions say
        what they are given (Song et al., 2023)."""
        return Level(1.0, _SIGMA_MIN if self.family == "consistency" else 0.0)

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
        if self.family in _TIMES:
            return ratio * _TIMES[self.family]
        table = _log_ratios(tuple(self.config.items()))
        return float(np.interp(ratio, table, np.arange(len(table))))

    def offset(self, level: Level, timestep: float) -> float:
        """How far a level is from that of a timestep, in training timesteps."""
        unit = 1.0
        if self.family in _TIMES:
            unit = TRAIN_TIMESTEPS / (self.ends[0] - self.ends[1])
        return unit * (self.timestep(level) - timestep)

    def at(self, sigma: float) -> Level:
        """The level of an entry of scheduler.sigmas, as the model sees it."""
        if self.family == "flow":
            return Level.flow(sigma)
        return _edm(sigma) if self.family in _TIMES else Level.vp_from_ratio(sigma)

    def output(self, denoised: Tensor, x: Tensor, level: Level, *, prediction_type: str) -> Tensor:
        """The network output that expresses the result `denoised` of a denoiser."""
        if self.family in _TIMES:
            start = _SIGMA_MIN if self.family == "consistency" else 0.0
            return _edm_output(denoised, x, level, start=start)
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
    # As many levels as others have, so that every number of steps can be asked for.
    "consistency": Path("consistency", {"num_train_timesteps": TRAIN_TIMESTEPS}, ("epsilon",)),
}


def _edm(sigma: float) -> Level:
    """The level of c_in x, where x = x0 + sigma eps (Karras et al. 2022, table 1)."""
    scale = 1 / math.hypot(sigma, SIGMA_DATA)
    return Level(scale, scale * sigma)


def _edm_output(denoised: Tensor, x: Tensor, level: Level, *, start: float) -> Tensor:
    """F in D = c_skip x / c_in + c_out F, for the scaled state x that the network is given.

    start: sigma at which D is x itself, whatever F is: 0 of a denoiser, the smallest of a
    consistency function (Song et al., 2023, appendix C).
    """
    sigma = level.sigma / level.alpha
    skip = SIGMA_DATA**2 / ((sigma - start) ** 2 + SIGMA_DATA**2)
    out = (sigma - start) * SIGMA_DATA / math.hypot(sigma, SIGMA_DATA)
    return (denoised - skip * x / level.alpha) / out


@cache
def _log_ratios(config: tuple[Any, ...]) -> np.ndarray:
    """log(sigma/alpha) of every training timestep."""
    from diffusers import DDIMScheduler

    signal = DDIMScheduler(**dict(config)).alphas_cumprod.double().numpy()
    with np.errstate(divide="ignore"):
        ratios: np.ndarray = np.log((1 - signal) / signal) / 2
    return ratios
