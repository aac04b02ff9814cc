"""The cheapest cell that is proven to be the best of all that a budget pays for. NumPy only.

Of the cells within a budget one is chosen as choose.py chooses a default: it is proven to be within
every margin of every other cell that the budget pays for. What a cell costs is counted, or measured
with bounds. A cell is paid for when its upper bound is within the budget. One whose bounds lie to
either side may be: it is never chosen, and what is chosen has to hold against it too. So it is with
a cell whose cost nobody knows.

Images are never interpolated: a budget between the costs of two cells pays for the cheaper one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from denoisebench.metrics.decide.choose import (
    Candidate,
    Choice,
    Gate,
    Reaches,
    Standing,
    choose,
)
from denoisebench.metrics.decide.sequential import LEVEL, fixed_reach
from denoisebench.metrics.decide.speed import BETWEEN, Typical, log_median
from denoisebench.metrics.decide.verdicts import NO_PLATEAU, PASS, UNTESTED
from denoisebench.metrics.estimate import students_quantile

UNMET = "UNMET"  # no cell costs so little
_MANY = 500  # degrees of freedom: as good as normal


@dataclass(frozen=True)
class Price:
    """What an image of a cell costs, in the unit of a budget."""

    value: float
    low: float  # bounds; the value itself where it was counted
    high: float

    @property
    def is_known(self) -> bool:
        return not math.isnan(self.value)


UNKNOWN = Price(math.nan, 0.0, math.inf)
# Counts of one truth differ by the order of their sums, and by the six digits of results.csv.
_ROUNDING = 1e-5


def costs_no_more(cost: float, limit: float) -> bool:
    """Whether a cost is within a limit, what rounding takes or adds left aside."""
    return cost <= limit * (1 + _ROUNDING)


@dataclass(frozen=True)
class Bought:
    """What a budget pays for, by places in the list of candidates."""

    choice: Choice  # its places are those of `places`; its outcome may be UNMET too
    places: list[int]  # candidates that are paid for, or may be; of UNMET the cheapest alone
    unsure: frozenset[int]  # those of `places` that may cost more

    @property
    def chosen(self) -> int | None:
        return None if self.choice.chosen is None else self.places[self.choice.chosen]


def counted_price(value: float) -> Price:
    return Price(value, value, value)


def measured_price(
    runs: np.ndarray, *, drift: float, measured: int, typical: Typical = log_median
) -> Price:
    """The price of a cell that was timed in one process.

    runs [R]: seconds or joules of an image. drift: logarithm of the calibration beside them over
    the usual one; the machine was slower by so much, or the calibration was: bounds hold either
    way. measured: prices that are to hold together. Processes differ by BETWEEN, which one alone
    does not show. Fewer than five runs have no bounds: such a cell is never known to be paid for.
    """
    logarithm, se = typical(np.asarray(runs, float))
    value = math.exp(logarithm)
    if math.isnan(se):
        return Price(value, 0.0, math.inf)
    both = se**2 + BETWEEN**2  # of which the first alone was estimated (Welch-Satterthwaite)
    freedom = (len(runs) - 1) * (both / se**2) ** 2 if se else math.inf
    whole = math.floor(freedom) if freedom < _MANY else math.inf
    reach = students_quantile(1 - LEVEL / max(1, measured), whole) * math.sqrt(both)
    ends = 0.0, -drift
    return Price(value, value * math.exp(min(ends) - reach), value * math.exp(max(ends) + reach))


def best_within(
    budget: float,
    candidates: Sequence[Candidate],
    prices: Sequence[Price],
    *,
    gates: Mapping[str, Gate],
    reaches: Reaches = fixed_reach,
) -> Bought:
    """The choice among what a budget pays for; of equal price the first in the list.

    A candidate's `curve` is all but its steps; `steps` its place along it. reaches: by the level of
    one choice: who makes several divides it by their number.
    """
    places = [i for i, price in enumerate(prices) if costs_no_more(price.low, budget)]
    unsure = frozenset(i for i in places if not costs_no_more(prices[i].high, budget))
    if not places:
        # No price is unknown here: such a cell may be paid for.
        cheapest = min(range(len(prices)), key=lambda i: prices[i].value)
        return Bought(Choice(UNMET, None, None, [_untested()]), [cheapest], frozenset())
    if len(places) == 1 and not unsure:
        return Bought(Choice(PASS, 0, None, [Standing(PASS, {}, {})]), places, unsure)
    cells = [replace(candidates[i], cost=prices[i].value) for i in places]
    out = [place for place, i in enumerate(places) if i in unsure]
    choice = choose(cells, gates, reaches, out=out)
    bought = Bought(choice, places, unsure)
    if choice.outcome == NO_PLATEAU and _ends_by_budget(bought, candidates):
        return replace(bought, choice=replace(choice, outcome=PASS))
    return bought


def _ends_by_budget(bought: Bought, candidates: Sequence[Candidate]) -> bool:
    """Whether more steps of the chosen curve are there, and not paid for: that it still gains is
    then no reason to sweep more."""
    if bought.chosen is None:
        return False
    chosen = candidates[bought.chosen]
    return any(
        cell.curve == chosen.curve and cell.steps > chosen.steps and i not in bought.places
        for i, cell in enumerate(candidates)
    )


def _untested() -> Standing:
    return Standing(UNTESTED, {}, {})
