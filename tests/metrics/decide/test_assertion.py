"""Verdicts on inequalities, against simulation and closed forms."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from denoisebench.metrics.decide.assertion import (
    DEPENDS,
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    Assertion,
    combined,
    hold_all,
    hold_points,
    over_cases,
    share_of_the_way,
    unevenness,
)
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.shape import CAUTION
from denoisebench.metrics.estimate import Estimate, mean_estimate, students_quantile

REACH = students_quantile(1 - LEVEL, 399) * (
    1 + CAUTION / 400
)  # of the bound of 400 units, evenly spread


def known(value, se=1.0, n=400):
    """An estimate with that value and standard error."""
    influence = np.tile([1.0, -1.0], n // 2)
    return Estimate(value, influence * se * n**0.5 / np.std(influence, ddof=1))


@pytest.mark.parametrize(
    ("value", "above", "verdict"),
    [
        (3.5, True, SUPPORTED),
        (-1.5, True, REFUTED),
        (2.5, True, UNDECIDED),
        (-1.5, False, SUPPORTED),
        (3.5, False, REFUTED),
        (0.5, False, UNDECIDED),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(value, above, verdict):
    found, (held,) = hold_all([Assertion(known(value), above, threshold=1.0)])
    assert (found, held.verdict) == (verdict, verdict)
    assert (held.low, held.high) == pytest.approx((value - REACH, value + REACH))
    assert (held.further > 0) == (verdict == UNDECIDED)


def test_the_further_samples_of_an_undecided_one_would_decide_it():
    _, (held,) = hold_all([Assertion(known(1.0), above=True)])
    # a power of 0.8 needs (2 + 0.84)² times the samples of one standard error, were it known
    assert 400 * ((REACH + 0.8416) ** 2 - 1) < held.further < 400 * 100


def test_a_statement_about_a_value_takes_the_bias_that_may_be_left_into_account():
    """As of a Fréchet distance by itself; where it is unknown nothing is decided."""
    biased = (replace(known(3.5), left=left) for left in (0.2, 1.0, math.nan, math.inf))
    verdicts = [hold_all([Assertion(b, above=True, threshold=1.0)])[0] for b in biased]
    assert verdicts == [SUPPORTED, UNDECIDED, UNDECIDED, UNDECIDED]


def test_all_have_to_be_supported_and_one_refuted_is_enough():
    yes, no, open_ = (Assertion(known(value), above=True) for value in (5.0, -5.0, 1.0))
    assert hold_all([yes, yes])[0] == SUPPORTED
    assert hold_all([yes, open_])[0] == UNDECIDED
    assert hold_all([open_, no, yes])[0] == REFUTED


def test_the_bound_that_refutes_is_stricter_where_several_could():
    near = Assertion(known(-2.1), above=True)
    yes = Assertion(known(5.0), above=True)
    assert hold_all([near])[0] == REFUTED
    verdict, (held, _, _) = hold_all([near, yes, yes])
    assert verdict == UNDECIDED
    assert held.low == pytest.approx(-2.1 - REACH)  # that which would support is not
    assert held.high == pytest.approx(-2.1 + REACH * 2.405 / 1.966, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("others", "wrong"), [(5.0, SUPPORTED), (0.0, REFUTED)])
def test_a_claim_at_its_threshold_is_wrongly_decided_no_more_often_than_the_level(others, wrong):
    """One of three parts is at its threshold and the others are clear, or all three are there."""
    rng, runs, n = np.random.default_rng(0), 4000, 200
    count = 0
    for _ in range(runs):
        noise = rng.standard_normal((3, n)) * n**0.5
        parts = [mean_estimate(noise[k] + (others if k else 0)) for k in range(3)]
        count += hold_all([Assertion(part, above=True) for part in parts])[0] == wrong
    assert count / runs < LEVEL + 3 * (LEVEL / runs) ** 0.5


def test_a_combination_is_that_of_the_samples():
    rng = np.random.default_rng(1)
    x, y, z = rng.standard_normal((3, 50))
    found = combined((2.0, mean_estimate(x)), (-1.0, mean_estimate(y)), (0.5, mean_estimate(z)))
    expected = mean_estimate(2 * x - y + 0.5 * z)
    assert found.value == pytest.approx(expected.value)
    assert found.se == pytest.approx(expected.se)
    clustered = mean_estimate(x, np.repeat(np.arange(25), 2))
    with pytest.raises(ValueError, match="clusters"):
        combined((1.0, clustered), (1.0, mean_estimate(y)))


def test_equal_levels_are_even_whatever_their_height_and_noise():
    rng = np.random.default_rng(2)
    found = [
        unevenness([mean_estimate(3 + rng.standard_normal(60)) for _ in range(4)]).value
        for _ in range(3000)
    ]
    error = np.std(found) / len(found) ** 0.5
    assert abs(np.mean(found)) < 3 * error
    assert 3 * error < 0.002  # and the bias taken off is 1/60 * 3/4


def test_intervals_of_unevenness_cover_the_truth():
    rng, levels = np.random.default_rng(3), np.array([0.0, 1.0, -1.0, 2.0])
    truth, covered = np.var(levels), 0
    for _ in range(1000):
        shared = rng.standard_normal(200)
        samples = levels[:, None] + 2 * shared + rng.standard_normal((4, 200))
        low, high = unevenness([mean_estimate(row) for row in samples]).interval()
        covered += low < truth < high
    assert 0.93 < covered / 1000 < 0.97


def test_the_share_of_the_way_runs_from_0_to_1_and_its_intervals_cover():
    start = mean_estimate(np.array([0.4, 0.6, 0.5]))
    assert share_of_the_way(start, start).value == 0
    assert share_of_the_way(start, start).se == pytest.approx(0, abs=1e-12)
    rng, covered = np.random.default_rng(4), 0
    for _ in range(1000):
        shared = 0.1 * rng.standard_normal(200)
        chance = mean_estimate(0.5 + shared + 0.1 * rng.standard_normal(200))
        reached = mean_estimate(0.8 + shared + 0.1 * rng.standard_normal(200))
        low, high = share_of_the_way(chance, reached).interval()
        covered += low < 0.6 < high
    assert 0.93 < covered / 1000 < 0.97


def test_a_point_of_two_readers_is_decided_when_both_agree():
    yes, no, open_ = (Assertion(known(value), above=True) for value in (5.0, -5.0, 1.0))
    assert hold_points([[yes, yes], [yes]])[0] == SUPPORTED
    assert hold_points([[yes, no], [yes]])[0] == UNDECIDED
    assert hold_points([[yes, open_], [yes]])[0] == UNDECIDED
    assert hold_points([[no, no], [yes]])[0] == REFUTED
    assert hold_points([[no, yes], [no]])[0] == REFUTED  # by the point that one reader tells
    verdict, held = hold_points([[yes, no], [open_]])
    assert [[h.verdict for h in point] for point in held] == [[SUPPORTED, REFUTED], [UNDECIDED]]
    assert verdict == UNDECIDED


def test_cases_agree_or_the_verdict_depends_on_them():
    assert over_cases([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert over_cases([REFUTED, REFUTED]) == REFUTED
    assert over_cases([SUPPORTED, REFUTED, UNDECIDED]) == DEPENDS
    assert over_cases([SUPPORTED, UNDECIDED]) == UNDECIDED


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ((0.0, 0.0, 0.0), {SUPPORTED, REFUTED, DEPENDS}),  # all at the threshold
        ((0.0, 5.0, 5.0), {REFUTED, DEPENDS}),  # one there, where all others hold
        ((0.0, -5.0, -5.0), {SUPPORTED, DEPENDS}),
    ],
)
def test_cases_are_wrongly_decided_no_more_often_than_the_level(values, wrong):
    """Two readers a case, at the level split between three cases."""
    rng, runs, n = np.random.default_rng(4), 2000, 200
    found = Counter()
    for _ in range(runs):
        verdicts = []
        for value in values:
            noise = rng.standard_normal((2, n)) * n**0.5
            point = [Assertion(mean_estimate(x + value), above=True) for x in noise]
            verdicts.append(hold_points([point], LEVEL / 3)[0])
        found[over_cases(verdicts)] += 1
    for verdict in wrong:
        assert found[verdict] / runs < LEVEL + 3 * (LEVEL / runs) ** 0.5
