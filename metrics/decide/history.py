"""Where a series of packs took a step. NumPy only.

Estimates of one cell, oldest first, of the same samples: what changed between two is known far
better than either.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from denoisebench.metrics.decide.regression import opposite, p_above
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.speed import BETWEEN_FREEDOM, Processes, slowdown
from denoisebench.metrics.decide.verdicts import Difference
from denoisebench.metrics.estimate import Estimate, paired_difference


@dataclass(frozen=True)
class Step:
    """A change of level that lasts."""

    at: int  # place in the series of the first estimate of the new level
    change: Difference  # mean after less mean before, up to the next steps
    p: float  # of no more than the margin, adjusted for the places it was looked for


Contrast = Callable[[range, range], Difference]  # mean at later places less that at earlier ones


def steps(series: Sequence[Estimate], margin: float, level: float = LEVEL) -> list[Step]:
    """All steps of a metric that are proven larger than the margin, in order."""

    def contrast(later: range, earlier: range) -> Difference:
        after, before = (_mean([series[i] for i in places]) for places in (later, earlier))
        found = paired_difference(after, before)
        units = len(found.units)
        return Difference(found.value, found.se, units, freedom=max(1, units - 1))

    return _steps(len(series), contrast, margin, level)


def steps_of_times(
    series: Sequence[Processes],
    margin: float,
    level: float = LEVEL,
    known_freedom: int = BETWEEN_FREEDOM,
) -> list[Step]:
    """The same of times, each of some processes: changes and margin are those of the logarithm.
    known_freedom: see metrics/decide/speed.py."""

    def contrast(later: range, earlier: range) -> Difference:
        after, before = ([t for i in places for t in series[i]] for places in (later, earlier))
        return slowdown(after, before, known_freedom=known_freedom)

    return _steps(len(series), contrast, margin, level)


def _steps(count: int, contrast: Contrast, margin: float, level: float) -> list[Step]:
    """Binary segmentation (Scott & Knott, 1974): the place that parts a stretch best is a step when
    its contrast stands Bonferroni's correction for all places and both directions; both sides are
    searched on."""
    found = _segmented(range(count), contrast, margin, level)
    return sorted(found, key=lambda step: step.at)


def _segmented(stretch: range, contrast: Contrast, margin: float, level: float) -> Iterator[Step]:
    places = stretch[1:]
    if not places:
        return
    found = [contrast(range(i, stretch.stop), range(stretch.start, i)) for i in places]
    changes = [opposite(each) if each.value < 0 else each for each in found]
    ps = [min(1.0, 2 * len(places) * p_above(change, margin)) for change in changes]
    best = min(range(len(ps)), key=lambda i: (ps[i], -abs(found[i].value)))
    if ps[best] >= level:
        return
    at = places[best]
    yield Step(at, found[best], ps[best])
    yield from _segmented(range(stretch.start, at), contrast, margin, level)
    yield from _segmented(range(at, stretch.stop), contrast, margin, level)


def _mean(series: Sequence[Estimate]) -> Estimate:
    """Of estimates of the same samples."""
    total = reduce(_sum, series)
    return Estimate(total.value / len(series), total.influence / len(series), total.clusters)


def _sum(a: Estimate, b: Estimate) -> Estimate:
    minus = Estimate(-b.value, -b.influence, b.clusters)
    return paired_difference(a, minus)
