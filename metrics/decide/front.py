"""Which cells are proven to be on the Pareto front of cost and quality, or off it. NumPy only.

The rivals of a cell are those that cost no more. A cell is off the front when one of them is proven
to be better, and on it when it is proven to be better than all of them; else it is undecided. One
that has no rival is on the front, as nothing costs less.

All pairs of the cells are compared by one-sided bounds of their paired differences, and LEVEL is
split between the pairs (Bonferroni). So with a probability of 95 % all intervals of all pairs hold
together, and then no statement that is made is false, nor is the name of a rival that is better.

"Not on the front within a margin" would say nothing here: on a plateau every cell is within the
margin of every other one, however much it costs. Which of them to run is what choose.py decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

from denoisebench.metrics.decide.choose import Reaches
from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.sequential import LEVEL, Reach, fixed_reach
from denoisebench.metrics.estimate import Estimate

ON, OFF, OPEN = "on", "off", "undecided"
_FAINTEST = 1e-14  # level, below which Student's tail has lost its digits: nothing is proven there


@dataclass(frozen=True)
class Place:
    """Where a cell stands to the front, and the rival that shows it: the best measured of those
    that are proven better, else the best measured; None where nothing costs as little."""

    verdict: str  # ON, OFF or OPEN
    rival: int | None


def front_places(
    cells: Sequence[Estimate],
    costs: Sequence[float],
    *,
    sign: int,
    tolerance: float = 0.0,
    reaches: Reaches = fixed_reach,
) -> list[Place]:
    """The place of each cell.

    costs: known numbers. tolerance: share by which a cost may be higher and still counts as no
    more, where costs are measured. sign: 1 where a higher value is better, else -1.
    """
    pairs = len(cells) * (len(cells) - 1) // 2
    is_better = partial(_is_better, sign=sign, reach=reaches(LEVEL / max(1, pairs)))
    best_first = sorted(range(len(cells)), key=lambda i: -sign * cells[i].value)
    places = []
    for i, cell in enumerate(cells):
        most = (1 + tolerance) * costs[i]
        rivals = [j for j in best_first if j != i and costs[j] <= most]
        better = next((j for j in rivals if is_better(cells[j], cell)), None)
        if better is not None:
            places.append(Place(OFF, better))
            continue
        is_on = all(is_better(cell, cells[j]) for j in rivals)
        places.append(Place(ON if is_on else OPEN, rivals[0] if rivals else None))
    return places


def resolved(difference: Difference, reach: Reach) -> int:
    """1 where a difference is proven to be above 0, -1 where below, else 0."""
    level = NormalDist().cdf(-reach(difference.units))
    if difference.is_few or level < _FAINTEST:
        return 0
    low, high = difference.bounds(level)
    return int(low > 0) - int(high < 0)


def _is_better(a: Estimate, b: Estimate, *, sign: int, reach: Reach) -> bool:
    """Whether a is proven to be better than b."""
    if not sign * a.value > sign * b.value:
        return False
    difference = difference_of(a, b) if sign > 0 else difference_of(b, a)
    return resolved(difference, reach) > 0
