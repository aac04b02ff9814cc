"""Is the winner at a budget the right one? `make budget-study`.

A population is three curves of six cells: quality rises with the steps to a plateau, or falls again
at the end, as that of a distilled model does; a quicker curve, as of a cache, costs less a step and
ends lower. All cells share half of their noise. Each is timed in one process, which has its luck
and runs while the machine is a little slower or quicker than usual, as its calibration shows. What
is true is known: what a cell costs, and how good it is.

A winner is right when it costs no more than the budget in truth, and loses no more than the margin
to any cell that does. In one repetition winners at three budgets are named; it is wrong when one of
them is.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.false_fronts import DRAWS, RNG, Draw
from benchmarks.race_study import wilson
from denoisebench.metrics.decide.budget import Price, best_within, measured_price
from denoisebench.metrics.decide.choose import Candidate, Gate
from denoisebench.metrics.decide.sequential import fixed_reach
from denoisebench.metrics.decide.speed import BETWEEN
from denoisebench.metrics.estimate import mean_estimate

STEPS = (2, 4, 8, 16, 32, 64)
BUDGETS = (0.15, 0.5, 1.4)  # seconds
MARGIN = 0.1
RUNS, WITHIN, DRIFT = 5, 0.01, 0.02  # timed runs, and logarithms' standard deviations
METRIC = "quality"


@dataclass(frozen=True)
class Curve:
    name: str
    top: float  # that its quality comes near to
    a_step: float  # seconds
    fall: float = 0.0  # of quality at the most steps

    def quality(self, steps: int) -> float:
        return self.top - 2 / steps - self.fall * steps / STEPS[-1]


CURVES = {
    "one plateau": (
        Curve("plain", 3.0, 0.025),
        Curve("cached", 2.97, 0.018),
        Curve("lossy", 2.6, 0.012),
    ),
    "a cache that loses": (
        Curve("plain", 3.0, 0.025),
        Curve("cached", 2.7, 0.024),
        Curve("lossy", 2.5, 0.02),
    ),
    "falling at the end": (
        Curve("plain", 3.0, 0.025, fall=0.5),
        Curve("cached", 2.95, 0.018, fall=0.3),
        Curve("lossy", 2.6, 0.012),
    ),
}


class Share(NamedTuple):
    """What became of repetitions."""

    repetitions: int
    right: tuple[int, ...]  # winners, by budget
    undecided: tuple[int, ...]  # repetitions without a winner, by budget
    wrong: int  # repetitions with any wrong winner


def cells_of(curves: tuple[Curve, ...]) -> list[tuple[Curve, int]]:
    return [(curve, steps) for curve in curves for steps in STEPS]


def drawn_price(seconds: float, rng: RNG, measured: int) -> Price:
    """What the latency pass of one process shows of a cell that costs so much in truth."""
    luck, drift = rng.normal(0, BETWEEN), rng.normal(0, DRIFT)
    runs = seconds * np.exp(luck + drift + rng.normal(0, WITHIN, RUNS))
    return measured_price(runs, drift=drift, measured=measured)


def is_right(chosen: int, budget: float, values: list[float], *, seconds: list[float]) -> bool:
    paid = [value for value, cost in zip(values, seconds, strict=True) if cost <= budget]
    return seconds[chosen] <= budget and all(values[chosen] > v - MARGIN for v in paid)


def study(
    curves: tuple[Curve, ...], draw: Draw, *, samples: int, repetitions: int, seed: int = 0
) -> Share:
    rng, cells = np.random.default_rng(seed), cells_of(curves)
    values = [curve.quality(steps) for curve, steps in cells]
    seconds = [curve.a_step * steps for curve, steps in cells]
    right, undecided, wrong = [0] * len(BUDGETS), [0] * len(BUDGETS), 0
    for _ in range(repetitions):
        noise = draw(rng, (len(cells), samples)) + draw(rng, (samples,))
        candidates = [
            Candidate(curve.name, steps, cost, {METRIC: mean_estimate(value + row)})
            for (curve, steps), cost, value, row in zip(cells, seconds, values, noise, strict=True)
        ]
        prices = [drawn_price(cost, rng, len(cells)) for cost in seconds]
        chosen = [_winner(budget, candidates, prices) for budget in BUDGETS]
        outcomes = [
            None if place is None else is_right(place, budget, values, seconds=seconds)
            for place, budget in zip(chosen, BUDGETS, strict=True)
        ]
        for place, outcome in enumerate(outcomes):
            right[place] += outcome is True
            undecided[place] += outcome is None
        wrong += False in outcomes
    return Share(repetitions, tuple(right), tuple(undecided), wrong)


def _winner(budget: float, candidates: list[Candidate], prices: list[Price]) -> int | None:
    """What a run would choose: the level is split between the budgets."""
    bought = best_within(
        budget,
        candidates,
        prices,
        gates={METRIC: Gate(1, MARGIN)},
        reaches=lambda level: fixed_reach(level / len(BUDGETS)),
    )
    return bought.chosen


def table(repetitions: int) -> Iterator[str]:
    """Lines of a table: truth, noise, samples, winners by budget, repetitions without a fault."""
    budgets = ", ".join(f"{budget:g} s" for budget in BUDGETS)
    yield (
        f"| truth | noise | samples | right at {budgets} | undecided there | right or undecided at "
        "all three | 95 % interval |"
    )
    yield "|---|---|---|---|---|---|---|"
    for truth, curves in CURVES.items():
        for noise, draw in DRAWS.items():
            for samples in (256, 1024, 4096):
                share = study(curves, draw, samples=samples, repetitions=repetitions)
                good = repetitions - share.wrong
                low, high = wilson(good, repetitions)
                shares = [
                    ", ".join(f"{100 * count / repetitions:.0f} %" for count in counts)
                    for counts in (share.right, share.undecided)
                ]
                yield (
                    f"| {truth} | {noise} | {samples:,} | {' | '.join(shares)} | "
                    f"{100 * good / repetitions:.1f} % | {100 * low:.1f} to "
                    f"{math.ceil(1000 * high) / 10:.1f} % |"
                )


if __name__ == "__main__":
    for line in table(int(sys.argv[1])):
        print(line, flush=True)
