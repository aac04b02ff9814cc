"""What is proven of a Pareto front: the rule on exact cells, and how often it is wrong."""

from functools import partial

import numpy as np
import pytest

from benchmarks.false_fronts import COSTS, DRAWS, LEVEL, VALUES, replicate
from denoisebench.metrics.decide import front
from denoisebench.metrics.decide.difference import difference_of
from denoisebench.metrics.decide.front import OFF, ON, OPEN, Place, front_places
from denoisebench.metrics.decide.sequential import sequential_reach
from denoisebench.metrics.estimate import Estimate, mean_estimate

SAMPLES = 64


def cells(values, seed=0, spread=0.1):
    """Cells of these means that share half of their noise."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(SAMPLES)
    noises = [shared + rng.standard_normal(SAMPLES) for _ in values]
    return [
        mean_estimate(value + spread * (noise - noise.mean()))
        for value, noise in zip(values, noises, strict=True)
    ]


def places(values, costs, **options):
    found = front_places(cells(values), costs, **{"sign": 1, **options})
    return [(place.verdict, place.rival) for place in found]


def test_each_cell_that_is_clearly_better_than_all_cheaper_ones_is_on_the_front():
    assert places([1, 2, 3], [1, 2, 4]) == [(ON, None), (ON, 0), (ON, 1)]
    assert places([3, 2, 1], [1, 2, 4], sign=-1) == [(ON, None), (ON, 0), (ON, 1)]


def test_a_cell_is_off_the_front_by_the_best_of_those_that_are_better_and_cost_no_more():
    assert places([2, 3, 1], [1, 1, 2]) == [(OFF, 1), (ON, 0), (OFF, 1)]


def test_a_plateau_is_undecided_whatever_it_costs():
    assert places([1, 3, 3.0001], [1, 2, 4]) == [(ON, None), (ON, 0), (OPEN, 1)]


def test_the_cheapest_cell_is_on_the_front_however_bad_it_is_and_so_is_one_alone():
    assert places([0, 5], [1, 2])[0] == (ON, None)
    assert places([0], [1]) == [(ON, None)]
    assert front_places([], [], sign=1) == []


def test_costs_within_the_tolerance_count_as_equal():
    assert places([1, 2], [1.0, 1.04]) == [(ON, None), (ON, 0)]
    assert places([1, 2], [1.0, 1.04], tolerance=0.05) == [(OFF, 1), (ON, 0)]


def test_few_samples_and_unknown_biases_prove_nothing_but_of_costs():
    few = [mean_estimate(value + np.linspace(-1, 1, 31)) for value in (0.0, 90.0)]
    unknown = [Estimate(value, np.linspace(-1, 1, 99), left=np.nan) for value in (0.0, 90.0)]
    for pair in (few, unknown):
        pair[1] = Estimate(90.0, pair[1].influence[::-1].copy(), left=pair[1].left)
        assert [place.verdict for place in front_places(pair, [1, 1], sign=1)] == [OPEN, OPEN]
        assert [place.verdict for place in front_places(pair, [1, 2], sign=1)] == [ON, OPEN]


def test_an_undecided_cell_is_held_against_the_best_rival_that_is_not_proven_worse():
    """The best measured rival is known exactly, and worse; the next is noisy."""
    noise = np.random.default_rng(0).standard_normal((3, SAMPLES))
    noise -= noise.mean(axis=1, keepdims=True)
    trio = [
        mean_estimate(value + spread * row)
        for value, spread, row in zip((2.0, 1.9, 3.0), (0.1, 9.0, 0.1), noise, strict=True)
    ]
    assert front_places(trio[::2], [1, 2], sign=1)[1] == Place(ON, 0)
    assert front_places(trio, [1, 1, 2], sign=1)[2] == Place(OPEN, 1)


@pytest.mark.parametrize(("noise", "clusters"), [("normal", 0), ("skewed", 0), ("coarse", 24)])
def test_all_pairs_at_once_are_judged_as_one_by_one(noise, clusters, monkeypatch):
    rng = np.random.default_rng(5)
    count, samples = 40, 96
    shared = rng.standard_normal(samples)
    draws = {
        "normal": lambda: shared + rng.standard_normal(samples),
        "skewed": lambda: shared + rng.exponential(size=samples) ** 2,
        "coarse": lambda: (shared + rng.standard_normal(samples) > 1.0).astype(float),
    }
    groups = np.arange(samples) % 48 if clusters else None
    family = [mean_estimate(draws[noise]() + 0.05 * i, groups) for i in range(count)]
    family.append(Estimate(family[3].value, family[3].influence, groups))  # the same images
    costs = (rng.permutation(count + 1) // 5 + 1).tolist()
    for sign in (1, -1):
        at_once = front_places(family, costs, sign=sign)
        with monkeypatch.context() as patch:
            patch.setattr(front, "_FEW", 1000)
            assert at_once == front_places(family, costs, sign=sign)
    assert len({place.verdict for place in at_once}) > 1


def test_the_level_is_split_between_the_pairs_of_all_fronts_that_are_looked_at():
    values = [0, 0.055]
    assert places(values, [1, 2])[1] == (ON, 0)
    assert places(values, [1, 2], pairs=200)[1] == (OPEN, 0)


def test_a_pair_is_compared_once_however_often_it_is_asked_for(monkeypatch):
    compared = []

    def counted(a, b):
        compared.append(1)
        return difference_of(a, b)

    monkeypatch.setattr(front, "difference_of", counted)
    plateau = cells(np.linspace(0, 1e-4, 7))
    assert {place.verdict for place in front_places(plateau, [1] * 7, sign=1)} == {OPEN}
    assert len(compared) == 21


def test_bounds_that_hold_at_all_looks_of_a_race_decide_less():
    values = [0, 0.055]
    assert places(values, [1, 2])[1] == (ON, 0)
    assert places(values, [1, 2], reaches=partial(sequential_reach, SAMPLES))[1] == (OPEN, 0)


@pytest.mark.parametrize("noise", DRAWS)
@pytest.mark.parametrize("truth", VALUES)
def test_no_more_than_one_family_in_twenty_holds_a_false_statement(truth, noise):
    share = replicate(VALUES[truth], COSTS, DRAWS[noise], samples=SAMPLES, families=60)
    assert share.wrong <= LEVEL
    assert share.undecided > 0.99 or truth != "all equal"


@pytest.mark.parametrize("values", [(0, 2, 4, 6), (6, 4, 2, 0)])
def test_large_differences_are_decided(values):
    share = replicate(values, (1, 2, 3, 4), DRAWS["normal"], samples=SAMPLES, families=50)
    assert share == (0, 0)
