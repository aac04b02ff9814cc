"""Does a cell beat what it could be had without, at equal cost? Estimates and prices alone.

The rule. A cell has something switched on: a step cache, another precision, compilation. Its rivals
are cells without: of any scheduler and steps, alike in all else. A rival *costs no more* where its
upper price bound is not above the cell's lower one. It *may* cost no more where its lower bound is
not above the cell's upper one.

- The cell LOSES where a rival that costs no more is proven to be better, by however little.
- It GAINS where it is proven to be better than every rival that may cost no more, and the steps of
  the best of them are swept finely: along its curve one costs less than the cell by a tenth at
  most. Else a cell would gain by steps that nobody took without the cache.
- It is not TOLD APART (OPEN) else.
- It is ALONE where no rival may cost no more: nothing is said.

So a price that is not well known makes gains and losses rarer, never more frequent. Proven is by
one-sided bounds of paired differences at LEVEL split between all pairs that are looked at, those of
all sentences of a run (Bonferroni). With 95 % no statement that is made is false for the noise of
its samples. No margin is asked of either side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from denoisebench.metrics.decide.budget import Price, costs_no_more
from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.front import resolved
from denoisebench.metrics.decide.sequential import Reach
from denoisebench.metrics.estimate import Estimate

GAINS, OPEN, LOSES, ALONE = RANKED = ("gains", "not told apart", "loses", "no plain rival")
NEAR = 0.1  # share of a cell's price by which the dearest rival of a curve may be cheaper


@dataclass(frozen=True, eq=False)
class Priced:
    """A cell by one metric, and what an image of it costs."""

    curve: str  # all but its steps
    estimate: Estimate
    price: Price


@dataclass(frozen=True)
class Standing:
    """What is said of a cell, and the rival that shows it: of a gain the best measured, of a loss
    the best measured that is proven better, else the best measured that is not beaten."""

    verdict: str  # of RANKED
    rival: int | None = None  # place among the rivals; None where it is alone
    gain: Difference | None = None  # the cell over that rival, positive where it is better
    is_coarse: bool = False  # all are beaten, but none of the best's curve costs about as much


def standing(cell: Priced, rivals: Sequence[Priced], *, sign: int, reach: Reach) -> Standing:
    """Where a cell stands to its rivals. sign: 1 where a higher value is better, else -1."""
    near = [i for i, rival in enumerate(rivals) if costs_no_more(rival.price.low, cell.price.high)]
    if not near:
        return Standing(ALONE)
    near.sort(key=lambda i: -sign * rivals[i].estimate.value)
    gains = {i: _gain(cell.estimate, rivals[i].estimate, sign) for i in near}
    proven = {i: resolved(gain, reach) for i, gain in gains.items()}
    sure = [i for i in near if costs_no_more(rivals[i].price.high, cell.price.low)]
    for i in sure:
        if proven[i] < 0:
            return Standing(LOSES, i, gains[i])
    for i in near:
        if proven[i] <= 0:
            return Standing(OPEN, i, gains[i])
    best = near[0]
    is_coarse = all(
        rivals[i].price.value < (1 - NEAR) * cell.price.value
        for i in near
        if rivals[i].curve == rivals[best].curve
    )
    return Standing(OPEN if is_coarse else GAINS, best, gains[best], is_coarse)


def _gain(cell: Estimate, rival: Estimate, sign: int) -> Difference:
    return difference_of(cell, rival) if sign > 0 else difference_of(rival, cell)
