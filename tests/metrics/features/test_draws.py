"""Distances of prompts that repeat, on mixtures whose true distance is known."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from denoisebench.metrics.decide.choose import Candidate, Gate, judged
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.metrics.estimate import mean_estimate, paired_difference
from denoisebench.metrics.features.draws import Draws
from denoisebench.metrics.features.frechet import frechet_distance, frechet_estimate
from denoisebench.metrics.features.kernel import (
    KernelReference,
    cmmd_estimate,
    cmmd_reference,
    kernel_distance_estimate,
    kernel_reference,
)
from denoisebench.metrics.features.moments import FeatureStats

DIM = 16
BETWEEN = 3.0  # variance of prompts' means; within one prompt it is 2.25 down to 0.25
SHIFT, SHRINK = 0.1, 0.9  # of the worse cell


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@dataclass(frozen=True)
class Mixture:
    """Prompts, each a Gaussian; the cell that is worse is shifted and spreads less."""

    means: np.ndarray  # [G, DIM]

    def draw(self, times: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, np.ndarray]:
        """Features of a perfect cell and of a worse one of the same noise, and their prompts."""
        return self.of(np.tile(np.arange(len(self.means)), times), rng)

    def of(
        self, prompts: np.ndarray, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, np.ndarray]:
        noise = rng.normal(size=(len(prompts), DIM)) * np.linspace(1.5, 0.5, DIM)
        perfect, worse = noise, SHIFT + SHRINK * noise
        return *(torch.from_numpy(self.means[prompts] + x) for x in (perfect, worse)), prompts

    def stats(self, shrink: float = 1.0, shift: float = 0.0) -> FeatureStats:
        return mixed(np.cov(self.means.T, bias=True), self.means.mean(0), shrink, shift)


def mixed(between: np.ndarray, mean: np.ndarray, shrink: float, shift: float) -> FeatureStats:
    within = np.diag(np.linspace(1.5, 0.5, DIM) ** 2)
    return FeatureStats.from_moments(mean + shift, between + shrink**2 * within)


def population(shrink: float = 1.0, shift: float = 0.0) -> FeatureStats:
    return mixed(BETWEEN * np.eye(DIM), np.zeros(DIM), shrink, shift)


def drawn_means(prompts: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(prompts, DIM)) * BETWEEN**0.5


# GenEval has 553 prompts, each drawn four times.
@pytest.mark.parametrize(
    ("prompts", "times"), [(553, 4), (10, 500), (10, 200), (1, 1000), (2, 500), (200, 3), (30, 7)]
)
def test_a_distance_of_repeated_prompts_is_of_these_prompts(prompts, times, rng):
    mixture = Mixture(drawn_means(prompts, rng))
    reference = mixture.stats()
    truth = frechet_distance(mixture.stats(SHRINK, SHIFT), reference)
    perfect, differences = [], []
    for _ in range(25):
        *cells, clusters = mixture.draw(times, rng)
        good, bad = (frechet_estimate(cell, reference, clusters) for cell in cells)
        perfect.append(good)
        differences.append(paired_difference(bad, good))
    check_replicated(perfect, 0.0)
    check_replicated(differences, truth)
    assert min(each.value for each in differences) > 0  # the worse one is never the better


def test_a_distance_of_prompts_drawn_once_is_of_all_prompts_like_them(rng):
    reference = population()
    truth = frechet_distance(population(SHRINK, SHIFT), reference)
    perfect, differences = [], []
    for _ in range(20):
        *cells, clusters = Mixture(drawn_means(5000, rng)).draw(1, rng)
        assert len({*clusters}) == 5000
        good, bad = (frechet_estimate(cell, reference) for cell in cells)
        perfect.append(good)
        differences.append(paired_difference(bad, good))
    check_replicated(perfect, 0.0)
    check_replicated(differences, truth)
    assert min(each.value for each in differences) > 0


def check_replicated(estimates, truth):
    """The bias is within a standard error, and intervals cover: of 25, no more than four miss where
    one does in a million by chance."""
    values = np.array([each.value for each in estimates])
    errors = np.array([each.se for each in estimates])
    assert abs(values.mean() - truth) < errors.mean()
    assert (np.abs(values - truth) > 1.96 * errors).sum() <= 4
    assert 0.7 < errors.mean() / values.std(ddof=1) < 2.6


@pytest.mark.parametrize(("prompts", "times"), [(10, 40), (100, 3), (1, 200)])
@pytest.mark.parametrize("metric", [kernel_distance_estimate, cmmd_estimate])
def test_kernel_distances_of_repeated_prompts_are_of_these_prompts(metric, prompts, times, rng):
    """Perfect cells score 0, held against other samples of the same prompts."""
    mixture = Mixture(drawn_means(prompts, rng))
    prepare = {kernel_distance_estimate: kernel_reference, cmmd_estimate: cmmd_reference}[metric]
    references = [prepare(mixture.of(rng.integers(prompts, size=600), rng)[0]) for _ in range(30)]
    cells = [mixture.draw(times, rng) for _ in references]
    found = [
        metric(perfect, held, clusters)
        for (perfect, _, clusters), held in zip(cells, references, strict=True)
    ]
    values = np.array([each.value for each in found])
    assert abs(values.mean()) < 4 * values.std(ddof=1) / 30**0.5


def test_prompts_drawn_once_and_seldom_twice_stand_for_a_population():
    prompts = np.array([0, 1, 2, 2, 3, 4, 5])
    draws = Draws.of(7, prompts)
    assert draws.count == 6
    assert draws.clusters is prompts
    assert not draws.strata.any()


def test_prompts_drawn_once_among_repeated_ones_share_a_stratum():
    prompts = np.array([0, 0, 0, 1, 1, 1, 1, 2, 3])
    draws = Draws.of(9, prompts)
    assert draws.count == 9
    assert draws.strata.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]
    alone = Draws.of(8, prompts[:8])
    assert alone.strata.tolist() == [0, 0, 0, 1, 1, 1, 1, 0]  # with the smallest


def test_the_error_of_a_mean_within_prompts_is_the_stratified_one(rng):
    """Σ (share of the prompt)² · variance within it / its samples."""
    prompts = np.repeat(np.arange(4), [5, 9, 2, 14])
    values = rng.normal(size=30) + 10 * prompts
    estimate = Draws.of(30, prompts).estimate(values.mean(), values - values.mean())
    parts = [values[prompts == k] for k in range(4)]
    expected = sum((len(x) / 30) ** 2 * x.var(ddof=1) / len(x) for x in parts)
    assert estimate.se == pytest.approx(expected**0.5, rel=1e-12)
    assert estimate.influence.mean() == pytest.approx(0, abs=1e-12)


def test_a_kernel_of_repeated_prompts_is_the_weighted_mean_over_pairs(rng):
    prompts = np.repeat(np.arange(3), [2, 3, 5])
    x, y = (torch.from_numpy(rng.normal(size=(n, 4))) for n in (10, 20))

    def product(a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T

    reference = KernelReference(y, product)
    from denoisebench.metrics.features.kernel import _mmd_estimate

    gram, shares = (x @ x.T).numpy(), np.array([0.2, 0.3, 0.5])
    expected = 0.0
    for i in range(3):
        for j in range(3):
            block = gram[np.ix_(prompts == i, prompts == j)]
            mean = block.mean() if i != j else block[~np.eye(len(block), dtype=bool)].mean()
            expected += shares[i] * shares[j] * mean
    expected += reference.within - 2 * float((x @ y.T).mean())
    assert _mmd_estimate(x, reference, prompts).value == pytest.approx(expected, rel=1e-12)


def prompted(prompts, times):
    """Outcomes of a cell that loses next to nothing, by a Fréchet distance of 20 features, which
    takes 80 units, and by a mean."""
    rng, clusters = np.random.default_rng(0), np.tile(np.arange(prompts), times)
    numbers = None if times == 1 else clusters
    shared = rng.normal(size=(prompts, 20))[clusters] + rng.normal(size=(len(clusters), 20))
    reference = FeatureStats.from_moments(np.zeros(20), 2 * np.eye(20))
    cells = []
    for steps, scale in ((8, 0.9999), (16, 1.0)):
        distance = frechet_estimate(torch.from_numpy(scale * shared), reference, numbers)
        mean = mean_estimate(shared[:, 0] + 0.01 * rng.normal(size=len(clusters)), numbers)
        cells.append(Candidate("ddim", steps, steps, {"fd": distance, "mean": mean}))
    gates = {"fd": Gate(-1, 5.0, enough=80), "mean": Gate(1, 5.0)}
    return {metric: verdict.outcome for metric, verdict in judged(*cells, gates).items()}


@pytest.mark.parametrize(
    ("prompts", "times", "distance", "mean"),
    [
        (553, 4, PASS, PASS),  # GenEval's
        (10, 500, PASS, UNDECIDED),  # of these ten; a mean is of prompts like them
        (1, 1000, PASS, UNDECIDED),
        (5000, 1, PASS, PASS),
        (79, 1, UNDECIDED, PASS),
        (10, 7, UNDECIDED, UNDECIDED),
    ],
)
def test_a_gate_counts_what_the_estimate_is_of(prompts, times, distance, mean):
    """A distance of prompts that repeat is of these prompts: samples are its units. Means are of
    all prompts like them."""
    assert prompted(prompts, times) == {"fd": distance, "mean": mean}


def test_a_gate_of_a_population_counts_prompts_where_some_repeat():
    """60 prompts of which 30 are drawn twice are 60 units, though there are 90 samples."""
    rng, clusters = np.random.default_rng(0), np.arange(90) % 60
    features = rng.normal(size=(60, 20))[clusters] + 0.1 * rng.normal(size=(90, 20))
    reference = FeatureStats.from_moments(np.zeros(20), np.eye(20))
    worse, best = (
        frechet_estimate(torch.from_numpy(scale * features), reference, clusters)
        for scale in (0.9999, 1.0)
    )
    cells = [Candidate("ddim", n, n, {"fd": e}) for n, e in ((8, worse), (16, best))]
    verdict = judged(*cells, {"fd": Gate(-1, 50.0, enough=80)})["fd"]
    assert (verdict.outcome, verdict.further) == (UNDECIDED, 30)
