"""Ratios of times of a few processes, against simulation."""

import math

import numpy as np
import pytest

from denoisebench.metrics.decide.regression import REGRESSION, Loss, judge
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.speed import BETWEEN, BETWEEN_FREEDOM, slowdown


def timed(rng, processes, level=0.0, between=BETWEEN, runs=20):
    """Times of processes, each with its own luck."""
    luck = level + between * rng.standard_normal(processes)
    return [rng.lognormal(each, 0.05, runs) for each in luck]


@pytest.mark.parametrize("processes", [(1, 1), (3, 3), (6, 6), (6, 1)])
def test_a_ratio_covers_the_true_one_when_processes_differ_as_they_usually_do(processes):
    rng, held = np.random.default_rng(1), []
    for _ in range(1500):
        low, high = slowdown(timed(rng, processes[0], 0.1), timed(rng, processes[1])).interval()
        held.append(low <= 0.1 <= high)
    assert 0.94 <= np.mean(held) <= 0.99


def test_a_busy_machine_is_seen_in_its_processes():
    rng, held = np.random.default_rng(2), []
    for _ in range(1500):
        found = slowdown(timed(rng, 6, 0.1, between=0.06), timed(rng, 6, between=0.06))
        low, high = found.interval()
        held.append(low <= 0.1 <= high)
    assert np.mean(held) >= 0.88  # three times what is usual, and half of the freedom is prior
    assert slowdown(timed(rng, 1), timed(rng, 1)).se < found.se * math.sqrt(6)


def test_twice_the_time_is_a_ratio_of_two():
    times = [1.0, 1.1, 1.2, 1.3, 1.4]
    found = slowdown([[2 * t for t in times]], [times])
    assert math.exp(found.value) == pytest.approx(2.0)
    assert found.units == 1


@pytest.mark.parametrize("processes", [2, 3, 6])
def test_processes_cover_the_true_ratio_where_nothing_is_known_of_them(processes):
    rng, held = np.random.default_rng(4), []
    for _ in range(1500):
        sides = timed(rng, processes, 0.1, between=0.15), timed(rng, processes, between=0.15)
        low, high = slowdown(*sides, known_freedom=0).interval()
        held.append(low <= 0.1 <= high)
    assert 0.93 <= np.mean(held) <= 0.97


def test_one_process_of_each_side_has_no_error_where_nothing_is_known():
    assert math.isnan(slowdown([[1.0] * 5], [[1.0] * 5], known_freedom=0).se)


def test_few_runs_have_no_error():
    times = [1.0, 1.1, 1.2, 1.3]
    assert math.isnan(slowdown([times], [times]).se)


def judged(rng, family, processes, level):
    """Whether any of a family of comparisons, all as slow as `level`, is called a regression.

    Each has a luck of its own size, as what is known beforehand says: BETWEEN² with BETWEEN_FREEDOM
    degrees.
    """
    between = BETWEEN * np.sqrt(BETWEEN_FREEDOM / rng.chisquare(BETWEEN_FREEDOM, family))
    losses = [
        Loss(slowdown(timed(rng, processes, level, b), timed(rng, processes, between=b)), level)
        for b in between
    ]
    return any(each.outcome == REGRESSION for each in judge(losses))


@pytest.mark.parametrize(("family", "processes"), [(16, 1), (16, 6), (100, 1), (100, 6)])
def test_false_alarms_of_a_family_of_times_at_the_margin_are_as_rare_as_the_level(
    family, processes
):
    rng, checks = np.random.default_rng(3), 300
    false = [judged(rng, family, processes, math.log(1.05)) for _ in range(checks)]
    assert np.mean(false) <= LEVEL + 3 * math.sqrt(LEVEL / checks)
