import math
from dataclasses import replace

import numpy as np
import pytest

from denoisebench.metrics.estimate import Estimate, mean_estimate, paired_difference


def test_a_mean_has_the_textbook_standard_error():
    values = np.array([1.0, 4.0, 4.0, 7.0])
    estimate = mean_estimate(values)
    assert estimate.value == 4
    assert estimate.samples == 4
    np.testing.assert_allclose(estimate.influence, values - 4)
    assert estimate.se == pytest.approx(np.sqrt(6) / 2)


def test_integers_and_lists_become_float64():
    assert mean_estimate(np.array([1, 2, 4])).influence.dtype == np.float64


def test_one_sample_has_no_standard_error():
    assert math.isnan(mean_estimate(np.array([3.0])).se)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [mean_estimate(rng.normal(2, 3, 100)).interval(0.9) for _ in range(1000)]
    covered = np.mean([low < 2 < high for low, high in intervals])
    assert covered == pytest.approx(0.9, abs=0.03)


def test_the_interval_is_symmetric_and_grows_with_the_level():
    estimate = mean_estimate(np.array([0.0, 1.0, 2.0, 5.0]))
    low, high = estimate.interval()
    assert (low + high) / 2 == pytest.approx(estimate.value)
    assert high - low == pytest.approx(2 * 3.182446 * estimate.se, rel=1e-6)
    assert np.diff(estimate.interval(0.99)) > high - low


@pytest.mark.parametrize("groups", [2, 3, 4, 10])
def test_the_interval_of_few_clusters_covers_the_truth_as_often_as_it_says(groups):
    rng, clusters = np.random.default_rng(1), np.repeat(np.arange(groups), 20)
    drawn = rng.normal(size=(2000, groups))[:, clusters] + rng.normal(size=(2000, 20 * groups))
    intervals = [mean_estimate(row, clusters).interval() for row in drawn]
    assert np.mean([low < 0 < high for low, high in intervals]) == pytest.approx(0.95, abs=0.015)


def test_a_paired_difference_equals_the_estimate_of_the_differences():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50), rng.normal(size=50)
    difference, direct = (
        paired_difference(mean_estimate(a), mean_estimate(b)),
        mean_estimate(a - b),
    )
    assert difference.value == pytest.approx(direct.value)
    assert difference.se == pytest.approx(direct.se)


@pytest.mark.parametrize("shared", [-1.0, 0.0, 1.0])
def test_pairing_by_prompt_alone_tells_the_right_error(shared):
    """Same prompts, independent noise: the error is that of repeating the experiment, whether
    prompts move both sides alike, against each other, or only one of them."""
    generator = np.random.default_rng(0)
    prompts, *noises = generator.normal(size=(3, 4000, 60))
    a, b = prompts + noises[0], shared * prompts + noises[1]
    differences = [
        paired_difference(mean_estimate(x), mean_estimate(y)) for x, y in zip(a, b, strict=True)
    ]
    errors = np.mean([difference.se**2 for difference in differences])
    assert errors == pytest.approx(np.var([d.value for d in differences]), rel=0.08)
    expected = ((1 - shared) ** 2 + 2) / 60
    assert errors == pytest.approx(expected, rel=0.03)


def test_shared_noise_cancels_in_a_paired_difference():
    noise = np.random.default_rng(0).normal(size=50)
    difference = paired_difference(mean_estimate(noise + 1), mean_estimate(noise))
    assert difference.value == pytest.approx(1)
    assert difference.se == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("larger", "smaller", "pairs"),
    [
        (None, None, True),
        ([0, 0, 1, 1], [0, 0, 1, 1], True),
        ([0, 0, 1, 1], [1, 1, 0, 0], True),  # the same groups by other numbers
        ([0, 0, 1, 1], [0, 1, 1, 0], False),
        ([0, 0, 1, 1], [0, 0, 0, 0], False),
        ([0, 0, 1, 1], None, False),
        (None, [0, 1, 1, 2], False),
        (None, [2, 0, 1, 3], True),
        ([0, 1, 0, 1], [0, 1], True),  # of the larger only the first count
        ([0, 1, 0, 1], None, False),
        ([0, 1, 1, 1], [0, 0], False),
        ([0, 1, 0, 1, 2], [5, 3, 5], True),
    ],
)
def test_samples_pair_when_they_are_held_together_alike(larger, smaller, pairs):
    a, b = (None if numbers is None else np.array(numbers) for numbers in (larger, smaller))
    sizes = [4 if numbers is None else len(numbers) for numbers in (a, b)]
    one, other = (Estimate(0.0, np.zeros(n), c) for n, c in zip(sizes, (a, b), strict=True))
    for first, second in ((one, other), (other, one)):
        if pairs:
            assert paired_difference(first, second).samples == sizes[0]
        else:
            with pytest.raises(ValueError, match="different clusters"):
                paired_difference(first, second)


def test_estimates_of_unequal_samples_meet_at_the_most_that_both_have():
    rng = np.random.default_rng(0)
    shared = 100 * rng.standard_normal(400)
    a, b = shared + 1 + 0.1 * rng.standard_normal(400), shared + 0.1 * rng.standard_normal(400)
    rungs = {n: mean_estimate(a[:n]) for n in (64, 128, 200)}
    whole = replace(mean_estimate(a), nested=rungs)
    short = replace(mean_estimate(b[:200]), nested={64: mean_estimate(b[:64])})
    found = paired_difference(whole, short)
    assert found.samples == 200
    assert found.value == pytest.approx(np.mean(a[:200] - b[:200]))
    assert found.se == pytest.approx(np.std(a[:200] - b[:200], ddof=1) / 200**0.5)
    assert paired_difference(short, whole).value == pytest.approx(-found.value)
    lonely = mean_estimate(b[:100])  # nothing in common: its own samples add their variance
    assert paired_difference(whole, lonely).se > 10 * found.se
