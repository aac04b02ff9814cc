"""The data that schedulers are verified on, with their exact states at every noise level."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from denoisebench.bench.models.analytic import Level, Mixture, exact_flow

BANDS = (10.0, 1.0, 0.1, 0.01)  # variances of the data: coarse detail to fine
CLEAN = Level(1.0, 0.0)


class Problem(Protocol):
    """What stands for a trained network and its data."""

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """x [N, D] at a level. Returns the same shape."""

    def state(self, noise: Tensor, level: Level) -> Tensor:
        """The exact marginal at a level, from standard normal noise [N, D]."""


@dataclass(frozen=True, eq=False)
class Bands:
    """A point mass and one dimension of each variance of BANDS, all of mean one.

    The denoiser is linear, so a deterministic scheduler maps noise z to a + b z, and two samples,
    z = 0 and z = 1, say all. Every consistent solver is exact on the point mass: its state is
    alpha + sigma z, so it shows the noise level that the state really has.
    """

    data: Mixture

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.data.denoise(x, level)

    def spread(self, level: Level) -> Tensor:
        """Standard deviation [D] of the marginal."""
        return (level.alpha**2 * self.data.variances[0] + level.sigma**2).sqrt()

    def state(self, noise: Tensor, level: Level) -> Tensor:
        return level.alpha * self.data.means[0] + self.spread(level) * noise

    def carried(self, state: Tensor, level: Level) -> Tensor:
        """Where the exact flow takes a state: clean data."""
        return exact_flow(self.data, state, level, CLEAN)


@dataclass(frozen=True, eq=False)
class Modes:
    """A mixture in one dimension, where the flow keeps the order of samples."""

    data: Mixture

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.data.denoise(x, level)

    def state(self, noise: Tensor, level: Level) -> Tensor:
        """Bisection of the marginal's distribution function."""
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
        """Index [N] of the mode in which the exact flow ends: exact where no mass lies between."""
        return torch.searchsorted(self.data.weights.cumsum(0), torch.special.ndtr(noise[:, 0]))


@dataclass(frozen=True, eq=False)
class Distilled:
    """A perfect consistency model: says where the exact flow ends, not what the data's mean is."""

    bands: Bands

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.bands.carried(x, level)

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
