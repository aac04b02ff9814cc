"""Ratios of times of a few processes, against simulation and scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from metrics.sequential import LEVEL
from metrics.speed import BETWEEN, BETWEEN_FREEDOM, _widened, slowdown


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


def test_few_runs_have_no_error():
    times = [1.0, 1.1, 1.2, 1.3]
    assert math.isnan(slowdown([times], [times]).se)


@pytest.mark.parametrize("freedom", [BETWEEN_FREEDOM, 12, 18, 60])
def test_the_width_is_that_of_students_distribution(freedom):
    exact = stats.t.ppf(1 - LEVEL, freedom) / stats.norm.ppf(1 - LEVEL)
    assert _widened(freedom) == pytest.approx(exact, rel=1e-3)
