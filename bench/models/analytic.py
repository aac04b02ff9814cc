"""Data whose ideal denoiser is closed form: Gaussians and mixtures, on every path of noise.

A path gives data x0 and noise eps the state x = alpha x0 + sigma eps. In the angle
theta = atan2(sigma, alpha) all paths are one: x / |(alpha, sigma)| moves with velocity
v = cos(theta) eps - sin(theta) x0, regular from pure noise to clean data, so a flow between any
two levels of any path is integrated there.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

PREDICTION_TYPES = ("epsilon", "sample", "v_prediction", "flow_prediction")
_FLOW_STEPS = 600  # of Runge-Kutta 4: see tests for the error
# Of sigma / alpha: above, a step from pure noise; below, the flow ends by one denoising jump.
_LARGEST, _SMALLEST = 1e3, 1e-6


@dataclass(frozen=True)
class Level:
    """A noise level: x = alpha x0 + sigma eps."""

    alpha: float
    sigma: float

    @classmethod
    def vp(cls, alpha_cumprod: float) -> "Level":
        return cls(math.sqrt(alpha_cumprod), math.sqrt(1 - alpha_cumprod))

    @classmethod
    def vp_from_ratio(cls, ratio: float) -> "Level":
        """Variance preserving, from sigma / alpha: what diffusers keeps as scheduler.sigmas."""
        if math.isinf(ratio):
            return cls(0.0, 1.0)
        return cls(1 / math.hypot(1, ratio), ratio / math.hypot(1, ratio))

    @classmethod
    def ve(cls, sigma: float) -> "Level":
        return cls(1.0, sigma)

    @classmethod
    def flow(cls, sigma: float) -> "Level":
        return cls(1 - sigma, sigma)

    @property
    def angle(self) -> float:
        return math.atan2(self.sigma, self.alpha)

    @property
    def radius(self) -> float:
        return math.hypot(self.alpha, self.sigma)


@dataclass(frozen=True, eq=False)  # comparing tensors with == has no single answer
class Mixture:
    """Gaussians of diagonal covariance. States are [N, D] in the precision of the state."""

    weights: Tensor  # [K] float64, sum 1
    means: Tensor  # [K, D] float64
    variances: Tensor  # [K, D] float64

    @classmethod
    def gaussian(cls, mean: Tensor, variance: Tensor) -> "Mixture":
        """One component: mean [D], variance [D]."""
        return cls(torch.ones(1).double(), mean.double()[None], variance.double()[None])

    def component(self, index: int) -> "Mixture":
        """The data given its component: what a prompt asks for."""
        return Mixture.gaussian(self.means[index], self.variances[index])

    @property
    def mean(self) -> Tensor:
        return self.weights @ self.means

    @property
    def cov(self) -> Tensor:
        """[D, D]: mean of the components' covariances and covariance of their means."""
        centred = self.means - self.mean
        return (self.weights @ self.variances).diag() + (centred.T * self.weights) @ centred

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Data [N, D] and the component [N] of each."""
        index = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=torch.float64)
        return self.means[index] + self.variances[index].sqrt() * noise, index

    def responsibilities(self, x: Tensor, level: Level) -> Tensor:
        """Posterior probability [N, K] of each component given the state."""
        means, variances, weights = (t.to(x) for t in (self.means, self.variances, self.weights))
        total = level.alpha**2 * variances + level.sigma**2
        distance = (x[:, None] - level.alpha * means).square() / total
        return (weights.log() - (distance + total.log()).sum(-1) / 2).softmax(-1)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[x0 | x]: each component's linear denoiser, weighted by its responsibility."""
        means, variances = self.means.to(x), self.variances.to(x)
        gain = level.alpha * variances / (level.alpha**2 * variances + level.sigma**2)
        if len(means) == 1:
            return means[0] + gain[0] * (x - level.alpha * means[0])
        denoised = means + gain * (x[:, None] - level.alpha * means)  # [N, K, D]
        return (self.responsibilities(x, level)[..., None] * denoised).sum(1)


@dataclass(frozen=True, eq=False)
class Guided:
    """Classifier-free guidance: the denoiser unconditional + scale (conditional - unconditional).

    Between Gaussians of equal variance its flow ends in a Gaussian of that variance, at the mean
    m_u + scale (m_c - m_u).
    """

    conditional: Mixture
    unconditional: Mixture
    scale: float

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        without = self.unconditional.denoise(x, level)
        return without + self.scale * (self.conditional.denoise(x, level) - without)


Denoiser = Mixture | Guided


def prediction(denoised: Tensor, x: Tensor, level: Level, *, prediction_type: str) -> Tensor:
    """What a network of the prediction type returns where the ideal denoiser says `denoised`."""
    if prediction_type == "sample":
        return denoised
    eps = (x - level.alpha * denoised) / level.sigma
    if prediction_type == "epsilon":
        return eps
    if prediction_type == "v_prediction":
        return level.alpha * eps - level.sigma * denoised
    if prediction_type == "flow_prediction":
        return eps - denoised
    raise ValueError(f"{prediction_type}: no prediction type; known: {PREDICTION_TYPES}")


def exact_flow(data: Denoiser, x: Tensor, start: Level, *, end: Level) -> Tensor:
    """Carries x along the probability-flow ODE from one noise level to another.

    One Gaussian is closed form; else Runge-Kutta 4 on _FLOW_STEPS equal steps in log(sigma/alpha),
    after one step from pure noise where alpha starts at zero.
    """
    if isinstance(data, Mixture) and len(data.weights) == 1:
        return _gaussian_flow(data, x, start, end=end)
    angles = _angles(start.angle, end.angle)
    state = x.double() / start.radius
    for here, there in zip(angles[:-1].tolist(), angles[1:].tolist(), strict=True):
        state = _runge_kutta(data, state, here=here, there=there)
    if math.tan(end.angle) < _SMALLEST:
        state = data.denoise(state, _at(angles[-1].item()))
    return (state * end.radius).to(x)


def _gaussian_flow(data: Mixture, x: Tensor, start: Level, *, end: Level) -> Tensor:
    mean, variance = data.means[0].to(x), data.variances[0].to(x)
    spread = (end.alpha**2 * variance + end.sigma**2) / (start.alpha**2 * variance + start.sigma**2)
    return end.alpha * mean + spread.sqrt() * (x - start.alpha * mean)


def _angles(start: float, end: float) -> Tensor:
    """Angles from start towards end in equal steps of log tan, no closer to clean data than
    _SMALLEST. Pure noise, where the logarithm has no start, is left by one step of its own."""
    first, last = (min(max(math.tan(a), _SMALLEST), _LARGEST) for a in (start, end))
    grid = torch.linspace(math.log(first), math.log(last), _FLOW_STEPS + 1, dtype=torch.float64)
    before = [start] if math.tan(start) > _LARGEST else []
    return torch.cat([torch.tensor(before, dtype=torch.float64), grid.exp().atan()])


def _runge_kutta(data: Denoiser, x: Tensor, *, here: float, there: float) -> Tensor:
    """One step of the classic method of order four, in the angle."""
    step = there - here
    first = _velocity(data, x, here)
    second = _velocity(data, x + step / 2 * first, here + step / 2)
    third = _velocity(data, x + step / 2 * second, here + step / 2)
    fourth = _velocity(data, x + step * third, there)
    return x + step / 6 * (first + 2 * second + 2 * third + fourth)


def _velocity(data: Denoiser, x: Tensor, angle: float) -> Tensor:
    level = _at(angle)
    return prediction(data.denoise(x, level), x, level, prediction_type="v_prediction")


def _at(angle: float) -> Level:
    return Level(math.cos(angle), math.sin(angle))
