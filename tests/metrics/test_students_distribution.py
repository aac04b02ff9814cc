"""Student's distribution, against scipy."""

import math

import pytest
from scipy import stats

from denoisebench.metrics.estimate import students_quantile, students_tail

FREEDOMS = (1, 2, 3, 4, 8, 9, 18, 101)


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 2.5, 6.0, -1.7])
def test_tails_are_scipys(t, freedom):
    assert students_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), rel=1e-6, abs=1e-15)


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize("p", [0.5, 0.8, 0.975, 0.999])
def test_quantiles_are_scipys(p, freedom):
    assert students_quantile(p, freedom) == pytest.approx(
        stats.t.ppf(p, freedom), rel=1e-9, abs=1e-9
    )


def test_of_infinite_freedom_it_is_the_normal_distribution():
    assert students_tail(1.96, math.inf) == pytest.approx(stats.norm.sf(1.96))
    assert students_quantile(0.975, math.inf) == pytest.approx(stats.norm.ppf(0.975))


def test_far_out_there_is_nothing():
    assert students_tail(math.inf, 8) == 0.0
    assert students_tail(-math.inf, 8) == 1.0
    assert students_tail(1e6, 60) == 0.0
