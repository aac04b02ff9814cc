"""Steps in a series of packs, against simulation."""

import numpy as np
import pytest

from denoisebench.metrics.decide.history import steps, steps_of_times
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.speed import BETWEEN
from denoisebench.metrics.estimate import Estimate, mean_estimate


def series(rng, levels, own=0.3, n=200):
    """Means of the same samples, most of whose noise is shared."""
    shared = 5 * rng.standard_normal(n)
    return [mean_estimate(level + shared + own * rng.standard_normal(n)) for level in levels]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0, 0, 0, 0, 0, 0], []),
        ([0, 0, 0, 1, 1, 1], [3]),
        ([0, 0, 2, 2, 2, 5], [2, 5]),
        ([0, 1, 1, 1, 1, 0], [1, 5]),
    ],
)
def test_steps_are_found_where_they_are(levels, expected):
    found = steps(series(np.random.default_rng(0), levels), margin=0.2)
    assert [step.at for step in found] == expected


def test_a_step_says_how_much_changed():
    (step,) = steps(series(np.random.default_rng(1), [1, 1, 1, 3, 3]), margin=0.2)
    low, high = step.change.interval()
    assert low < 2.0 < high
    assert high - low < 0.2


def test_a_step_within_the_margin_is_none_however_certain():
    alike = np.random.default_rng(5).standard_normal(10)
    exact = Estimate(0.0, alike), Estimate(0.1, alike)
    assert steps([exact[0], exact[0], exact[1]], margin=0.2) == []
    assert [step.at for step in steps([exact[0], exact[0], exact[1]], margin=0.05)] == [2]


def test_false_steps_at_the_margin_are_as_rare_as_the_level():
    rng = np.random.default_rng(2)
    false = [bool(steps(series(rng, [0, 0, 0, 0.2, 0.2]), margin=0.2)) for _ in range(600)]
    assert np.mean(false) <= LEVEL + 3 * (LEVEL / 600) ** 0.5


def test_one_pack_has_no_step():
    assert steps(series(np.random.default_rng(3), [0]), margin=0.2) == []


def times(rng, levels, processes=3, runs=20):
    def one(level):
        return rng.lognormal(level + BETWEEN * rng.standard_normal(), 0.03, runs)

    return [[one(level) for _ in range(processes)] for level in levels]


def test_steps_of_times_are_found_and_told_in_their_logarithm():
    slower = times(np.random.default_rng(4), [0, 0, 0.3, 0.3, 0.3])
    (step,) = steps_of_times(slower, margin=np.log(1.05))
    assert step.at == 2
    low, high = step.change.interval()
    assert low < 0.3 < high


def test_false_steps_of_times_are_as_rare_as_the_level():
    rng, margin = np.random.default_rng(5), np.log(1.05)
    found = [steps_of_times(times(rng, [0, 0, margin, margin]), margin) for _ in range(400)]
    assert np.mean([bool(each) for each in found]) <= LEVEL + 3 * (LEVEL / 400) ** 0.5
