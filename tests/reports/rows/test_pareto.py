import numpy as np
import pandas as pd
import pytest

from denoisebench.reports.rows.pareto import pareto_mask, with_front


def by_brute_force(cost, loss):
    def beaten(i):
        return any(
            cost[j] <= cost[i] and loss[j] <= loss[i] and (cost[j] < cost[i] or loss[j] < loss[i])
            for j in range(len(cost))
        )

    return [bool(np.isfinite(cost[i] + loss[i]) and not beaten(i)) for i in range(len(cost))]


@pytest.mark.parametrize("seed", range(30))
def test_front_agrees_with_brute_force_on_points_with_ties(seed):
    generator = np.random.default_rng(seed)
    cost, loss = generator.integers(0, 8, (2, 25)).astype(float)
    cost[generator.integers(25)] = np.nan
    loss[generator.integers(25)] = np.nan
    known = np.isfinite(cost) & np.isfinite(loss)
    expected = np.zeros(25, bool)
    expected[known] = by_brute_force(cost[known], loss[known])
    np.testing.assert_array_equal(pareto_mask(cost, loss), expected)


def test_twins_are_both_on_the_front():
    assert pareto_mask([1, 1, 2], [3, 3, 3]).tolist() == [True, True, False]


def test_no_points_have_no_front():
    assert pareto_mask([], []).tolist() == []


def test_fronts_are_per_panel_and_follow_the_direction_of_the_metric():
    points = pd.DataFrame(
        {
            "panel": ["a", "a", "b", "b"],
            "latency_p50_s": [1.0, 2.0, 3.0, np.nan],
            "value": [5.0, 6.0, 1.0, 2.0],
        }
    )
    assert with_front(points, direction=1)["front"].tolist() == [True, True, True]
    assert with_front(points, direction=-1)["front"].tolist() == [True, False, True]
