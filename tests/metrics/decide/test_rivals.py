"""The rivals that a standing depends on are those that judging every pair would find."""

import math

import numpy as np
import pytest

from denoisebench.metrics.decide.choose import Candidate, Gate, choice_from, choose, judged
from denoisebench.metrics.decide.sequential import fixed_reach
from denoisebench.metrics.estimate import Estimate, mean_estimate

CURVES, STEPS = "abc", (2, 4, 8, 16)


def by_every_pair(candidates, gates):
    reach = fixed_reach(0.025 / len({c.curve for c in candidates}))
    numbered = [*enumerate(candidates)]
    pairs = {(i, j): judged(a, b, gates, reach=reach) for i, a in numbered for j, b in numbered}
    return choice_from(candidates, pairs)


def cells_of(estimate_of, metrics=("q",)):
    """A candidate a curve and step count; estimate_of takes metric, curve and step numbers."""
    return [
        Candidate(curve, steps, steps, {m: estimate_of(k, c, s) for k, m in enumerate(metrics)})
        for c, curve in enumerate(CURVES)
        for s, steps in enumerate(STEPS)
    ]


def draws(seed, n, tails):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)

    def values(metric, curve, step):
        own = np.random.default_rng([seed, metric, curve, step])
        noise = own.lognormal(size=n) if tails == "skewed" else own.normal(size=n)
        loss = (0.6, 0.3, 0.12, 0.0)[step] + 0.05 * curve
        if tails == "tied":
            noise = noise * (own.random(n) < 0.2)
        if tails == "counted":
            return (own.random(n) < 0.8 - loss / 2).astype(float)
        return 5 + shared + 0.3 * noise - loss

    return values


@pytest.mark.parametrize("tails", ["normal", "skewed", "tied", "counted"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("clusters", [None, np.arange(120) % 40])
def test_choices_are_those_of_every_pair(tails, sign, relative, clusters):
    for seed in range(4):
        values = draws(seed, 120, tails)

        def estimate(metric, curve, step, values=values):
            return mean_estimate(sign * values(metric, curve, step), clusters)

        gates = {
            "q": Gate(sign, 0.05 if relative else 0.25, relative=relative),
            "r": Gate(sign, 0.3, enough=100 if seed == 3 else 0),
        }
        cells = cells_of(estimate, ("q", "r"))
        assert_same(choose(cells, gates), by_every_pair(cells, gates))


def assert_same(found, expected):
    assert (found.outcome, found.chosen, found.runner_up) == (
        expected.outcome,
        expected.chosen,
        expected.runner_up,
    )
    for one, other in zip(found.standings, expected.standings, strict=True):
        assert one.outcome == other.outcome
        for metric, verdict in other.worst.items():
            assert one.worst[metric].outcome == verdict.outcome
            np.testing.assert_allclose(
                [one.worst[metric].low, one.worst[metric].high],
                [verdict.low, verdict.high],
                rtol=1e-9,
                atol=1e-12,
            )


def test_cells_of_equal_images_stand_as_by_every_pair():
    values = draws(0, 120, "normal")

    def estimate(metric, curve, step):
        return mean_estimate(values(metric, 0, min(step, 2)))  # alike, and two counts alike too

    cells, gates = cells_of(estimate), {"q": Gate(1, 0.25)}
    assert_same(choose(cells, gates), by_every_pair(cells, gates))


@pytest.mark.parametrize("left", [0.3, math.inf, math.nan])
def test_what_is_left_of_a_bias_counts_as_by_every_pair(left):
    values = draws(1, 120, "skewed")

    def estimate(metric, curve, step):
        plain = mean_estimate(values(metric, curve, step))
        return Estimate(plain.value, plain.influence, left=left * (step + 1))

    cells, gates = cells_of(estimate), {"q": Gate(1, 0.25)}
    assert_same(choose(cells, gates), by_every_pair(cells, gates))


@pytest.mark.parametrize("left", [math.inf, math.nan])
def test_where_no_bound_is_known_the_worst_rival_is_the_one_of_the_largest_loss(left):
    values = draws(1, 120, "normal")

    def estimate(metric, curve, step):
        plain = mean_estimate(values(metric, curve, step))
        return Estimate(plain.value, plain.influence, left=left)

    cells, gates = cells_of(estimate), {"q": Gate(1, 0.25)}
    values = [cell.estimates["q"].value for cell in cells]
    for choice in (choose(cells, gates), by_every_pair(cells, gates)):
        for place, standing in enumerate(choice.standings):
            best = max(values[:place] + values[place + 1 :])
            assert standing.worst["q"].loss == pytest.approx(best - values[place])


def test_cells_of_other_numbers_of_samples_are_judged_pair_by_pair():
    values = draws(2, 120, "normal")

    def estimate(metric, curve, step):
        return mean_estimate(values(metric, curve, step)[: 80 + 10 * step])

    cells, gates = cells_of(estimate), {"q": Gate(1, 0.25)}
    assert_same(choose(cells, gates), by_every_pair(cells, gates))


def test_nothing_is_chosen_among_no_cells():
    assert choose([], {"q": Gate(1, 0.25)}).chosen is None


def test_a_sweep_of_many_cells_judges_few_pairs(monkeypatch):
    from denoisebench.metrics.decide import choose as module

    values, seen = draws(0, 120, "skewed"), []
    cells = cells_of(lambda *of: mean_estimate(values(*of)))
    monkeypatch.setattr(
        module, "judged", lambda *of, **reach: (seen.append(of), judged(*of, **reach))[1]
    )
    choose(cells, {"q": Gate(1, 0.25)})
    assert len(seen) <= 3 * len(cells)  # itself, its worst rival, the last of its curve
