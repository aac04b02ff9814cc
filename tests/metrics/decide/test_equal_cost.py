"""What is switched on gains only where all that may cost as little is proven worse."""

import math

import numpy as np
import pytest

from denoisebench.metrics.decide.budget import Price, counted_price
from denoisebench.metrics.decide.equal_cost import (
    ALONE,
    GAINS,
    LOSES,
    OPEN,
    Priced,
    standing,
)
from denoisebench.metrics.decide.sequential import LEVEL, fixed_reach
from denoisebench.metrics.estimate import mean_estimate

REACH = fixed_reach(LEVEL / 100)


def priced(value, price, *, curve="a", seed=0, samples=200):
    """A cell whose samples are this value with noise of 0.1."""
    noise = 0.1 * np.random.default_rng(seed).standard_normal(samples)
    price = price if isinstance(price, Price) else counted_price(price)
    return Priced(curve, mean_estimate(value + noise), price)


def stands(cell, *rivals, sign=1, reach=REACH):
    return standing(cell, rivals, sign=sign, reach=reach)


def test_a_cell_gains_that_beats_all_that_cost_no_more():
    rivals = priced(1, 4, seed=1), priced(2, 8, seed=2), priced(9, 16, seed=3)
    stand = stands(priced(3, 8), *rivals)
    assert (stand.verdict, stand.rival) == (GAINS, 1)
    assert stand.gain.value == pytest.approx(1, abs=0.05)


def test_a_cell_loses_to_one_that_costs_no_more_and_is_better_by_however_little():
    rivals = priced(3.2, 4, seed=1), priced(2, 8, seed=2)
    stand = stands(priced(3, 8), *rivals)
    assert (stand.verdict, stand.rival) == (LOSES, 0)
    assert stand.gain.value < 0


def test_a_lower_value_can_be_the_better_one():
    assert stands(priced(1, 8), priced(2, 8, seed=1), sign=-1).verdict == GAINS
    assert stands(priced(2, 8), priced(1, 8, seed=1), sign=-1).verdict == LOSES


def test_what_is_as_good_or_not_proven_is_not_told_apart():
    assert stands(priced(3, 8), priced(3, 8, seed=1)).verdict == OPEN
    few = priced(3, 8, samples=3), priced(1, 8, seed=1, samples=3)
    assert stands(*few).verdict == OPEN
    assert stands(priced(9, 8), priced(1, 8), reach=lambda units: math.inf).verdict == OPEN


def test_means_of_equal_counts_cost_the_same_however_they_were_summed():
    less, more = 0.3, 0.1 + 0.2
    for cell, rival in ((less, more), (more, less)):
        assert stands(priced(2, cell), priced(3, rival, seed=1)).verdict == LOSES
        assert stands(priced(3, cell), priced(2, rival, seed=1)).verdict == GAINS


def test_the_same_images_at_the_same_price_are_no_gain():
    assert stands(priced(3, 8), priced(3, 8)).verdict == OPEN


def test_a_rival_that_may_cost_no_more_stops_a_gain_but_makes_no_loss():
    cheaper, unsure = priced(1, 7.5, seed=1), priced(4, Price(8.4, 7.9, 9), seed=2)
    assert stands(priced(3, 8), cheaper, unsure).verdict == OPEN
    assert stands(priced(5, 8), cheaper, unsure).verdict == GAINS


def test_a_wider_price_never_makes_a_gain_or_a_loss():
    rivals = priced(2, 7.5, seed=1), priced(2.9, 8.5, seed=2), priced(4, 9, seed=3)
    for value in (1.0, 3.0):
        verdicts = [
            stands(priced(value, Price(8, 8 - width, 8 + width)), *rivals).verdict
            for width in (0.0, 0.5, 0.6, 1.0, 7.9)
        ]
        opened = verdicts.index(OPEN) if OPEN in verdicts else len(verdicts)
        assert {*verdicts[opened:]} <= {OPEN}


def test_steps_that_nobody_took_without_it_are_no_gain():
    stand = stands(priced(3, 8), priced(1, 4, seed=1), priced(9, 16, seed=2))
    assert (stand.verdict, stand.is_coarse) == (OPEN, True)
    near_of_a_worse_curve = priced(0.5, 8, curve="b", seed=3)
    assert stands(priced(3, 8), priced(1, 4, seed=1), near_of_a_worse_curve).is_coarse
    assert stands(priced(3, 8), priced(1, 7.3, seed=1)).verdict == GAINS


def test_a_cell_that_costs_less_than_all_is_alone():
    stand = stands(priced(3, 1), priced(1, 4), priced(9, 16))
    assert (stand.verdict, stand.rival, stand.gain) == (ALONE, None, None)
    assert stands(priced(3, 1)).verdict == ALONE


def test_of_equal_truths_nearly_none_is_said_to_gain_or_lose():
    said = 0
    for seed in range(200):
        rivals = [priced(3, 8, seed=1000 + 10 * seed + i) for i in range(5)]
        stand = standing(
            priced(3, 8, seed=seed), rivals, sign=1, reach=fixed_reach(LEVEL / len(rivals))
        )
        said += stand.verdict != OPEN
    assert said <= 16  # 5 % of 200 are 10: more than 16 has a probability of 2 %
