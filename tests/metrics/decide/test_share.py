"""Shares against scipy's exact binomial test and its interval."""

import math

import numpy as np
import pytest
from scipy import stats

from denoisebench.metrics.decide.further import POWER
from denoisebench.metrics.decide.sequential import LEVEL, fixed_reach
from denoisebench.metrics.decide.share import Share

COUNTS = [(0, 1), (1, 1), (2, 2), (0, 100), (5, 256), (30, 256), (255, 256), (6000, 10000)]


@pytest.mark.parametrize(("k", "n"), COUNTS)
@pytest.mark.parametrize("margin", [0.05, 0.5])
def test_p_is_that_of_the_exact_binomial_test(k, n, margin):
    exact = stats.binomtest(k, n, margin, "greater").pvalue
    assert Share(k, n).p_above(margin) == pytest.approx(exact, rel=1e-6, abs=1e-290)


@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_bounds_are_those_of_clopper_and_pearson(k, n):
    exact = stats.binomtest(k, n).proportion_ci(1 - 2 * LEVEL, "exact")
    assert Share(k, n).bounds() == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize(("k", "n", "margin"), [(1, 60, 0.05), (0, 30, 0.1), (12, 100, 0.05)])
def test_so_many_samples_as_are_told_decide_a_share_that_is_as_it_seems(k, n, margin):
    told = Share(k, n).samples_to_decide(margin, fixed_reach())
    assert n < told < 100 * n
    drawn = np.random.default_rng(0).binomial(int(told), k / n, 200)
    bounds = {int(x): Share(int(x), int(told)).bounds() for x in set(drawn.tolist())}
    decided = [not low <= margin <= high for low, high in (bounds[x] for x in drawn.tolist())]
    assert np.mean(decided) >= POWER - 0.03


def test_a_share_on_its_margin_is_not_decided_in_practice():
    assert math.isinf(Share(5, 100).samples_to_decide(0.05, fixed_reach()))
