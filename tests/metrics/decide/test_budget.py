"""What a budget pays for is chosen by proof, and what a time may be off by counts."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from benchmarks.budget_study import CURVES, study
from benchmarks.false_fronts import DRAWS
from denoisebench.metrics.decide.budget import (
    UNKNOWN,
    UNMET,
    Price,
    best_within,
    counted_price,
    measured_price,
)
from denoisebench.metrics.decide.choose import Candidate, Gate
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.speed import BETWEEN, log_median
from denoisebench.metrics.decide.verdicts import NO_PLATEAU, PASS, UNDECIDED
from denoisebench.metrics.estimate import mean_estimate

GATES = {"quality": Gate(1, 0.5)}


def candidates(*values, curve="a", noise=0.1, samples=400):
    """Cells along one curve, of these true values, in steps 1, 2, 4, …"""
    rng = np.random.default_rng(1)
    return [
        Candidate(
            curve,
            2**place,
            2.0**place,
            {"quality": mean_estimate(value + noise * rng.standard_normal(samples))},
        )
        for place, value in enumerate(values)
    ]


def counted(*costs):
    return [counted_price(cost) for cost in costs]


def test_the_cheapest_within_the_margin_of_what_is_paid_for_is_chosen():
    cells = candidates(0, 2.0, 2.1, 9.0)
    bought = best_within(4, cells, counted(1, 2, 4, 8), gates=GATES)
    assert (bought.choice.outcome, bought.chosen) == (PASS, 1)
    assert bought.places == [0, 1, 2]
    assert best_within(8, cells, counted(1, 2, 4, 8), gates=GATES).chosen == 3


def test_a_curve_that_still_gains_at_its_end_has_no_plateau_but_where_the_budget_ends_it():
    cells, prices = candidates(0, 2.0, 9.0), counted(1, 2, 4)
    ends, at_end = (best_within(budget, cells, prices, gates=GATES) for budget in (2, 4))
    assert (ends.choice.outcome, ends.chosen) == (PASS, 1)
    assert (at_end.choice.outcome, at_end.chosen) == (NO_PLATEAU, 2)


def test_a_budget_between_two_cells_pays_for_the_cheaper_one():
    cells, prices = candidates(0, 2.0, 9.0), counted(1, 2, 4)
    between, at = (best_within(budget, cells, prices, gates=GATES) for budget in (3.9, 2))
    assert between.chosen == at.chosen == 1


def test_a_budget_that_no_cell_meets_names_the_cheapest():
    bought = best_within(0.5, candidates(0, 1), counted(2, 1), gates=GATES)
    assert (bought.choice.outcome, bought.places, bought.chosen) == (UNMET, [1], None)


def test_the_only_cell_that_is_paid_for_is_the_best_of_them():
    bought = best_within(1, candidates(0, 9), counted(1, 2), gates=GATES)
    assert (bought.choice.outcome, bought.chosen) == (PASS, 0)


def test_a_cell_that_may_cost_more_is_not_chosen_but_has_to_be_beaten():
    cells = candidates(0, 9.0)
    unsure = [counted_price(1), Price(2, 1.9, 2.1)]
    bought = best_within(2, cells, unsure, gates=GATES)
    assert (bought.choice.outcome, bought.chosen, bought.unsure) == (UNDECIDED, None, {1})
    equal = best_within(2, candidates(9.0, 9.1), unsure, gates=GATES)
    assert (equal.choice.outcome, equal.chosen) == (PASS, 0)


def test_a_worse_cell_that_may_be_paid_for_holds_nobody_up():
    cells = [*candidates(0, 9.0), *candidates(1.0, curve="b")]
    prices = [*counted(1, 2), Price(2, 1.9, 2.1)]
    assert best_within(2, cells, prices, gates=GATES).chosen == 1


def test_a_dearer_cell_that_may_be_paid_for_is_no_step_of_the_sequence():
    """It is undecided itself, by another metric, which says nothing of the cheaper one."""
    plain, dearer = candidates(9.0, 9.0)
    texts = [cell.estimates["quality"] for cell in candidates(1.45, 1.0, noise=1)]
    cells = [
        replace(cell, estimates={**cell.estimates, "text": text})
        for cell, text in zip((plain, dearer), texts, strict=True)
    ]
    gates = {**GATES, "text": Gate(1, 0.45)}
    unsure = [counted_price(1), Price(2, 1.9, 2.1)]
    bought = best_within(2, cells, unsure, gates=gates)
    assert (bought.choice.outcome, bought.chosen) == (PASS, 0)


def test_a_cell_of_unknown_cost_is_a_rival_at_every_budget_and_never_chosen():
    better, worse = ([*candidates(0), *candidates(v, curve="b")] for v in (9.0, -9.0))
    prices = [counted_price(1), UNKNOWN]
    held_up = best_within(1, better, prices, gates=GATES)
    assert (held_up.choice.outcome, held_up.chosen, held_up.unsure) == (UNDECIDED, None, {1})
    beaten = best_within(1, worse, prices, gates=GATES)
    assert (beaten.choice.outcome, beaten.chosen, beaten.unsure) == (PASS, 0, {1})


@pytest.mark.parametrize("cost", [1.2345649, 0.1 + 0.2, 987654.4999])
def test_a_budget_that_is_a_rounded_cost_pays_for_that_cell(cost):
    bought = best_within(float(f"{cost:.6g}"), candidates(0, 9), counted(cost, 2e6), gates=GATES)
    assert (bought.choice.outcome, bought.places, bought.unsure) == (PASS, [0], frozenset())


def test_what_is_not_proven_is_undecided_and_says_what_it_takes():
    cells = candidates(0.0, 0.3, noise=3, samples=60)
    choice = best_within(4, cells, counted(1, 2), gates=GATES).choice
    assert (choice.outcome, choice.chosen) == (UNDECIDED, None)
    assert choice.standings[1].worst["quality"].further > 0


def test_bounds_of_a_time_hold_the_luck_of_its_process_and_a_slower_machine():
    runs = np.array([1.0, 1.01, 0.99, 1.0, 1.0])
    steady, slow = (measured_price(runs, drift=drift, measured=10) for drift in (0.0, 0.2))
    assert steady.value == slow.value == pytest.approx(1.0)
    assert 0.9 < steady.low < 0.97
    assert 1.03 < steady.high < 1.1
    assert slow.low == pytest.approx(steady.low * math.exp(-0.2))  # it may be quicker than this
    assert slow.high == steady.high
    quick = measured_price(runs, drift=-0.2, measured=10)
    assert quick.high == pytest.approx(steady.high * math.exp(0.2))


def test_the_more_prices_are_to_hold_together_the_wider_they_are():
    runs = np.full(5, 1.0)
    few, many = (measured_price(runs, drift=0.0, measured=count) for count in (1, 1000))
    assert many.high > few.high


def test_a_few_uneven_runs_have_the_bounds_of_students_t():
    """Where the runs of a process differ by more than processes do, few of them tell little."""
    uneven = np.exp(0.1 * np.array([-1, -0.5, 0, 0.5, 1]))
    even = np.exp(0.001 * np.array([-1, -0.5, 0, 0.5, 1]))
    normal = NormalDist().inv_cdf(1 - LEVEL / 100)
    for runs, is_normal in ((uneven, False), (even, True)):
        _, se = log_median(runs)
        price = measured_price(runs, drift=0.0, measured=100)
        multiple = math.log(price.high / price.value) / math.hypot(se, BETWEEN)
        assert (multiple == pytest.approx(normal, rel=0.02)) == is_normal
    assert multiple < 4
    wide = measured_price(uneven, drift=0.0, measured=100)
    _, se = log_median(uneven)
    assert math.log(wide.high / wide.value) > 1.5 * normal * se


def test_a_few_runs_are_no_bound():
    price = measured_price(np.array([1.0, 1.0]), drift=0.0, measured=1)
    assert (price.low, price.high) == (0.0, math.inf)
    assert best_within(10, candidates(0), [price], gates=GATES).chosen is None


def test_winners_of_known_populations_are_right_or_undecided():
    share = study(CURVES["a cache that loses"], DRAWS["normal"], samples=256, repetitions=10)
    assert share.wrong == 0
    assert sum(share.right) > 5
