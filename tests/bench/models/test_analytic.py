"""Ideal denoisers and exact flows against quadrature, each other and the data they stand for."""

import math

import numpy as np
import pytest
import torch

from denoisebench.bench.models.analytic import (
    PREDICTION_TYPES,
    Guided,
    Level,
    Mixture,
    exact_flow,
    prediction,
)
from denoisebench.metrics.features.frechet import frechet_distance, frechet_estimate
from denoisebench.metrics.features.moments import FeatureStats

PATHS = {
    "vp": (Level.vp(1e-4), Level.vp(0.9)),
    "vp, zero signal at the start": (Level.vp(0.0), Level.vp(1.0)),
    "ve": (Level.ve(80.0), Level.ve(0.002)),
    "flow": (Level.flow(1.0), Level.flow(0.0)),
}


def tensor(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture
def three() -> Mixture:
    variances = tensor([[0.04, 0.2], [0.09, 0.04], [0.25, 0.01]])
    return Mixture(tensor([0.5, 0.3, 0.2]), tensor([[-2, 0], [2, 0.5], [0, 3]]), variances)


def noise(n: int, dim: int, generator) -> torch.Tensor:
    return torch.randn(n, dim, generator=generator, dtype=torch.float64)


def test_the_denoiser_is_the_posterior_mean_by_quadrature():
    data = Mixture(tensor([0.7, 0.3]), tensor([[-1.0], [1.5]]), tensor([[0.2], [0.05]]))
    level = Level(0.8, 0.6)
    grid = np.linspace(-6, 6, 200001)
    gauss = lambda v, m, c: np.exp(-((v - m) ** 2) / (2 * c)) / np.sqrt(c)  # noqa: E731
    prior = 0.7 * gauss(grid, -1.0, 0.2) + 0.3 * gauss(grid, 1.5, 0.05)
    for x in (-1.3, 0.2, 0.9):
        weight = prior * gauss(x, level.alpha * grid, level.sigma**2)
        expected = (weight * grid).sum() / weight.sum()
        assert float(data.denoise(tensor([[x]]), level)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_every_prediction_type_tells_the_same_clean_data(three, kind, generator):
    level, x = Level.flow(0.4), noise(5, 2, generator)
    clean = three.denoise(x, level)
    out = prediction(clean, x, level, prediction_type=kind)
    back = {
        "sample": out,
        "epsilon": (x - level.sigma * out) / level.alpha,
        "v_prediction": (level.alpha * x - level.sigma * out) / level.radius**2,
        "flow_prediction": x - level.sigma * out,
    }
    torch.testing.assert_close(back[kind], clean)


@pytest.mark.parametrize("path", PATHS)
def test_the_integrated_flow_agrees_with_the_closed_form(path, generator):
    start, end = PATHS[path]
    one = Mixture.gaussian(tensor([0.7, -0.3]), tensor([1.0, 0.01]))
    twice = Mixture(tensor([0.5, 0.5]), one.means.repeat(2, 1), one.variances.repeat(2, 1))
    x = start.radius * noise(64, 2, generator)
    torch.testing.assert_close(
        exact_flow(twice, x, start, end=end), exact_flow(one, x, start, end=end), rtol=0, atol=1e-8
    )


def test_the_flow_of_a_mixture_is_the_same_in_two_legs_and_back(three, generator):
    start, middle, end = Level.flow(0.95), Level.flow(0.4), Level.flow(0.05)
    x = noise(32, 2, generator)
    through = exact_flow(three, x, start, end=end)
    legs = exact_flow(three, exact_flow(three, x, start, end=middle), middle, end=end)
    torch.testing.assert_close(legs, through, rtol=0, atol=1e-6)
    torch.testing.assert_close(exact_flow(three, through, end, end=start), x, rtol=0, atol=1e-6)
    clean = exact_flow(three, x, start, end=Level.flow(0.0))
    again = exact_flow(three, clean, Level.flow(0.0), end=start)
    torch.testing.assert_close(again, x, rtol=0, atol=1e-4)


@pytest.mark.long
@pytest.mark.slow
def test_the_flow_carries_noise_to_the_mixture(three, generator):
    samples = exact_flow(three, noise(20000, 2, generator), Level.flow(1.0), end=Level.flow(0.0))
    near = three.responsibilities(samples, Level(1.0, 1e-6)).mean(0)
    np.testing.assert_allclose(near, three.weights, atol=4 * math.sqrt(0.25 / 20000))
    np.testing.assert_allclose(samples.mean(0), three.mean, atol=0.05)
    np.testing.assert_allclose(samples.T.cov(), three.cov, atol=0.08)


def test_guidance_between_equal_variances_shifts_the_mean_by_its_scale(generator):
    variance = tensor([0.3, 0.02])
    asked = Mixture.gaussian(tensor([0.5, 1.0]), variance)
    without = Mixture.gaussian(tensor([0.0, -1.0]), variance)
    shifted = Mixture.gaussian(without.mean + 3 * (asked.mean - without.mean), variance)
    x = noise(16, 2, generator)
    start, end = Level.vp(0.0), Level.vp(1.0)
    torch.testing.assert_close(
        exact_flow(Guided(asked, without, 3.0), x, start, end=end),
        exact_flow(shifted, x, start, end=end),
        rtol=0,
        atol=1e-6,
    )


def test_samples_have_the_mixture_s_moments(three, generator):
    samples, component = three.sample(50000, generator)
    np.testing.assert_allclose(samples.T.cov(), three.cov, atol=0.05)
    np.testing.assert_allclose(component.bincount() / 50000, three.weights, atol=0.01)


@pytest.mark.slow
def test_the_frechet_interval_covers_the_exact_distance_of_gaussians(generator):
    """200 replications: 95 % give or take the three standard errors of such a count."""
    mean, variance = tensor([0.3, 0.2, 0.1, 0.0]), tensor([0.7, 0.6, 0.2, 0.05])
    known = tensor([1.0, 0.5, 0.2, 0.1])
    reference = FeatureStats.from_moments(np.zeros(4), known.diag().numpy())
    exact = float(mean.square().sum() + (variance.sqrt() - known.sqrt()).square().sum())
    population = FeatureStats.from_moments(mean.numpy(), variance.diag().numpy())
    assert frechet_distance(population, reference) == pytest.approx(exact)
    drawn = (mean + variance.sqrt() * noise(2000, 4, generator) for _ in range(200))
    intervals = [frechet_estimate(features, reference).interval() for features in drawn]
    covered = np.mean([low <= exact <= high for low, high in intervals])
    assert covered == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 200))
