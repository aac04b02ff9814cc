"""How many more units would probably decide whether a loss lies below its margin? NumPy only.

The estimate that was made is itself uncertain: of losses that are still undecided many lie nearer
to their margin than they seem to. So the number is the smallest at which both hold:

- were the loss exactly as estimated, its bound would come off the margin with POWER;
- on average over all that the loss may be, by the estimate and its error, it would be decided with
  POWER. The new estimate is that of today and fresh units together, so it is normal about today's
  with the variance that the fresh ones will take off ("assurance": O'Hagan, Stevens & Campbell,
  2005; with a flat prior).

Where it would take more than PRACTICAL times the units there are, the loss lies too near its
margin: it cannot be decided in practice. How often following the number decides, and how often it
is not to be had, is measured by benchmarks/following.py, see docs/statistics.md.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.sequential import Reach
from denoisebench.metrics.decide.shape import FEWEST
from denoisebench.metrics.estimate import students_quantile

POWER = 0.8  # with which a number that is told in advance would decide
PRACTICAL = 100  # times as many units as there are
_FEW = 30  # degrees of freedom, up to which Student's quantile is taken as it is
_NORMAL = NormalDist()


class Outlook(NamedTuple):
    """What an estimate would be like of so many units, if it were as it is."""

    se: float
    below: float  # distance of its lower bound
    above: float  # distance of its upper bound
    wobble: float = 0.0  # standard deviation of these distances, as the error is an estimate too


def units_to_decide(loss: Difference, margin: float, reach: Reach) -> float:
    """Units at which a loss would probably be decided, those there are among them.

    Infinite where it takes too many in practice; twice those there are where nothing is known."""

    def outlook(units: int) -> Outlook:
        later = loss.grown(units)
        quantile = _quantile(reach(units), later.freedom)
        wobble = later.se * quantile / math.sqrt(2 * later.freedom)
        return Outlook(later.se, *later.distances(quantile), wobble)

    least = max(loss.units, FEWEST) if loss.shape else loss.units
    return smallest(loss.value - margin, loss.se, outlook, units=loss.units, least=least)


def smallest(
    gap: float, se: float, outlook: Callable[[int], Outlook], *, units: int, least: int
) -> float:
    """The smallest number of units, from least on, at which a gap to the margin would probably be
    decided; to one part in a hundred.

    se: of the gap today, of so many units."""
    if not (math.isfinite(gap) and math.isfinite(se)):
        return max(least, 2 * units)

    def is_likely(planned: int) -> bool:
        error = se * math.sqrt(1 - units / planned)
        return _decides(gap, error, outlook(planned))

    low, high = least - 1, max(least, PRACTICAL * units)
    if not is_likely(high):
        return math.inf
    while high - low > max(1, low // 100):
        middle = round(math.sqrt(low * high)) if low else (low + high) // 2
        middle = min(max(middle, low + 1), high - 1)
        low, high = (low, middle) if is_likely(middle) else (middle, high)
    return high


def _decides(gap: float, error: float, then: Outlook) -> bool:
    """error: standard deviation of the change of the estimate until then."""
    towards = then.below if gap > 0 else then.above
    if abs(gap) - towards < _NORMAL.inv_cdf(POWER) * math.hypot(then.se, then.wobble):
        return False
    error = math.hypot(error, then.wobble)
    if not error:
        return abs(gap) > towards
    above = _NORMAL.cdf((gap - then.below) / error)
    return above + _NORMAL.cdf((-gap - then.above) / error) >= POWER


def _quantile(normal: float, freedom: float) -> float:
    """Student's quantile at the level of one of the normal distribution; of many degrees of freedom
    by the expansion of Cornish & Fisher (Abramowitz & Stegun, 1964, 26.7.5)."""
    if freedom <= _FEW:
        return students_quantile(_NORMAL.cdf(normal), freedom)
    cube = normal**3
    second = 5 * normal**5 + 16 * cube + 3 * normal
    return normal + (cube + normal) / (4 * freedom) + second / (96 * freedom**2)
