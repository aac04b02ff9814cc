"""Where a series of packs took a step. NumPy only.

Estimates of one cell, oldest first, of the same samples: what changed between two is known far
better than either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from metrics.decide import Difference
from metrics.estimate import Estimate, paired_difference
from metrics.regression import p_above
from metrics.sequential import LEVEL


@dataclass(frozen=True)
class Step:
    """A change of level that lasts."""

    at: int  # place in the series of the first estimate of the new level
    change: Difference  # mean after less mean before, up to the next steps
    p: float  # of no more than the margin, adjusted for the places it was looked for


def steps(series: Sequence[Estimate], margin: float, level: float = LEVEL) -> list[Step]:
    """All steps that are proven larger than the margin, in order.

    Binary segmentation (Scott & Knott, 1974): the place that parts a stretch best is a step when
    its contrast stands Bonferroni's correction for all places and both directions; both sides are
    searched on.
    """
    return sorted(_segmented(series, 0, margin, level), key=lambda step: step.at)


def _segmented(
    series: Sequence[Estimate], first: int, margin: float, level: float
) -> Iterator[Step]:
    places = range(1, len(series))
    if not places:
        return
    contrasts = [paired_difference(_mean(series[i:]), _mean(series[:i])) for i in places]
    found = [Difference(each.value, each.se, len(each.units)) for each in contrasts]
    ps = [min(1.0, 2 * len(places) * p_above(abs(each.value), margin, each.se)) for each in found]
    best = min(range(len(ps)), key=lambda i: (ps[i], -abs(found[i].value)))
    if ps[best] >= level:
        return
    at = places[best]
    yield Step(first + at, found[best], ps[best])
    yield from _segmented(series[:at], first, margin, level)
    yield from _segmented(series[at:], first + at, margin, level)


def _mean(series: Sequence[Estimate]) -> Estimate:
    """Of estimates of the same samples."""
    total = reduce(_sum, series)
    return Estimate(total.value / len(series), total.influence / len(series), total.clusters)


def _sum(a: Estimate, b: Estimate) -> Estimate:
    minus = Estimate(-b.value, -b.influence, b.clusters)
    return paired_difference(a, minus)
