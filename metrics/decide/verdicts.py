"""Decisions from estimates: two cells compared, losses held against margins. NumPy only.

A loss is how much worse one cell is than another, positive for worse whatever the metric's
direction. A margin is the loss that does not matter, declared before looking.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.sequential import Reach, fixed_reach
from denoisebench.metrics.decide.shape import FEWEST

PASS, FAIL, UNDECIDED = "PASS", "FAIL", "UNDECIDED"
NO_PLATEAU = "NO-PLATEAU"
UNTESTED = "UNTESTED"  # below the first of a sequence that did not pass
POWER = 0.8  # with which a number of samples that is told in advance would decide


@dataclass(frozen=True)
class Verdict:
    """A loss held against a margin."""

    outcome: str  # PASS: below the margin; FAIL: above it; UNDECIDED: the interval holds it
    loss: float
    low: float  # the bounds of the loss
    high: float
    margin: float
    further: int = 0  # samples that would probably decide, beyond those there are; 0 if decided

    def in_margins(self, loss: float) -> float:
        """A loss, or a bound of one, as a multiple of the margin; infinite for a margin of 0."""
        return loss / self.margin if self.margin else math.copysign(math.inf, loss) if loss else 0.0


def non_inferiority(
    loss: Difference, margin: float, reach: Reach | None = None, *, samples: int | None = None
) -> Verdict:
    """Whether a loss is proven to be below a margin, or above it, by one-sided bounds.

    A loss that is not significant proves nothing: its upper bound has to be below the margin
    (Wellek, 2010). samples: the images behind the loss where several make one unit; by default its
    units. The number of further samples has 80 % power if loss and variance are as estimated.
    """
    level = NormalDist().cdf(-(reach or fixed_reach())(loss.units))
    low, high = loss.bounds(level)
    return non_inferiority_by_bounds(loss, margin, (low, high), samples=samples)


def non_inferiority_by_bounds(
    loss: Difference, margin: float, bounds: tuple[float, float], *, samples: int | None = None
) -> Verdict:
    """The same by one-sided bounds of another test, which may lie unevenly about the loss."""
    low, high = bounds
    distance = high - loss.value if loss.value < margin else loss.value - low
    return _held_against(margin, loss, bounds, distance=distance, samples=samples)


def _held_against(
    margin: float,
    loss: Difference,
    bounds: tuple[float, float],
    *,
    distance: float,
    samples: int | None,
) -> Verdict:
    """distance: from the loss to the bound on the side of the margin."""
    low, high = bounds
    if loss.is_few:
        return Verdict(UNDECIDED, loss.value, low, high, margin, _until_enough(loss, samples))
    if high < margin or high == low <= margin:  # equal to the last bit is within any margin
        return Verdict(PASS, loss.value, low, high, margin)
    if low > margin:
        return Verdict(FAIL, loss.value, low, high, margin)
    gap = loss.value - margin
    further = _further(gap, loss.se, distance, samples=samples or loss.units)
    return Verdict(UNDECIDED, loss.value, low, high, margin, further)


def _until_enough(loss: Difference, samples: int | None) -> int:
    """Samples still missing to the fewest units that decide; units grow with samples."""
    a_unit = (samples or loss.units) / loss.units
    return math.ceil(a_unit * (FEWEST - loss.units))


def _further(gap: float, se: float, distance: float, *, samples: int) -> int:
    """Samples still missing until a bound comes within `gap` with POWER; at least one."""
    if not (gap and math.isfinite(gap) and math.isfinite(distance)):
        return samples  # nothing is known of it: twice as many
    factor = (distance + NormalDist().inv_cdf(POWER) * se) / abs(gap)
    return max(1, math.ceil(samples * (factor**2 - 1)))


def all_of(verdicts: Sequence[Verdict]) -> str:
    """The outcome of a cell that has to pass all: an intersection-union test, each at the full
    level (Berger, 1982)."""
    outcomes = {verdict.outcome for verdict in verdicts}
    return FAIL if FAIL in outcomes else UNDECIDED if UNDECIDED in outcomes else PASS


def fixed_sequence(outcomes: Sequence[str]) -> list[str]:
    """Outcomes tested one after the other until one does not pass; the rest is UNTESTED.

    In an order fixed beforehand, each is tested at the full level (Maurer, Hothorn & Lehmacher,
    1995)."""
    stops = (i for i, outcome in enumerate(outcomes) if outcome != PASS)
    tested = next(stops, len(outcomes) - 1) + 1
    return [*outcomes[:tested], *[UNTESTED] * (len(outcomes) - tested)]


@dataclass(frozen=True)
class Plateau:
    """Where a curve is flat, from the outcomes of its step counts."""

    outcome: str  # PASS, UNDECIDED or NO_PLATEAU
    steps: int  # the smallest step count that passed; without one the largest of the curve
    outcomes: dict[int, str]  # by step count, of those below the largest


def plateau(largest: int, outcomes: Mapping[int, str]) -> Plateau:
    """Where a curve is flat, tested from many steps down.

    outcomes: by smaller step count, what became of its losses against the largest step count. The
    curve has a plateau when the next smaller step count passes. When that one fails, the largest
    may not have converged, and there is no plateau.
    """
    order = sorted(outcomes, reverse=True)
    tested = fixed_sequence([outcomes[steps] for steps in order])
    in_sequence = dict(zip(order, tested, strict=True))
    passed = [steps for steps in order if in_sequence[steps] == PASS]
    if passed:
        return Plateau(PASS, passed[-1], in_sequence)
    first = tested[0] if tested else UNDECIDED  # a single step count shows no plateau
    return Plateau(NO_PLATEAU if first == FAIL else UNDECIDED, largest, in_sequence)
