"""Regressions: error rates of a family, times by ratio, power, against simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from denoisebench.metrics.decide import further, regression, verdicts
from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.regression import (
    IMPROVED,
    REGRESSION,
    Loss,
    holm,
    judge,
    smallest_detectable,
)
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.share import Share
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED


def loss(value, se, margin=1.0):
    return Loss(Difference(value, se, 100), margin)


def outcomes(*losses):
    return [judgement.outcome for judgement in judge(losses)]


def test_each_outcome_has_its_side_of_the_margin():
    assert outcomes(loss(0.0, 0.1)) == [PASS]
    assert outcomes(loss(0.9, 0.1)) == [UNDECIDED]
    assert outcomes(loss(2.0, 0.1)) == [REGRESSION]
    assert outcomes(loss(-2.0, 0.1)) == [IMPROVED]
    assert outcomes(loss(0.5, 0.01)) == [PASS]  # proven, and does not matter


def test_equal_cells_pass_and_a_loss_without_error_is_certain():
    assert outcomes(loss(0.0, 0.0), loss(1.5, 0.0)) == [PASS, REGRESSION]


def test_one_sample_decides_nothing():
    assert outcomes(loss(5.0, math.nan)) == [UNDECIDED]


def test_what_would_decide_is_worked_out_once_and_for_the_undecided_alone(monkeypatch):
    asked = []

    def counted(loss, margin, reach):
        asked.append(loss.value)
        return further.units_to_decide(loss, margin, reach)

    monkeypatch.setattr(regression, "units_to_decide", counted)
    monkeypatch.setattr(verdicts, "units_to_decide", counted)
    assert outcomes(loss(0.0, 0.1), loss(0.9, 0.1)) == [PASS, UNDECIDED]
    assert asked == [0.9]


def share(k, n, margin=0.05):
    difference = Difference(k / n, math.sqrt(k / n * (1 - k / n) / n), n)
    return Loss(difference, margin, share=Share(k, n))


def test_a_share_is_judged_by_its_exact_test_whatever_its_standard_error():
    """None of 72 is the first number that proves a share below 5 %: 0.95 ** 72 < 0.025."""
    assert outcomes(share(0, 71)) == [UNDECIDED]
    assert outcomes(share(0, 72)) == [PASS]
    assert outcomes(share(2, 2)) == [REGRESSION]  # 0.05 ** 2 < 0.025
    assert outcomes(share(1, 1)) == [UNDECIDED]


def test_an_exact_test_has_its_place_in_the_family():
    above, p = share(2, 2), 0.05**2
    [judgement] = judge([above])
    assert judgement.p == pytest.approx(p)
    crowd = [above, *[share(1, 20)] * 9]
    assert judge(crowd)[0].p == pytest.approx(10 * p)
    assert outcomes(*crowd)[0] == UNDECIDED


def test_an_undecided_share_says_how_many_more_samples_it_would_take():
    [judgement] = judge([share(0, 50)])
    assert 72 - 50 <= judgement.verdict.further < 300  # what is not seen yet may still be there
    assert judgement.verdict.high == pytest.approx(1 - LEVEL ** (1 / 50))


def test_holm_steps_down_and_keeps_the_order():
    ps = [0.01, 0.04, 0.03, 0.5, 0.005]
    reference = [0.04, 0.09, 0.09, 0.5, 0.025]
    assert holm(ps) == pytest.approx(reference)
    assert holm([]) == []


@pytest.mark.slow
def test_false_regressions_of_a_whole_family_are_as_rare_as_the_level():
    rng, families = np.random.default_rng(0), 4000
    at_margin = 1 + 0.2 * rng.standard_normal((families, 20))
    false = [REGRESSION in outcomes(*(loss(v, 0.2) for v in row)) for row in at_margin]
    assert np.mean(false) < LEVEL + 3 * math.sqrt(LEVEL / families)


def test_the_smallest_detectable_difference_is_detected_with_the_power_that_is_said():
    rng, se = np.random.default_rng(2), 0.3
    size = smallest_detectable(se, samples=100, planned=400)
    draws = size + se / 2 * rng.standard_normal(20_000)
    found = np.mean(draws / (se / 2) > stats.norm.ppf(1 - LEVEL))
    assert found == pytest.approx(0.8, abs=0.01)
