"""Decisions from estimates: two cells compared, losses held against margins. NumPy only.

A loss is how much worse one cell is than another, positive for worse whatever the metric's
direction. A margin is the loss that does not matter, declared before looking.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.further import units_to_decide
from denoisebench.metrics.decide.sequential import Reach, fixed_reach

PASS, FAIL, UNDECIDED = "PASS", "FAIL", "UNDECIDED"
NO_PLATEAU = "NO-PLATEAU"
UNTESTED = "UNTESTED"  # below the first of a sequence that did not pass


@dataclass(frozen=True)
class Verdict:
    """A loss held against a margin."""

    outcome: str  # PASS: below the margin; FAIL: above it; UNDECIDED: the interval holds it
    loss: float
    low: float  # the bounds of the loss
    high: float
    margin: float
    # Samples that would probably decide, beyond those there are; 0 if decided, infinite if it takes
    # too many in practice, or other prompts.
    further: float = 0
    # Other prompts, or samples where nothing is shared between them, that would probably decide
    # beyond those there are: where there are too few to decide anything, and where further samples
    # repeat them. 0 elsewhere.
    other_units: float = 0

    @property
    def is_open(self) -> bool:
        return self.outcome == UNDECIDED

    def in_margins(self, loss: float) -> float:
        """A loss, or a bound of one, as a multiple of the margin; infinite for a margin of 0."""
        return loss / self.margin if self.margin else math.copysign(math.inf, loss) if loss else 0.0


def non_inferiority(
    loss: Difference, margin: float, reach: Reach | None = None, *, samples: int | None = None
) -> Verdict:
    """Whether a loss is proven to be below a margin, or above it, by one-sided bounds.

    A loss that is not significant proves nothing: its upper bound has to be below the margin
    (Wellek, 2010). samples: the images behind the loss where several make one unit; by default its
    units.
    """
    reach = reach or fixed_reach()
    verdict = held(loss, margin, reach)
    if verdict.outcome != UNDECIDED:
        return verdict
    needed = units_to_decide(loss, margin, reach)
    return replace(
        verdict,
        further=samples_missing(needed, loss, samples),
        other_units=other_units_missing(needed, loss),
    )


def held(loss: Difference, margin: float, reach: Reach) -> Verdict:
    """A loss held against its margin as `non_inferiority` does, without the samples that would
    decide: they take far longer to work out than the bounds."""
    bounds = loss.bounds(NormalDist().cdf(-reach(loss.units)))
    outcome = UNDECIDED if loss.is_few else outcome_of(bounds, margin)
    return Verdict(outcome, loss.value, *bounds, margin)


def outcome_of(bounds: tuple[float, float], margin: float) -> str:
    """PASS, FAIL or UNDECIDED, by one-sided bounds of a loss."""
    low, high = bounds
    if high < margin or high == low <= margin:  # equal to the last bit is within any margin
        return PASS
    return FAIL if low > margin else UNDECIDED


def samples_missing(needed: float, loss: Difference, samples: int | None) -> float:
    """Samples still missing to so many units; 0 for none, else one at least.

    Samples are counted, as many a unit as there are. Infinite where they go round their prompts,
    as more of the same do not make more units."""
    if not needed or math.isinf(needed):
        return needed
    if loss.goes_round:
        return math.inf
    a_unit = (samples or loss.units) / loss.units
    return max(1, math.ceil(a_unit * (needed - loss.units)))


def other_units_missing(needed: float, loss: Difference) -> float:
    """Units still missing to so many where samples of those there are do not bring them; else 0,
    and where it takes too many in practice."""
    if math.isinf(needed) or not (loss.is_few or loss.goes_round):
        return 0
    return max(1, math.ceil(needed - loss.units))


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
