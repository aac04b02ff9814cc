"""Shares against scipy's exact binomial test and its interval."""

import pytest
from scipy import stats

from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.share import p_share_above, share_bounds

COUNTS = [(0, 1), (1, 1), (2, 2), (0, 100), (5, 256), (30, 256), (255, 256), (6000, 10000)]


@pytest.mark.parametrize(("k", "n"), COUNTS)
@pytest.mark.parametrize("margin", [0.05, 0.5])
def test_p_is_that_of_the_exact_binomial_test(k, n, margin):
    exact = stats.binomtest(k, n, margin, "greater").pvalue
    assert p_share_above(k, n, margin) == pytest.approx(exact, rel=1e-6, abs=1e-290)


@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_bounds_are_those_of_clopper_and_pearson(k, n):
    exact = stats.binomtest(k, n).proportion_ci(1 - 2 * LEVEL, "exact")
    assert share_bounds(k, n) == pytest.approx((exact.low, exact.high), abs=1e-9)
