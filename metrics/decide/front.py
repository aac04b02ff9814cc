"""Which cells are proven to be on the Pareto front of cost and quality, or off it. NumPy only.

The rivals of a cell are those that cost no more. A cell is off the front when one of them is proven
to be better, and on it when it is proven to be better than all of them; else it is undecided. One
that has no rival is on the front, as nothing costs less.

All pairs of the cells are compared by one-sided bounds of their paired differences, and LEVEL is
split between the pairs (Bonferroni), of all fronts together that are looked at. So with a
probability of 95 % all intervals of all pairs hold together, and then no statement that is made is
false, nor is the name of a rival that is better, nor the choice of the front that is spoken of.

"Not on the front within a margin" would say nothing here: on a plateau every cell is within the
margin of every other one, however much it costs. Which of them to run is what choose.py decides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from denoisebench.metrics.decide.choose import Reaches
from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.rivals import Held, are_alike, proven_worse
from denoisebench.metrics.decide.sequential import LEVEL, Reach, fixed_reach
from denoisebench.metrics.decide.shape import FEWEST
from denoisebench.metrics.estimate import Estimate

ON, OFF, OPEN = "on", "off", "undecided"
_FEW = 8  # cells, of which pairs are looked at one by one
_FAINTEST = 1e-14  # level, below which Student's tail has lost its digits: nothing is proven there


@dataclass(frozen=True)
class Place:
    """Where a cell stands to the front, and the rival that shows it: the best measured of those
    that are proven better, else of those that are not proven worse, else of all; None where nothing
    costs as little."""

    verdict: str  # ON, OFF or OPEN
    rival: int | None


def front_places(
    cells: Sequence[Estimate],
    costs: Sequence[float],
    *,
    sign: int,
    tolerance: float = 0.0,
    reaches: Reaches = fixed_reach,
    pairs: int = 0,
) -> list[Place]:
    """The place of each cell.

    costs: known numbers. tolerance: share by which a cost may be higher and still counts as no
    more, where costs are measured. sign: 1 where a higher value is better, else -1. pairs: of all
    fronts that are looked at together; by default of these cells.
    """
    reach = reaches(LEVEL / max(1, pairs or pairs_of(len(cells))))
    is_better = _proofs(cells, sign=sign, reach=reach)
    best_first = sorted(range(len(cells)), key=lambda i: -sign * cells[i].value)
    places = []
    for i in range(len(cells)):
        most = (1 + tolerance) * costs[i]
        rivals = [j for j in best_first if j != i and costs[j] <= most]
        better = next((j for j in rivals if is_better(j, i)), None)
        undecided = next((j for j in rivals if not is_better(i, j)), None)
        if better is not None:
            places.append(Place(OFF, better))
        elif undecided is not None:
            places.append(Place(OPEN, undecided))
        else:
            places.append(Place(ON, rivals[0] if rivals else None))
    return places


def pairs_of(count: int) -> int:
    """How many pairs so many cells make."""
    return count * (count - 1) // 2


def resolved(difference: Difference, reach: Reach) -> int:
    """1 where a difference is proven to be above 0, -1 where below, else 0."""
    level = NormalDist().cdf(-reach(difference.units))
    if difference.is_few or level < _FAINTEST:
        return 0
    low, high = difference.bounds(level)
    return int(low > 0) - int(high < 0)


def _proofs(cells: Sequence[Estimate], *, sign: int, reach: Reach) -> Callable[[int, int], bool]:
    """Whether one cell is proven to be better than another, by their places. Where all have the
    same samples, all pairs at once."""

    @cache
    def one_by_one(a: int, b: int) -> bool:
        return _is_better(cells[a], cells[b], sign=sign, reach=reach)

    if len(cells) < _FEW or not all(are_alike(cells[0], cell) for cell in cells):
        return one_by_one
    units = -sign * np.stack([cell.units - cell.units.mean() for cell in cells])
    if NormalDist().cdf(-reach(units.shape[1])) < _FAINTEST:
        return lambda a, b: False
    left = np.array([cell.left for cell in cells])
    held = Held(
        units,
        units,
        losses=np.array([-sign * cell.value for cell in cells]),
        left=(left, left),
        margins=np.zeros(len(cells)),
        is_decided=units.shape[1] >= FEWEST,
    )
    worse, unsure = proven_worse(held, reach)
    return lambda a, b: one_by_one(a, b) if unsure[b, a] else bool(worse[b, a])


def _is_better(a: Estimate, b: Estimate, *, sign: int, reach: Reach) -> bool:
    """Whether a is proven to be better than b."""
    if not sign * a.value > sign * b.value:
        return False
    difference = difference_of(a, b) if sign > 0 else difference_of(b, a)
    return resolved(difference, reach) > 0
