"""Statements put to the test: that estimates lie above or below thresholds. NumPy only.

The threshold and the side are declared before looking. A statement is supported when its interval
lies wholly on its own side of the threshold, refuted when wholly on the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from denoisebench.metrics.decide.difference import difference_from
from denoisebench.metrics.decide.sequential import LEVEL, Reach, fixed_reach
from denoisebench.metrics.decide.verdicts import FAIL, PASS, non_inferiority
from denoisebench.metrics.estimate import Estimate, paired_difference

SUPPORTED, REFUTED, UNDECIDED = "supported", "refuted", "undecided"
DEPENDS = "depends"  # on the case: supported in one and refuted in another


@dataclass(frozen=True, eq=False)
class Assertion:
    """An estimate is said to lie above a threshold, or below it."""

    estimate: Estimate
    above: bool
    threshold: float = 0.0


@dataclass(frozen=True)
class Held:
    """An assertion held against what was measured."""

    verdict: str
    value: float
    low: float  # the bounds that decide; one of them may be of a stricter level than the other
    high: float
    # Samples that would probably decide, beyond those there are; 0 if decided, infinite if it takes
    # too many in practice.
    further: float


def hold(assertion: Assertion, support: Reach, refute: Reach) -> Held:
    """The assertion held against its estimate; each side has a reach of its bound."""
    estimate, side = assertion.estimate, -1 if assertion.above else 1
    difference = difference_from(estimate)
    loss = difference.opposite if assertion.above else difference
    margin, samples = side * assertion.threshold, estimate.samples
    yes = non_inferiority(loss, margin, support, samples=samples)
    no = non_inferiority(loss, margin, refute, samples=samples)
    low, high = sorted((side * no.low, side * yes.high))
    if yes.outcome == PASS:
        return Held(SUPPORTED, estimate.value, low, high, 0)
    if no.outcome == FAIL:
        return Held(REFUTED, estimate.value, low, high, 0)
    further = yes.further if loss.value < margin else no.further
    return Held(UNDECIDED, estimate.value, low, high, max(1, further))


def hold_all(assertions: Sequence[Assertion], level: float = LEVEL) -> tuple[str, list[Held]]:
    """The verdict on a statement that asserts all of them, and on each assertion.

    It is supported when all are, as an intersection-union test at the full level of each (Berger,
    1982). It is refuted when one is; for that the level is split between them (Bonferroni).
    """
    verdict, points = hold_points([[assertion] for assertion in assertions], level)
    return verdict, [held for (held,) in points]


def hold_points(
    points: Sequence[Sequence[Assertion]], level: float = LEVEL
) -> tuple[str, list[list[Held]]]:
    """The verdict on a statement of several points, each told by one reader or by several.

    As `hold_all`, where a point is supported when all its readers support it, and refuted when all
    refute it: of those the full level holds for each. Readers that disagree decide nothing.
    """
    support, refute = fixed_reach(level), fixed_reach(level / len(points))
    held = [[hold(reading, support, refute) for reading in point] for point in points]
    return strictest([agreed([reading.verdict for reading in point]) for point in held]), held


def strictest(verdicts: Sequence[str]) -> str:
    """The verdict on all points together: refuted before undecided before supported."""
    return next(v for v in (REFUTED, UNDECIDED, SUPPORTED) if v in verdicts)


def agreed(verdicts: Sequence[str]) -> str:
    """The verdict of all; undecided where they differ."""
    return verdicts[0] if len({*verdicts}) == 1 else UNDECIDED


def over_cases(verdicts: Sequence[str]) -> str:
    """The verdict on a statement that was tested in several cases, such as under two grids.

    It depends on the case when it is supported in one and refuted in another. With a level of
    LEVEL / cases in each, none of the three verdicts is wrong with a probability above LEVEL: that
    all hold, that none does, and that they differ.
    """
    return DEPENDS if {SUPPORTED, REFUTED} <= {*verdicts} else agreed(verdicts)


def combined(*terms: tuple[float, Estimate]) -> Estimate:
    """The sum of weight times estimate, of cells that share prompts and noise.

    Raises ValueError when samples cannot be paired, see paired_difference.
    """
    (weight, first), *rest = terms
    total = _scaled(first, weight)
    for weight, estimate in rest:
        total = paired_difference(total, _scaled(estimate, -weight))
    return total


def unevenness(levels: Sequence[Estimate]) -> Estimate:
    """Mean square of levels [K] about their mean, in their unit squared: 0 when all are the same.

    The square of a deviation is too high by the variance of its error. This variance is taken off,
    so that noisy levels do not look uneven. The influence is first order (the delta method): twice
    the mean over levels of the deviation times the sample's influence on it.
    """
    share = 1 / len(levels)
    deviations = [
        combined((1.0, level), *((-share, other) for other in levels)) for level in levels
    ]
    excess = sum(deviation.value**2 - deviation.se**2 for deviation in deviations) * share
    slope = combined(*((2 * share * deviation.value, deviation) for deviation in deviations))
    return Estimate(excess, slope.influence, slope.clusters)


def share_of_the_way(start: Estimate, reached: Estimate, end: float = 1.0) -> Estimate:
    """(reached - start) / (end - start): 0 at the start, 1 at the end. First order."""
    way, left = end - start.value, end - reached.value
    slope = combined((1 / way, reached), (-left / way**2, start))
    return Estimate(1 - left / way, slope.influence, slope.clusters)


def _scaled(estimate: Estimate, weight: float) -> Estimate:
    nested = {samples: _scaled(smaller, weight) for samples, smaller in estimate.nested.items()}
    value, influence = weight * estimate.value, weight * estimate.influence
    left = weight * estimate.left
    return replace(estimate, value=value, influence=influence, nested=nested, left=left)
