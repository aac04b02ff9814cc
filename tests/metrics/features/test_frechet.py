from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.simulated import replicate, spectrum
from denoisebench.metrics.decide.difference import difference_of
from denoisebench.metrics.estimate import Estimate, paired_difference
from denoisebench.metrics.features.draws import Draws
from denoisebench.metrics.features.frechet import (
    LARGE,
    LEFT,
    SPLITS,
    SPLITS_LARGE,
    frechet_distance,
    frechet_estimate,
    frechet_floor,
    frechet_record,
    splits,
)
from denoisebench.metrics.features.moments import FeatureStats
from tests.helpers import references


def plain_estimate(features: Tensor, reference: FeatureStats) -> Estimate:
    return frechet_estimate(features, reference, debias=False)


def draw(n: int, dim: int, generator: torch.Generator, offset: float = 0.0) -> Tensor:
    """Correlated features [n, dim] with variances from 4 down to 1/4."""
    scale = torch.linspace(2, 0.5, dim).double()
    mix = torch.eye(dim).double() + 0.3 * torch.ones(dim, dim).double() / dim
    noise = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    return noise * scale @ mix + offset


def test_equal_covariances_leave_the_squared_mean_shift(generator):
    features = draw(60, 8, generator)
    move = torch.arange(8).double()
    reference = FeatureStats.from_features(features)
    generated = FeatureStats.from_features(features + move)
    assert frechet_distance(generated, reference) == pytest.approx(float(move @ move), rel=1e-10)


def test_commuting_covariances_leave_the_squared_difference_of_deviations(generator):
    features = draw(60, 8, generator)
    features = features - features.mean(0)
    reference = FeatureStats.from_features(features)
    generated = FeatureStats.from_features(3 * features)
    expected = 4 * float(reference.cov.trace())  # Tr(3Σ^½ - Σ^½)²
    assert frechet_distance(generated, reference) == pytest.approx(expected, rel=1e-10)


def test_the_distance_is_symmetric_and_zero_to_itself(generator):
    a = FeatureStats.from_features(draw(50, 6, generator))
    b = FeatureStats.from_features(draw(70, 6, generator, offset=1))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize(("n", "dim"), [(200, 8), (40, 8), (300, 64)])
def test_the_distance_agrees_with_a_general_matrix_square_root(n, dim, generator):
    generated, reference = draw(n, dim, generator, offset=0.3), draw(400, dim, generator)
    stats = FeatureStats.from_features(reference)
    expected = references.frechet_distance(generated.numpy(), reference.numpy())
    value = frechet_distance(FeatureStats.from_features(generated), stats)
    assert value == pytest.approx(expected, rel=1e-7)
    assert plain_estimate(generated, stats).value == pytest.approx(expected, rel=1e-7)


class Flat(nn.Module):
    """Passes images through as features, for torchmetrics' custom extractor."""

    num_features = 12

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).double()  # uint8 sums would wrap around


def test_the_distance_agrees_with_torchmetrics_on_the_same_features(generator):
    from torchmetrics.image.fid import FrechetInceptionDistance

    fid = FrechetInceptionDistance(feature=Flat(), input_img_size=(3, 2, 2))
    fid.set_dtype(torch.float64)
    generated = torch.randint(0, 256, (200, 3, 2, 2), generator=generator, dtype=torch.uint8)
    reference = torch.randint(30, 200, (300, 3, 2, 2), generator=generator, dtype=torch.uint8)
    fid.update(generated, real=False)
    fid.update(reference, real=True)
    ours = frechet_distance(
        FeatureStats.from_features(generated.flatten(1)),
        FeatureStats.from_features(reference.flatten(1)),
    )
    assert ours == pytest.approx(float(fid.compute()), rel=1e-6)


@pytest.mark.parametrize(("n", "dim"), [(30, 4), (12, 11), (12, 12), (8, 20)])
def test_the_estimate_equals_the_distance_for_few_and_many_samples(n, dim, generator):
    generated, reference = draw(n, dim, generator, offset=0.2), draw(200, dim, generator)
    stats = FeatureStats.from_features(reference)
    estimate = plain_estimate(generated, stats)
    full = frechet_distance(FeatureStats.from_features(generated), stats)
    assert estimate.value == pytest.approx(full, rel=1e-9)
    assert estimate.samples == n
    assert estimate.influence.mean() == pytest.approx(0, abs=1e-10 * estimate.value)


def test_the_influence_is_the_derivative_by_sample_weight(generator):
    generated, reference = draw(25, 4, generator, offset=0.5), draw(100, 4, generator)
    estimate = plain_estimate(generated, FeatureStats.from_features(reference))

    def functional(weights):
        return references.weighted_frechet(generated.numpy(), weights, reference.numpy())

    assert functional(np.full(25, 1 / 25)) == pytest.approx(estimate.value, rel=1e-9)
    numeric = references.influence(functional, 25)
    np.testing.assert_allclose(estimate.influence, numeric, rtol=1e-5, atol=1e-6)


def test_with_fewer_samples_than_dimensions_the_influence_is_still_the_derivative(generator):
    """In the basis of the samples' own span the full formula applies; outside it nothing varies."""
    generated, reference = draw(7, 12, generator), draw(300, 12, generator, offset=0.4)
    stats = FeatureStats.from_features(reference)
    cov = stats.cov.numpy()

    def functional(weights):  # the n x n form of the distance, all in NumPy
        mean = weights @ generated.numpy()
        scaled = np.sqrt(weights * 7 / 6)[:, None] * (generated.numpy() - mean)
        eigenvalues = np.linalg.eigvalsh(scaled @ cov @ scaled.T)
        cross = np.sqrt(eigenvalues[1:]).sum()  # the smallest is zero: centring removes a rank
        shift = ((mean - stats.mean.numpy()) ** 2).sum()
        return shift + (scaled**2).sum() + np.trace(cov) - 2 * cross

    estimate = plain_estimate(generated, stats)
    assert functional(np.full(7, 1 / 7)) == pytest.approx(estimate.value, rel=1e-9)
    numeric = references.influence(functional, 7)
    np.testing.assert_allclose(estimate.influence, numeric, rtol=1e-5, atol=1e-5)


def test_constant_and_duplicate_samples_give_finite_estimates(generator):
    stats = FeatureStats.from_features(draw(100, 5, generator))
    constant = plain_estimate(torch.ones(6, 5), stats)
    expected = float((1 - stats.mean).square().sum() + stats.cov.trace())
    assert constant.value == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(constant.influence, 0, atol=1e-9)
    duplicates = plain_estimate(draw(3, 5, generator).repeat(4, 1), stats)
    assert np.isfinite(duplicates.influence).all()


def test_a_reference_of_low_rank_agrees_with_the_general_square_root(generator):
    generated = draw(50, 6, generator, offset=0.2)
    reference = draw(40, 2, generator) @ torch.randn(2, 6, generator=generator).double()
    estimate = plain_estimate(generated, FeatureStats.from_features(reference))
    expected = references.frechet_distance(generated.numpy(), reference.numpy())
    assert estimate.value == pytest.approx(expected, rel=1e-5)


def test_the_standard_error_matches_replication(generator):
    """400 cells of one distribution: the spread of their distances is what the formula says."""
    stats = FeatureStats.from_features(draw(20000, 8, generator, offset=0.3))
    estimates = [plain_estimate(draw(200, 8, generator), stats) for _ in range(400)]
    values = np.array([estimate.value for estimate in estimates])
    claimed = np.array([estimate.se for estimate in estimates])
    # 400 draws know the true spread to 3.5 %; the formula was seen to be slightly conservative.
    assert 0.93 < claimed.mean() / values.std(ddof=1) < 1.25
    covered = np.abs(values - values.mean()) < 1.96 * claimed
    assert 0.92 < covered.mean() < 0.99


def test_the_paired_difference_is_narrower_and_matches_replication(generator):
    """Two cells of the same noise, one slightly worse: the pairing removes what they share."""
    stats = FeatureStats.from_features(draw(20000, 8, generator))
    differences, paired, unpaired = [], [], []
    for _ in range(200):
        a = draw(200, 8, generator, offset=0.5)
        b = 0.97 * a + 0.02 * draw(200, 8, generator)
        one, two = plain_estimate(a, stats), plain_estimate(b, stats)
        difference = paired_difference(one, two)
        differences.append(difference.value)
        paired.append(difference.se)
        unpaired.append(np.hypot(one.se, two.se))
    assert np.mean(paired) < 0.2 * np.mean(unpaired)
    assert 0.85 < np.mean(paired) / np.std(differences, ddof=1) < 1.4


def test_unusable_features_are_refused_with_the_reason():
    stats = FeatureStats.from_features(torch.eye(4))
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        plain_estimate(torch.zeros(1, 4), stats)
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        frechet_distance(FeatureStats.from_features(torch.zeros(1, 4)), stats)
    with pytest.raises(ValueError, match="3-dimensional"):
        plain_estimate(torch.zeros(5, 3), stats)
    with pytest.raises(ValueError, match="3-dimensional"):
        stats.merge(FeatureStats.empty(3))
    with pytest.raises(ValueError, match=r"\[samples, dimensions\], got \(5, 2, 2\)"):
        FeatureStats.from_features(torch.zeros(5, 2, 2))
    broken = torch.zeros(5, 4)
    broken[2, 1] = torch.nan
    with pytest.raises(ValueError, match="1 samples are not finite, first 2"):
        frechet_estimate(broken, stats)


def test_the_floor_is_what_the_reference_itself_scores(generator):
    population = FeatureStats(10**9, torch.zeros(16).double(), 10**9 * draw_cov(16))
    root = torch.linalg.cholesky(population.cov)
    for samples, tolerance in ((64, 0.1), (512, 0.05)):
        drawn = torch.randn(200, samples, 16, generator=generator, dtype=torch.float64) @ root.T
        scores = [frechet_distance(FeatureStats.from_features(x), population) for x in drawn]
        assert frechet_floor(population, samples) == pytest.approx(np.mean(scores), rel=tolerance)


def test_the_floor_counts_the_sampling_of_the_reference_too(generator):
    reference = FeatureStats.from_features(draw(100, 4, generator))
    alone = frechet_floor(reference, 10**12)
    assert frechet_floor(reference, 100) == pytest.approx(2 * alone)


def draw_cov(dim: int) -> Tensor:
    """Variances over three decades, correlated."""
    scale = torch.logspace(0.5, -1, dim).double()
    return scale.diag() + 0.2 * scale.outer(scale)


def spreading_less(n: int, dim: int, generator: torch.Generator, share: float):
    """A perfect cell, one of the same noise that spreads less, their reference, and the distance of
    the second."""
    variance = torch.logspace(0, -2, dim).double()
    reference = FeatureStats.from_moments(np.zeros(dim), variance.diag().numpy())
    good = torch.randn(n, dim, generator=generator, dtype=torch.float64) * variance.sqrt()
    return good, share * good, reference, float(variance.sum() * (1 - share) ** 2)


def test_the_debiased_distance_ranks_cells_right_where_the_plain_one_does_not(generator):
    """d=128, n=2d: a cell that spreads 5 % less has the smaller bias, and looks better."""
    plain, debiased = [], []
    for _ in range(12):
        good, bad, reference, _ = spreading_less(256, 128, generator, 0.95)
        for found, options in ((plain, {"debias": False}), (debiased, {})):
            worse, better = (frechet_estimate(x, reference, **options) for x in (bad, good))
            difference = paired_difference(worse, better)
            se = difference.influence.std(ddof=1) / 256**0.5  # of which less is known here
            found.append(difference.value / se)
    assert np.mean(plain) < -2  # significant, and wrong
    assert np.min(debiased) > 2


def test_debiasing_leaves_little_of_the_bias_and_its_standard_error_matches_replication(generator):
    """At n = 4 d; the spread of 100 values is known to 7 %."""
    records, difference, claimed = [], [], []
    for _ in range(100):
        good, bad, reference, truth = spreading_less(256, 64, generator, 0.8)
        record = frechet_record(bad, reference)
        paired = paired_difference(record.estimate, frechet_estimate(good, reference))
        records.append(record)
        difference.append(paired.value)
        claimed.append(paired.se)
    values = np.array([record.estimate.value for record in records])
    bias = np.mean([record.raw for record in records]) - truth
    assert abs(values.mean() - truth) < 0.15 * bias
    assert abs(np.mean([record.infinity for record in records]) - truth) < 0.3 * bias
    errors = np.array([record.estimate.se for record in records])
    assert 0.9 < errors.mean() / values.std(ddof=1) < 1.35
    assert 0.85 < np.mean(claimed) / np.std(difference, ddof=1) < 1.2


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (41, 6), (12, 30)])
def test_the_debiased_distance_is_twice_the_whole_less_the_mean_of_halves(n, dim, generator):
    features, stats = draw(n, dim, generator), FeatureStats.from_features(draw(99, dim, generator))
    halves = splits(Draws.of(n, None), 2, times=SPLITS)
    assert len(halves) == 8
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert sorted([*first, *second]) == list(range(n))
    record = frechet_record(features, stats)
    whole = frechet_distance(FeatureStats.from_features(features), stats)
    parts = [frechet_distance(FeatureStats.from_features(features[rows]), stats) for rows in halves]
    assert record.raw == pytest.approx(whole, rel=1e-9)
    assert record.estimate.value == pytest.approx(2 * whole - np.mean(parts), rel=2 / n)
    if n % 2 == 0:
        assert record.estimate.value == pytest.approx(2 * whole - np.mean(parts), rel=1e-8)
    assert record.estimate.influence.mean() == pytest.approx(0, abs=1e-9 * whole)


@pytest.mark.parametrize(("n", "dim"), [(40, 6), (24, 30), (16, 40)])
def test_fd_infinity_is_where_a_parabola_through_whole_halves_and_quarters_ends(n, dim, generator):
    """Ranks of samples and of reference are less than the dimensions in the last two."""
    features, stats = draw(n, dim, generator), FeatureStats.from_features(draw(20, dim, generator))

    def mean(pieces, times):
        parts = splits(Draws.of(n, None), pieces, times=times)
        assert len(parts) == pieces * times
        own = (FeatureStats.from_features(features[rows]) for rows in parts)
        return np.mean([frechet_distance(part, stats) for part in own])

    whole = frechet_distance(FeatureStats.from_features(features), stats)
    # Lagrange's polynomials through 1/n, 2/n and 4/n at 0.
    limit = 8 / 3 * whole - 2 * mean(2, SPLITS) + mean(4, 1) / 3
    assert frechet_record(features, stats).infinity == pytest.approx(limit, abs=1e-6 * whole)


def test_of_many_dimensions_fewer_splits_are_halved(generator):
    n, dim = 24, LARGE + 1
    features, stats = draw(n, dim, generator), FeatureStats.from_features(draw(40, dim, generator))
    halves = splits(Draws.of(n, None), 2, times=SPLITS_LARGE)
    parts = [frechet_distance(FeatureStats.from_features(features[rows]), stats) for rows in halves]
    record = frechet_record(features, stats)
    assert record.estimate.value == pytest.approx(2 * record.raw - np.mean(parts), rel=1e-7)


def test_the_debiased_influence_is_the_derivative_by_sample_weight(generator):
    generated, reference = draw(24, 4, generator, offset=0.5).numpy(), draw(100, 4, generator)
    estimate = frechet_estimate(torch.from_numpy(generated), FeatureStats.from_features(reference))
    halves = splits(Draws.of(24, None), 2, times=SPLITS)

    def functional(weights):
        def distance(rows):  # a half has the weight that its samples have
            share = weights[rows] / (len(rows) / len(weights))
            return references.weighted_frechet(
                generated[rows], share, reference.numpy(), total=share.sum()
            )

        return 2 * distance(np.arange(24)) - np.mean([distance(rows) for rows in halves])

    assert functional(np.full(24, 1 / 24)) == pytest.approx(estimate.value, rel=1e-8)
    numeric = references.influence(functional, 24)
    np.testing.assert_allclose(estimate.influence, numeric, rtol=1e-4, atol=1e-4)


def test_halves_of_prompts_that_stand_for_a_population_hold_whole_prompts():
    clusters = np.repeat(np.arange(10), [1, 2] * 5)
    parts = splits(Draws.of(15, clusters), 2, times=SPLITS)
    assert all(map(np.array_equal, parts, splits(Draws.of(15, clusters), 2, times=SPLITS)))
    for first, second in zip(parts[::2], parts[1::2], strict=True):
        assert sorted([*first, *second]) == list(range(15))
        assert not {*clusters[first]} & {*clusters[second]}
        assert len({*clusters[first]}) == 5


@pytest.mark.parametrize("pieces", [2, 4])
def test_halves_and_quarters_of_repeated_prompts_hold_as_much_of_each(pieces):
    clusters = np.tile(np.arange(5), 12)
    for rows in splits(Draws.of(60, clusters), pieces, times=SPLITS):
        assert np.bincount(clusters[rows]).tolist() == [12 // pieces] * 5


def test_an_uneven_half_is_weighted_to_the_mixture_of_the_whole(generator):
    """Prompts of three samples that differ by nothing else: their halves differ by nothing."""
    means = 10 * draw(8, 4, generator)
    features = means.repeat_interleave(3, dim=0)
    record = frechet_record(features, FeatureStats.from_features(means), np.arange(24) // 3)
    between = FeatureStats.from_features(means).variance
    assert record.estimate.se < 1e-3 * float(between)
    assert abs(record.estimate.value - record.raw) < 0.05 * float(between)


def test_few_independent_samples_keep_the_plain_distance(generator):
    stats = FeatureStats.from_features(draw(50, 3, generator))
    features = draw(12, 3, generator)
    for few, clusters in ((features[:3], None), (features[:4], np.array([0, 0, 1, 2]))):
        record = frechet_record(few, stats, clusters)
        assert record.estimate.value == record.raw
        assert np.isnan(record.infinity)
    seven = frechet_record(features[:7], stats)
    assert seven.estimate.value != seven.raw
    assert np.isnan(seven.infinity)


def test_the_interval_of_a_value_holds_the_bias_that_may_be_left(generator):
    """At n = 4 d the next order of the bias is several standard errors of a perfect cell."""
    reference = FeatureStats.from_moments(np.zeros(96), np.eye(96))
    drawn = torch.randn(12, 384, 96, generator=generator, dtype=torch.float64)
    found = [frechet_record(features, reference) for features in drawn]
    values = np.array([record.estimate.value for record in found])
    errors = np.array([record.estimate.se for record in found])
    assert (np.abs(values) > 1.96 * errors).mean() > 0.5  # by itself it covers less
    assert all(low <= 0 <= high for low, high in (r.estimate.interval() for r in found))
    assert abs(np.mean([record.infinity for record in found])) < abs(values.mean())


def test_below_three_samples_a_dimension_neither_a_value_nor_a_difference_has_an_error(generator):
    stats = FeatureStats.from_features(draw(500, 20, generator))
    for samples, is_known in ((60, True), (59, False)):
        one = draw(samples, 20, generator)
        a, b = (frechet_estimate(x, stats) for x in (one, 0.9 * one))
        assert np.isfinite(a.interval()).all() == is_known
        assert np.isfinite(a.own_se) == is_known
        assert np.isfinite(paired_difference(a, b).se) == is_known
        assert paired_difference(a, frechet_estimate(one, stats)).se == 0  # the same samples


def test_what_is_left_of_a_bias_has_the_sign_of_what_was_taken_out(generator):
    """By the sign a difference knows whether both are off to one side, or apart."""
    stats = FeatureStats.from_features(draw(500, 20, generator))
    record = frechet_record(draw(80, 20, generator), stats)
    assert record.estimate.left == pytest.approx(LEFT * (record.raw - record.estimate.value))
    up, down = (replace(record.estimate, left=left) for left in (0.2, -0.1))
    apart = replace(down, value=down.value + 1, influence=-down.influence)
    assert difference_of(up, apart).left == pytest.approx(0.3)


def test_a_difference_holds_what_is_left_of_both_biases(generator):
    """What is left goes the same way in both: of equal ones nothing is left in the difference."""
    stats = FeatureStats.from_features(draw(500, 20, generator))
    one = draw(80, 20, generator)
    a, b = (frechet_estimate(x, stats) for x in (one, 0.9 * one))
    difference = difference_of(a, b)
    assert difference.left == pytest.approx(abs(a.left - b.left))
    assert 0 < difference.left < max(a.left, b.left)
    bare = replace(difference, left=0.0)
    (low, high), inner = difference.interval(), bare.interval()
    assert inner[0] - low == pytest.approx(high - inner[1]) == pytest.approx(difference.left)
    assert difference_of(b, a).interval() == pytest.approx((-high, -low))
    edge = difference.bounds(0.01)[0]
    assert difference.tail(edge) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("name", ["flat", "1/k"])
def test_differences_of_three_samples_a_dimension_are_covered_whatever_the_spectrum(name):
    row = replicate(spectrum(name, "normal", 48, per_dim=3), 25)
    assert row.difference_covers >= 0.88
    assert row.covers >= 0.95


@pytest.mark.parametrize("decay", [0, 4, 9])
@pytest.mark.parametrize("n", [90, 200])
def test_small_singular_values_keep_their_digits(n, decay, generator):
    """Features whose deviations span nine decades: roots of small eigenvalues would be noise."""
    scale = torch.logspace(0, -decay, 120).double()
    generated, reference = (
        torch.randn(m, 120, generator=generator, dtype=torch.float64) * scale for m in (n, 300)
    )
    stats, ours = FeatureStats.from_features(reference), FeatureStats.from_features(generated)
    record = frechet_record(0.98 * generated, stats)
    centred = 0.98 * (generated - ours.mean)
    cross = torch.linalg.svdvals(centred @ stats.cov_root).sum() / (n - 1) ** 0.5
    shift = (0.98 * ours.mean - stats.mean).square().sum()
    exact = shift + 0.98**2 * ours.cov.trace() + stats.cov.trace() - 2 * cross
    assert record.raw == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize(("n", "dim"), [(400, 32), (300, 100)])
def test_the_plain_distance_agrees_with_both_published_formulas(n, dim, generator):
    from torch_fidelity.metric_fid import fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    a, b = (FeatureStats.from_features(draw(m, dim, generator, o)) for m, o in ((n, 0.2), (900, 0)))
    statistics = [{"mu": s.mean.numpy(), "sigma": s.cov.numpy()} for s in (a, b)]
    fidelity = fid_statistics_to_metric(*statistics, verbose=False)
    generator.manual_seed(0)
    features = draw(n, dim, generator, 0.2)
    ours = frechet_record(features, b).raw
    assert ours == pytest.approx(fidelity["frechet_inception_distance"], rel=1e-6)
    assert ours == pytest.approx(float(_compute_fid(a.mean, a.cov, b.mean, b.cov)), rel=1e-6)
