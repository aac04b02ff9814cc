"""Did it get worse? Losses of a candidate held against margins, many at once. NumPy only.

A loss is how much worse the candidate is than the baseline, positive for worse; its margin is the
loss that does not matter. The loss of a time is that of its logarithm, so that its margin is a
ratio.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.decide.verdicts import (
    PASS,
    UNDECIDED,
    Difference,
    Verdict,
    non_inferiority,
    student,
)

REGRESSION, IMPROVED = "REGRESSION", "IMPROVED"
_POWER = 0.8


@dataclass(frozen=True)
class Loss:
    """One comparison of a family."""

    difference: Difference  # candidate's loss against the baseline
    margin: float  # > 0
    samples: int | None = None  # images behind it, where several make one unit


@dataclass(frozen=True)
class Judgement:
    """What a family's tests say of one comparison."""

    outcome: str  # PASS, REGRESSION, IMPROVED or UNDECIDED
    verdict: Verdict  # of this comparison alone, at LEVEL
    p: float  # that a loss within the margin shows itself so large, adjusted for the family


def judge(losses: Sequence[Loss]) -> list[Judgement]:
    """Judges each loss of a family.

    PASS: the upper bound is below the margin. A candidate passes when all losses do, which takes no
    correction (an intersection-union test: Berger, 1982). REGRESSION: the loss is proven to be
    above the margin. IMPROVED: a gain is proven to be above it. Both are corrected for the number
    of losses by Holm (1979): the probability of any false one is at most LEVEL.
    """
    worse = holm([p_above(loss.difference, loss.margin) for loss in losses])
    better = holm([p_above(opposite(loss.difference), loss.margin) for loss in losses])
    return [_judgement(*of_loss) for of_loss in zip(losses, worse, better, strict=True)]


def _judgement(loss: Loss, worse: float, better: float) -> Judgement:
    verdict = non_inferiority(loss.difference, loss.margin, samples=loss.samples)
    if worse < LEVEL:
        outcome = REGRESSION
    elif verdict.outcome == PASS:
        outcome = IMPROVED if better < LEVEL else PASS
    else:
        outcome = UNDECIDED
    return Judgement(outcome, verdict, worse)


def opposite(difference: Difference) -> Difference:
    return replace(difference, value=-difference.value)


def p_above(difference: Difference, margin: float) -> float:
    """One-sided p of a difference that is in truth no more than the margin.

    By Student's distribution where the error has few degrees of freedom: tests of a family need its
    far tail."""
    gap, se = difference.value - margin, difference.se
    if math.isnan(gap) or math.isnan(se):
        return 1.0
    if se == 0:
        return 0.0 if gap > 0 else 1.0
    return student.upper_tail(gap / se, difference.freedom)


def holm(ps: Sequence[float]) -> list[float]:
    """p values adjusted for a whole family (Holm, 1979, "A simple sequentially rejective multiple
    test procedure"): one is below a level where the step-down test at that level rejects."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = highest
    return adjusted


def smallest_detectable(se: float, samples: int, planned: int) -> float:
    """The smallest difference that `planned` samples would find with 80 % power at LEVEL; se is the
    standard error of a paired difference of `samples`."""
    reach = NormalDist().inv_cdf(1 - LEVEL) + NormalDist().inv_cdf(_POWER)
    return reach * se * math.sqrt(samples / planned)
