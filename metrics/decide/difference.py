"""One cell less another, with bounds that hold for few, skewed and tied units. NumPy only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from denoisebench.metrics.decide.repeats import goes_round
from denoisebench.metrics.decide.shape import FEWEST, Shape, shape_of
from denoisebench.metrics.estimate import (
    ROUNDED,
    Estimate,
    are_bound,
    are_equal,
    paired_difference,
    students_quantile,
    students_tail,
)

_BEYOND = 1e6  # standard errors: no p is told from 0


@dataclass(frozen=True)
class Difference:
    """a - b of two estimates."""

    value: float
    se: float
    units: int  # independent ones: samples, or clusters of them
    unpaired: str = ""  # why samples could not be paired; empty when they were
    samples: int = 0  # images behind it, of the side that has fewer
    freedom: float = math.inf  # degrees of freedom of the error, where they are few
    shape: Shape | None = None  # of the units, where the error was estimated from them
    left: float = 0.0  # how far it may be biased, to either side: bounds lie so much farther
    goes_round: bool = False  # its samples go round their prompts: more of them are no more units

    @property
    def is_few(self) -> bool:
        """Whether there are too few units for bounds that hold whatever their distribution."""
        return self.shape is not None and self.units < FEWEST

    @property
    def opposite(self) -> "Difference":
        """b - a."""
        mirrored = self.shape and self.shape.mirrored
        return replace(self, value=-self.value, shape=mirrored)

    def grown(self, units: int) -> "Difference":
        """The difference as it would be of more units, were all else as it is."""
        factor = units / self.units
        gained = self.freedom / max(1, self.units - 1) if math.isfinite(self.freedom) else 0.0
        return replace(
            self,
            se=self.se / math.sqrt(factor),
            units=units,
            freedom=self.freedom + gained * (units - self.units),
            left=self.left / factor,
            shape=self.shape and self.shape.grown(factor),
        )

    def bounds(self, level: float) -> tuple[float, float]:
        """The lower and the upper bound, each missed with a probability of about `level`."""
        below, above = self.distances(students_quantile(1 - level, self.freedom))
        return self.value - below, self.value + above

    def distances(self, multiple: float) -> tuple[float, float]:
        """Distances of the lower and of the upper bound; multiple: of the standard error, as for
        normal units."""
        if self.shape is None:
            below = above = multiple * self.se
        else:
            below, above = self.shape.distances(self.se, multiple)
        return below + self.left, above + self.left

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval: the bounds of either side."""
        return self.bounds((1 - level) / 2)

    def tail(self, threshold: float) -> float:
        """One-sided p of a difference that is in truth no more than a threshold: the level at which
        the lower bound is there. nan with an unknown standard error."""
        gap = self.value - threshold
        if math.isnan(gap) or math.isnan(self.se):
            return math.nan
        if gap < 0:
            return 1 - self.opposite.tail(-threshold)
        return students_tail(self._multiple_of(gap), self.freedom)

    def _multiple_of(self, gap: float) -> float:
        """The multiple of the standard error whose lower bound lies a gap >= 0 below the value."""
        if gap <= self.left:
            return 0.0
        if self.shape is None:
            return (gap - self.left) / self.se if self.se else math.inf
        low, high = 0.0, 1.0
        while self.distances(high)[0] < gap:
            low, high = high, 2 * high
            if high > _BEYOND:
                return math.inf
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.distances(middle)[0] < gap else (low, middle)
        return low

    @property
    def p(self) -> float:
        """Two-sided p of no difference: nan with an unknown standard error, 1 for equal cells."""
        above = self.tail(0.0)
        return 1.0 if self.value == 0 else 2 * min(above, 1 - above)


def difference_of(
    a: Estimate, b: Estimate, unpaired: str = "", *, of_equal_images: bool = False
) -> Difference:
    """a - b of one metric.

    Samples are paired unless `unpaired` says why they do not match, or their clusters show that
    they do not: then the errors add as independent ones. of_equal_images: whether equal samples are
    known to be no matter of chance."""
    samples = min(a.samples, b.samples)
    if are_bound(a, b) or (of_equal_images and are_equal(a, b)):
        return Difference(a.value - b.value, 0.0, len(a.units), samples=samples)
    if not unpaired:
        try:
            return difference_from(paired_difference(a, b), _farthest(a, b))
        except ValueError as error:
            unpaired = str(error)
    return _unpaired(a, b, unpaired)


def difference_from(estimate: Estimate, farthest: float | None = None) -> Difference:
    """A difference that is known as one estimate.

    farthest: how far two of its samples can lie apart; by default as far as those seen."""
    units, se = estimate.units, math.nan if math.isnan(estimate.left) else estimate.se
    spread = float(np.ptp(estimate.influence)) or math.inf
    farthest = spread if farthest is None else farthest
    return Difference(
        estimate.value,
        se,
        len(units),
        samples=estimate.samples,
        freedom=max(1, len(units) - 1),
        shape=shape_of(units, farthest, ROUNDED * farthest),
        left=_known(estimate.left),
        goes_round=goes_round(estimate.clusters),
    )


def _farthest(a: Estimate, b: Estimate) -> float:
    """How far apart samples of either lie. Where all are equal, as if all that is right could also
    be wrong: the value; infinite where it is 0."""
    spread = max(float(np.ptp(estimate.influence)) for estimate in (a, b))
    return spread or abs(a.value) or math.inf


def _unpaired(a: Estimate, b: Estimate, reason: str) -> Difference:
    """The difference of independent estimates, with the degrees of freedom of Welch (1947) and
    Satterthwaite."""
    sides = [difference_from(estimate, _farthest(a, b)) for estimate in (a, b)]
    squares = [side.se**2 for side in sides]
    se = math.sqrt(sum(squares))
    weights = [square**2 / side.freedom for square, side in zip(squares, sides, strict=True)]
    freedom = se**4 / sum(weights) if sum(weights) > 0 else min(side.freedom for side in sides)
    return Difference(
        a.value - b.value,
        se,
        min(side.units for side in sides),
        reason,
        samples=min(a.samples, b.samples),
        freedom=freedom if math.isnan(freedom) else max(1, math.floor(freedom)),
        shape=_joined(sides, se),
        left=_known(a.left - b.left),
        goes_round=any(side.goes_round for side in sides),
    )


def _known(left: float) -> float:
    """A bias that may be left; 0 where it is unknown, and with it the error."""
    return abs(left) if math.isfinite(left) else 0.0


def _joined(sides: Sequence[Difference], se: float) -> Shape:
    """The shape of the first less the second, which are independent: third moments add."""
    (a, one), (b, two) = ((side, side.shape or Shape(side.units, 0.0)) for side in sides)
    third = one.lean * a.se**3 - two.lean * b.se**3
    ties = (*one.ties, *two.mirrored.ties)
    return Shape(min(a.units, b.units), third / se**3 if se > 0 else 0.0, ties)
