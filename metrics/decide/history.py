"""Where a series of packs took a step. NumPy only.

A series holds the estimates of one cell, oldest first, from the same samples: the difference of two
is known far better than either.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.regression import p_above
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.speed import Processes, slowdown
from denoisebench.metrics.estimate import Estimate, paired_difference


@dataclass(frozen=True)
class Step:
    """A change of level that lasts."""

    at: int  # place in the series of the first estimate of the new level
    change: Difference  # mean after less mean before, up to the next steps
    p: float  # that the change is no more than the margin; adjusted for the places looked at


Contrast = Callable[[range, range], Difference]  # mean at later places less that at earlier ones


def steps(series: Sequence[Estimate], margin: float, level: float = LEVEL) -> list[Step]:
    """All steps of a metric that are proven larger than the margin, in order."""

    def contrast(later: range, earlier: range) -> Difference:
        after, before = (_mean([series[i] for i in places]) for places in (later, earlier))
        return difference_of(after, before)

    return _steps(len(series), contrast, margin, level=level)


def steps_of_times(series: Sequence[Processes], margin: float, level: float = LEVEL) -> list[Step]:
    """All steps of a series of times, each of some processes, in order.

    Changes and margin are those of the logarithm."""

    def contrast(later: range, earlier: range) -> Difference:
        after, before = ([t for i in places for t in series[i]] for places in (later, earlier))
        return slowdown(after, before)

    return _steps(len(series), contrast, margin, level=level)


def _steps(count: int, contrast: Contrast, margin: float, *, level: float) -> list[Step]:
    """Steps by binary segmentation (Scott & Knott, 1974), in order.

    The place that parts a stretch best is a step when its contrast is significant after
    Bonferroni's correction for all places and both directions. Then both sides are searched."""
    return sorted(_segmented(range(count), contrast, margin, level=level), key=lambda step: step.at)


def _segmented(
    stretch: range, contrast: Contrast, margin: float, *, level: float
) -> Iterator[Step]:
    places = stretch[1:]
    if not places:
        return
    changes = [contrast(range(i, stretch.stop), range(stretch.start, i)) for i in places]
    sizes = [change.opposite if change.value < 0 else change for change in changes]
    ps = [min(1.0, 2 * len(places) * p_above(size, margin)) for size in sizes]
    best = min(range(len(ps)), key=lambda i: (ps[i], -abs(changes[i].value)))
    if ps[best] >= level:
        return
    at = places[best]
    yield Step(at, changes[best], ps[best])
    yield from _segmented(range(stretch.start, at), contrast, margin, level=level)
    yield from _segmented(range(at, stretch.stop), contrast, margin, level=level)


def _mean(series: Sequence[Estimate]) -> Estimate:
    """The mean of estimates of the same samples."""
    total = reduce(_sum, series)
    n = len(series)
    return Estimate(total.value / n, total.influence / n, total.clusters, left=total.left / n)


def _sum(a: Estimate, b: Estimate) -> Estimate:
    minus = Estimate(-b.value, -b.influence, b.clusters, left=-b.left)
    return paired_difference(a, minus)
