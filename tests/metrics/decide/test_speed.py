"""Ratios of times of a few processes, against simulation."""

import math

import numpy as np
import pytest

from denoisebench.metrics.decide.regression import REGRESSION, Loss, judge
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.speed import BETWEEN, processes_to_decide, slowdown
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED

MARGIN = math.log(1.05)


def timed(rng, processes, level=0.0, between=BETWEEN, runs=20):
    """Times of processes, each with its own luck."""
    luck = level + between * rng.standard_normal(processes)
    return [rng.lognormal(of_one, 0.05, runs) for of_one in luck]


@pytest.mark.parametrize("between", [0.01, 0.04, 0.15])
@pytest.mark.parametrize("processes", [(2, 2), (3, 3), (6, 6), (6, 1)])
def test_a_ratio_covers_the_true_one_however_much_processes_differ(processes, between):
    rng, held = np.random.default_rng(1), []
    for _ in range(1500):
        sides = timed(rng, processes[0], 0.1, between), timed(rng, processes[1], 0.0, between)
        low, high = slowdown(*sides).interval()
        held.append(low <= 0.1 <= high)
    assert 0.93 <= np.mean(held) <= 0.97


def test_twice_the_time_is_a_ratio_of_two():
    times = [1.0, 1.1, 1.2, 1.3, 1.4]
    ratio = slowdown([[2 * t for t in times]], [times])
    assert math.exp(ratio.value) == pytest.approx(2.0)
    assert ratio.units == 1


def test_one_process_of_each_side_has_no_error_and_decides_nothing():
    ratio = slowdown([[3.0] * 5], [[1.0] * 5])
    assert math.isnan(ratio.se)
    assert [judgement.outcome for judgement in judge([Loss(ratio, MARGIN)])] == [UNDECIDED]


def test_few_runs_have_no_error():
    few, many = [1.0, 1.1, 1.2, 1.3], [1.0, 1.1, 1.2, 1.3, 1.4]
    assert math.isnan(slowdown([many, many], [many, few]).se)


def outcomes(rng, family, processes, level, between):
    """Outcomes of a family of comparisons, all as slow as `level`."""
    sides = (timed(rng, processes, by, between) for _ in range(family) for by in (level, 0.0))
    losses = [Loss(slowdown(candidate, next(sides)), MARGIN) for candidate in sides]
    return {judgement.outcome for judgement in judge(losses)}


@pytest.mark.parametrize("between", [BETWEEN, 0.04])
@pytest.mark.parametrize(("family", "processes"), [(1, 2), (1, 3), (1, 6), (16, 2), (16, 6)])
def test_false_alarms_of_times_at_the_margin_are_as_rare_as_the_level(family, processes, between):
    rng, checks = np.random.default_rng(3), 1000 if family == 1 else 100
    drawn = [outcomes(rng, family, processes, MARGIN, between) for _ in range(checks)]
    rate = np.mean([REGRESSION in of_one for of_one in drawn])
    assert rate <= LEVEL + 3 * math.sqrt(LEVEL / checks)


def test_so_many_processes_as_are_planned_decide_with_the_power_that_is_said():
    """As slow as before, where medians of processes differ as they are taken to."""
    rng, planned = np.random.default_rng(5), processes_to_decide(0.0, MARGIN)
    assert 3 <= planned <= 10
    of_runs = math.sqrt(math.pi / 2 / 20) * 0.05  # standard error of the median of a process
    luck = math.sqrt(BETWEEN**2 - of_runs**2)
    drawn = [outcomes(rng, 1, int(planned), 0.0, luck) for _ in range(400)]
    assert np.mean([PASS in of_one for of_one in drawn]) >= 0.8


def test_a_ratio_on_its_margin_takes_more_processes_than_are_practical():
    assert math.isinf(processes_to_decide(MARGIN, MARGIN))
