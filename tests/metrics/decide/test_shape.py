"""Bounds of few, skewed and tied units, against simulation at the margin and closed forms."""

import math

import numpy as np
import pytest

from benchmarks.false_passes import FAMILY, IN_A_GROUP, replicate, replicate_race
from denoisebench.metrics.decide.assertion import UNDECIDED as OPEN
from denoisebench.metrics.decide.assertion import Assertion, hold_all
from denoisebench.metrics.decide.choose import Candidate, Gate, judged
from denoisebench.metrics.decide.difference import Difference, difference_from, difference_of
from denoisebench.metrics.decide.regression import Loss, judge
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.shape import CAUTION, FEWEST
from denoisebench.metrics.decide.verdicts import FAIL, PASS, UNDECIDED, non_inferiority
from denoisebench.metrics.estimate import Estimate, mean_estimate, students_quantile

BY_NAME = {family.name: family for family in FAMILY}


@pytest.mark.parametrize("units", [FEWEST, 128])
@pytest.mark.parametrize(
    "name",
    ["normal", "exponential", "lognormal of 1", "binary, p = 0.02", "0.03 lost, 0.01 won"],
)
def test_a_loss_at_its_margin_passes_no_more_often_than_three_in_a_hundred(name, units):
    row = replicate(BY_NAME[name], units, 800)
    assert row.corrected <= 0.03 + 2 * (0.03 / 800) ** 0.5
    assert row.corrected <= row.student


@pytest.mark.parametrize("name", ["normal", "exponential"])
def test_clusters_pass_as_seldom(name):
    row = replicate(BY_NAME[name], FEWEST, 500, in_a_group=IN_A_GROUP)
    assert row.corrected <= 0.03 + 2 * (0.03 / 500) ** 0.5


def test_a_race_passes_a_skewed_loss_at_its_margin_as_seldom_at_all_looks_together():
    assert replicate_race(BY_NAME["lognormal of 1"], 200) <= 0.03


def test_bounds_of_even_units_are_students_but_for_the_caution():
    units = np.tile([1.0, -1.0], 200)
    loss = difference_from(Estimate(0.3, units))
    low, high = loss.bounds(LEVEL)
    distance = students_quantile(1 - LEVEL, 399) * (1 + CAUTION / 400) * loss.se
    assert (0.3 - low, high - 0.3) == pytest.approx((distance, distance))


def test_skewness_moves_the_bound_on_its_side_away_and_the_other_no_nearer():
    loss = difference_from(mean_estimate(np.random.default_rng(0).lognormal(0, 1, 200)))
    low, high = loss.bounds(LEVEL)
    even = Difference(loss.value, loss.se * (1 + CAUTION / 200), 200, freedom=199)
    assert low == pytest.approx(even.bounds(LEVEL)[0])
    assert high > loss.value + 1.15 * (even.bounds(LEVEL)[1] - loss.value)
    mirrored = loss.opposite.bounds(LEVEL)
    assert mirrored == pytest.approx((-high, -low))


@pytest.mark.parametrize("missed", [0, 1, 3])
def test_the_p_of_a_difference_is_the_level_at_which_its_bound_is_there(missed):
    values = np.where(np.arange(400) < 60, 1.0, 0.0) - (np.arange(400) >= 400 - missed)
    loss = difference_from(mean_estimate(values), 1.0)
    for threshold in (0.02, 0.1):
        assert loss.bounds(loss.tail(threshold))[0] == pytest.approx(threshold, abs=1e-6)
        assert loss.tail(threshold) + loss.opposite.tail(-threshold) == pytest.approx(1)


def test_what_was_never_seen_to_change_is_within_a_margin_only_by_the_rule_of_its_share():
    """None of n right answers was lost: the share that is may still be about 3.8 / n."""
    gate = {"accuracy": Gate(1, 0.02)}

    def verdict(n):
        right = (np.arange(n) % 3 > 0) * 1.0
        cells = [Candidate("x", s, s, {"accuracy": mean_estimate(right)}) for s in (4, 8)]
        return judged(*cells, gate)["accuracy"]

    assert verdict(128).outcome == UNDECIDED
    assert verdict(128).high == pytest.approx(4.5 / 128, rel=0.1)
    assert verdict(256).outcome == PASS


def test_equal_images_are_equal_by_a_metric_that_counts_too():
    rng = np.random.default_rng(1)
    scores = {"clip": mean_estimate(rng.normal(size=40)), "accuracy": mean_estimate(np.ones(40))}
    gates = {"clip": Gate(1, 0.5), "accuracy": Gate(1, 0.02)}
    copies = {name: Estimate(each.value, each.influence) for name, each in scores.items()}
    cells = Candidate("x", 4, 4, scores), Candidate("x", 8, 8, copies)
    assert {v.outcome for v in judged(*cells, gates).values()} == {PASS}
    alone = judged(*cells, {"accuracy": gates["accuracy"]})["accuracy"]
    assert alone.outcome == UNDECIDED


@pytest.mark.parametrize("clusters", [None, np.arange(400) // 40])
def test_too_few_units_decide_nothing_wherever_they_are_held_against_a_margin(clusters):
    n = FEWEST - 1 if clusters is None else 400
    values = np.random.default_rng(2).normal(size=n)
    estimate = mean_estimate(values, clusters)
    loss = difference_from(estimate)
    for far, outcome in ((1e3, PASS), (-1e3, FAIL)):
        verdict = non_inferiority(loss, far, samples=n)
        assert verdict.outcome == UNDECIDED
        assert verdict.further == math.ceil((FEWEST - loss.units) * n / loss.units)
        assert hold_all([Assertion(estimate, above=False, threshold=far)])[0] == OPEN
        assert judge([Loss(loss, far)])[0].outcome == UNDECIDED
        enough = difference_from(mean_estimate(np.tile(values, 20)))
        assert non_inferiority(enough, far).outcome == outcome


def test_unpaired_cells_have_the_degrees_of_freedom_of_welch():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=40), 3 * rng.normal(size=60)
    found = difference_of(mean_estimate(a), mean_estimate(b), "other prompts")
    parts = np.array([a.var(ddof=1) / 40, b.var(ddof=1) / 60])
    assert found.freedom == int(parts.sum() ** 2 / (parts**2 / [39, 59]).sum())
    assert found.is_few is False
    assert found.shape.units == 40
