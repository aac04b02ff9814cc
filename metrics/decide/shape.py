"""How far a bound of a mean lies where its units are few, skewed or mostly equal. NumPy only.

Student's bound is right for normal units. Losses are not normal: a few prompts lose much, or a few
images of a hundred change at all, and then the samples that look best are those that missed them.
Three corrections follow, each of which can only widen a bound:

- Skewness bends the bound by the transformation of Hall (1992, "On the removal of skewness by
  transformation"). Few units show less skewness than there is, so it counts for LEAN times what is
  seen.
- Where at least half of all units are equal, the shares of those above and below bound the mean:
  Wilson's (1927) bounds of two shares, put together as Newcombe's (1998, "Improved confidence
  intervals for the difference between binomial proportions based on paired data"). So a change
  that was never seen is not taken for one that never happens.
- All bounds of n units lie 1 + CAUTION / n times as far.

Measured by benchmarks/false_passes.py at the level of 2.5 %, a loss that lies on its margin passes
in at most so many cases of the worst distribution, see docs/statistics.md:

    units    32     48     64     128    256    512    2048
    passes   2.1 %  2.7 %  2.0 %  2.2 %  2.2 %  2.6 %  2.6 %
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

FEWEST = 32  # independent units, below which nothing is decided
TOO_FEW = f"a mean over fewer than {FEWEST} decides nothing"
LEAN = 1.5
LEAST_LEAN = 1e-6  # below, the transformation has lost its digits, and bends nothing
CAUTION = 12  # units


@dataclass(frozen=True)
class Part:
    """The units on one side of the value that at least half of all units have."""

    count: float
    size: (
        float  # how far they lie from it: root mean square; the farthest possible if there is none
    )


@dataclass(frozen=True)
class Ties:
    """Units of which at least half are equal."""

    units: float
    below: Part
    above: Part

    @property
    def mirrored(self) -> "Ties":
        return Ties(self.units, self.above, self.below)

    def grown(self, factor: float) -> "Ties":
        """The same shares of so many times as many units."""
        sides = (replace(side, count=factor * side.count) for side in (self.below, self.above))
        return Ties(factor * self.units, *sides)

    def distance(self, multiple: float) -> float:
        """Distance of the upper bound from the mean."""
        n, above, below = self.units, self.above.count / self.units, self.below.count / self.units
        return math.hypot(
            self.above.size * (wilson(above, n, multiple) - above),
            self.below.size * (below - wilson(below, n, -multiple)) if below else 0.0,
        )


def wilson(share: float, n: float, multiple: float) -> float:
    """The bound of a share of n, the upper one for a multiple above 0."""
    square = multiple**2
    half = multiple * math.sqrt(share * (1 - share) / n + square / (4 * n**2))
    return (share + square / (2 * n) + half) / (1 + square / n)


@dataclass(frozen=True)
class Shape:
    """What bounds of a mean need to know of its units, beside its standard error."""

    units: int
    lean: float  # skewness of the mean: that of a unit over the square root of their number
    ties: tuple[Ties, ...] = ()  # of each set of units that goes into it and has any

    @property
    def mirrored(self) -> "Shape":
        return replace(self, lean=-self.lean, ties=tuple(ties.mirrored for ties in self.ties))

    def grown(self, factor: float) -> "Shape":
        """That of a mean of so many times as many units."""
        ties = tuple(ties.grown(factor) for ties in self.ties)
        return Shape(round(factor * self.units), self.lean / math.sqrt(factor), ties)

    def distances(self, se: float, multiple: float) -> tuple[float, float]:
        """Distances of the lower and of the upper bound from the mean.

        multiple: of the standard error, as for normal units."""
        multiple *= 1 + CAUTION / max(1, self.units)
        return self.mirrored._upper(se, multiple), self._upper(se, multiple)

    def _upper(self, se: float, multiple: float) -> float:
        shares = math.hypot(*(ties.distance(multiple) for ties in self.ties))
        return max(se * _bent(multiple, LEAN * self.lean), shares)


def _bent(multiple: float, lean: float) -> float:
    """The multiple of the standard error at which Hall's transformation has the upper bound; that
    of normal units where it would be nearer."""
    if abs(lean) < LEAST_LEAN:
        return multiple
    return max(multiple, float(hall(multiple, lean)))


def hall(multiple: float, lean: Any) -> Any:
    """The multiple at which the transformation has the upper bound, for a skewness of the mean, or
    for an array of them; not defined at 0."""
    return 3 / lean * (1 - np.cbrt(1 - lean * (multiple + lean / 6)))


def shape_of(units: np.ndarray, farthest: float, rounding: float = 0.0) -> Shape:
    """The shape of a mean's units [n].

    farthest: how far two units can lie apart; infinite where this is unknown. rounding: distance
    within which two units are equal."""
    n = len(units)
    if not n or not np.isfinite(units).all():  # whose standard error is not known either
        return Shape(n, 0.0)
    deviations = units - np.median(units)
    above, below = deviations > rounding, deviations < -rounding
    is_tied = 2 * (above.sum() + below.sum()) <= n
    parts = [_part(deviations[side], farthest) for side in (below, above)] if is_tied else []
    return Shape(n, _skewness(units) / math.sqrt(n), (Ties(n, *parts),) if parts else ())


def _part(deviations: np.ndarray, farthest: float) -> Part:
    if not len(deviations):
        return Part(0, farthest)
    return Part(len(deviations), float(np.sqrt(np.square(deviations).mean())))


def _skewness(units: np.ndarray) -> float:
    """Skewness without its bias under normality in the third moment; 0 for fewer than three."""
    n = len(units)
    spread = float(np.std(units, ddof=1)) if n > 2 else 0.0
    if not spread > 0:
        return 0.0
    third = float((((units - units.mean()) / spread) ** 3).sum())
    return n * third / ((n - 1) * (n - 2))
