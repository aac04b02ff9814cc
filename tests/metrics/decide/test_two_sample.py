"""The classifier two-sample test against simulation."""

import numpy as np
import pytest

from denoisebench.metrics.decide.two_sample import classifier_accuracy


def pairs(rng, n=256, d=8):
    """Two sets [n, d] of the same distribution; both of a pair share what their prompt makes."""
    prompt = rng.standard_normal((n, d))
    return prompt + rng.standard_normal((n, d)), prompt + rng.standard_normal((n, d))


def test_two_sets_of_one_kind_are_told_apart_by_chance_and_intervals_cover_it():
    found = [classifier_accuracy(*pairs(np.random.default_rng(seed))) for seed in range(1000)]
    values = np.array([each.value for each in found])
    assert values.mean() == pytest.approx(0.5, abs=3 * values.std() / 1000**0.5)
    covered = np.mean([low <= 0.5 <= high for low, high in (each.interval() for each in found)])
    assert 0.92 < covered < 0.97


@pytest.mark.parametrize("change", [lambda x: x + 2 * np.eye(8)[0], lambda x: 2 * x - x.mean(0)])
def test_a_change_of_mean_or_of_spread_is_found(change):
    first, second = pairs(np.random.default_rng(0))
    found = classifier_accuracy(first, change(second))
    assert found.value - 5 * found.se > 0.5


def test_accuracy_of_a_known_shift_is_that_of_the_best_classifier():
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, 4000, 2))
    found = classifier_accuracy(first, second + np.array([2.0, 0.0]))
    assert found.value == pytest.approx(0.8413, abs=3 * found.se)  # the normal distribution at 1


def test_the_order_of_the_sets_does_not_matter():
    first, second = pairs(np.random.default_rng(2))
    there, back = classifier_accuracy(first, second), classifier_accuracy(second, first)
    assert there.value == back.value
    assert there.influence.tolist() == back.influence.tolist()


def test_a_prompt_is_never_trained_on_and_tested():
    """Sets that differ in what they have learnt by heart of each prompt alone."""
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(40), 8)
    heart = 10 * rng.standard_normal((40, 6))[clusters]
    first = rng.standard_normal((320, 6)) + heart
    second = rng.standard_normal((320, 6)) - heart
    found = classifier_accuracy(first, second, clusters)
    assert len(found.units) == 20
    low, high = found.interval(0.999)
    assert low < 0.5 < high


def test_a_column_that_never_changes_tells_nothing():
    first, second = pairs(np.random.default_rng(4))
    constant = np.zeros((len(first), 1))
    alone = classifier_accuracy(first, second)
    beside = classifier_accuracy(np.hstack([first, constant]), np.hstack([second, constant]))
    assert beside.value == alone.value
    assert classifier_accuracy(constant, constant).value == 0.5
