"""The data that schedulers are verified on, with their exact states at every noise level."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from denoisebench.bench.models.analytic import Level, Mixture, exact_flow

BANDS = (10.0, 1.0, 0.1, 0.01)  # variances of the data: coarse detail to fine
CLEAN = Level(1.0, 0.0)


class Problem(Protocol):
    """Data and their denoiser, in place of a trained network."""

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """The denoised x [N, D] at a level, [N, D]."""

    def state(self, noise: Tensor, level: Level) -> Tensor:
        """Samples of the exact marginal at a level, made of standard normal noise [N, D]."""


@dataclass(frozen=True, eq=False)
class Bands:
    """A point mass and one dimension of each variance of BANDS, all of mean one.

    The denoiser is linear, so a deterministic scheduler maps noise z to a + b z: two samples,
    z = 0 and z = 1, determine a and b. Every consistent solver is exact on the point mass: its
    state is alpha + sigma z, so it shows the noise level that the state really has.
    """

    data: Mixture

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.data.denoise(x, level)

    def spread(self, level: Level) -> Tensor:
        """Standard deviation [D] of the marginal."""
        return (level.alpha**2 * self.data.variances[0] + level.sigma**2).sqrt()

    def state(self, noise: Tensor, level: Level) -> Tensor:
        return level.alpha * self.data.means[0] + self.spread(level) * noise

    def carried(self, state: Tensor, level: Level, *, end: Level = CLEAN) -> Tensor:
        """Where the exact flow takes a state: to clean data, or to the level of the end."""
        return exact_flow(self.data, state, level, end=end)


@dataclass(frozen=True, eq=False)
class Modes:
    """A mixture in one dimension, where the flow keeps the order of samples."""

    data: Mixture

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.data.denoise(x, level)

    def state(self, noise: Tensor, level: Level) -> Tensor:
        """Samples of the marginal at a level, by bisection of its distribution function."""
        wanted = torch.special.ndtr(noise)
        means = level.alpha * self.data.means[:, 0]
        stds = (level.alpha**2 * self.data.variances[:, 0] + level.sigma**2).sqrt()
        low = torch.full_like(noise, float((means - 12 * stds).min()))
        high = torch.full_like(noise, float((means + 12 * stds).max()))
        for _ in range(60):
            middle = (low + high) / 2
            below = torch.special.ndtr((middle - means) / stds) @ self.data.weights
            small = below[:, None] < wanted
            low, high = torch.where(small, middle, low), torch.where(small, high, middle)
        return (low + high) / 2

    def mode(self, noise: Tensor) -> Tensor:
        """Index [N] of the mode that the exact flow ends in; exact if modes do not overlap."""
        return torch.searchsorted(self.data.weights.cumsum(0), torch.special.ndtr(noise[:, 0]))


@dataclass(frozen=True, eq=False)
class Distilled:
    """A perfect consistency model: it returns the end of the exact flow, not the data's mean."""

    bands: Bands
    end: Level  # to which the flow is followed

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.bands.carried(x, level, end=self.end)

    def state(self, noise: Tensor, level: Level) -> Tensor:
        return self.bands.state(noise, level)


def bands() -> Bands:
    variances = torch.tensor([0.0, *BANDS]).double()
    return Bands(Mixture.gaussian(torch.ones_like(variances), variances))


def modes() -> Modes:
    """Three modes, apart by fifteen of their standard deviations."""
    return Modes(
        Mixture(
            torch.tensor([0.5, 0.3, 0.2]).double(),
            torch.tensor([[-4.0], [0.0], [3.0]]).double(),
            torch.full((3, 1), 0.04).double(),
        )
    )
