"""Numbers of further units, against what they are said to do, by simulation."""

import math

import numpy as np
import pytest

from denoisebench.metrics.decide.difference import Difference, difference_from
from denoisebench.metrics.decide.further import POWER, PRACTICAL, units_to_decide
from denoisebench.metrics.decide.regression import Loss, judge
from denoisebench.metrics.decide.sequential import LEVEL, fixed_reach, sequential_reach
from denoisebench.metrics.decide.shape import FEWEST
from denoisebench.metrics.decide.verdicts import UNDECIDED, non_inferiority
from denoisebench.metrics.estimate import mean_estimate

NORMAL = (1.96 + 0.8416) ** 2


def told(value, margin=1.0, units=100, reach=None):
    """Units for a loss with a standard error of 0.5."""
    return units_to_decide(Difference(value, 0.5, units), margin, reach or fixed_reach())


@pytest.mark.parametrize("gap", [-0.9, -0.5, -0.2, 0.2, 0.5, 0.9])
def test_a_loss_that_is_as_estimated_would_be_decided_with_the_power(gap):
    """At least as many as the textbook has for a loss that is known: it is not."""
    textbook = 100 * NORMAL * (0.5 / gap) ** 2
    assert 0.99 * textbook <= told(1 + gap) <= PRACTICAL * 100


def test_what_is_told_decides_on_average_over_what_the_loss_may_be():
    rng, estimate, n = np.random.default_rng(0), 0.55, 100
    needed = told(estimate)
    truths = estimate + 0.5 * rng.standard_normal(20_000)
    fresh = truths + 0.5 * math.sqrt(n / (needed - n)) * rng.standard_normal(20_000)
    later = (n * estimate + (needed - n) * fresh) / needed
    decided = np.abs(later - 1) > 1.96 * 0.5 * math.sqrt(n / needed)
    assert decided.mean() == pytest.approx(POWER, abs=0.015)


@pytest.mark.parametrize("truth", [0.0, 0.4, 1.7])
def test_followed_to_the_letter_the_number_decides_as_often_as_it_says(truth):
    """Drawn anew: a margin of 1, a standard error of 0.6 at first, and skewed losses."""
    rng, n, decided = np.random.default_rng(1), 64, []
    while len(decided) < 300:
        first = 4.8 * (rng.exponential(size=n) - 1) + truth
        verdict = non_inferiority(difference_from(mean_estimate(first)), 1.0)
        if verdict.outcome == UNDECIDED and math.isfinite(verdict.further):
            fresh = 4.8 * (rng.exponential(size=int(verdict.further)) - 1) + truth
            loss = difference_from(mean_estimate(np.concatenate([first, fresh])))
            decided.append(non_inferiority(loss, 1.0).outcome != UNDECIDED)
    assert np.mean(decided) >= POWER - 0.04


def test_a_loss_that_lies_on_its_margin_is_not_decided_in_practice():
    assert math.isinf(told(1.0))
    assert math.isinf(told(1.05))
    assert told(1.2) <= PRACTICAL * 100


def test_a_race_needs_more_than_one_look_does():
    assert told(0.4, reach=sequential_reach(128)) > 1.3 * told(0.4)


def test_few_units_are_told_at_least_so_many_as_decide_at_all():
    rng = np.random.default_rng(2)
    near, far = (
        difference_from(mean_estimate(mean + rng.standard_normal(8))) for mean in (0.6, -9.0)
    )
    assert units_to_decide(far, 1.0, fixed_reach()) == FEWEST
    assert units_to_decide(near, 1.0, fixed_reach()) > FEWEST
    assert non_inferiority(far, 1.0, samples=80).further == 10 * (FEWEST - 8)


def test_a_number_takes_into_account_what_widens_the_bounds():
    """Skewness, ties and few units bend a bound; all of it fades with more of them."""
    rng = np.random.default_rng(3)
    losses = np.concatenate([np.zeros(50), rng.lognormal(0, 1, 14)])
    loss = difference_from(mean_estimate(losses))
    plain = Difference(loss.value, loss.se, loss.units)
    margin = loss.value + 1.9 * loss.se
    needed, normal = (units_to_decide(d, margin, fixed_reach()) for d in (loss, plain))
    below, above = (loss.grown(int(n)).bounds(LEVEL)[1] for n in (needed, normal))
    assert below < margin < above


def test_a_loss_above_its_margin_among_many_is_told_what_the_family_takes():
    """Alone it would be a regression; of twenty it takes more."""
    worse = Loss(Difference(2.2, 0.5, 100), 1.0)
    crowd = [worse, *[Loss(Difference(0.0, 0.1, 100), 1.0)] * 19]
    (alone,), (first, *_) = judge([worse]), judge(crowd)
    assert alone.verdict.further == 0
    assert first.outcome == UNDECIDED
    assert first.verdict.further > 0


def test_nothing_known_is_told_as_twice_as_many():
    assert non_inferiority(Difference(0.0, math.nan, 40), 1.0).further == 40
