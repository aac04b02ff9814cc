"""Did it get worse? Losses of a candidate held against margins, many at once. NumPy only.

A loss is how much worse the candidate is than the baseline, positive for worse, and its margin the
loss that does not matter. Of times it is that of the logarithm, so that a margin is a ratio.
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
    """Each loss of a family.

    PASS: its upper bound is below the margin. A candidate passes when all pass, which takes no
    correction (an intersection-union test: Berger, 1982). REGRESSION: it is proven to be above the
    margin. So many chances to be wrong are corrected for by Holm (1979), and so are those of
    IMPROVED, a gain above the margin: the probability of any false one is at most LEVEL.
    """
    worse = holm([p_above(loss.difference, loss.margin) for loss in losses])
    better = holm([p_above(opposite(loss.difference), loss.margin) for loss in losses])
    return [_judgement(*each) for each in zip(losses, worse, better, strict=True)]


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
    """One-sided, of one that is in truth no more than the margin; by Student's distribution where
    its error has few degrees of freedom: a family asks for its tail."""
    gap, se = difference.value - margin, difference.se
    if math.isnan(gap) or math.isnan(se):
        return 1.0
    if se == 0:
        return 0.0 if gap > 0 else 1.0
    return student.upper_tail(gap / se, difference.freedom)


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted for all of a family (Holm, 1979, "A simple sequentially rejective multiple test
    procedure"): below a level where its step-down test at that level rejects."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = highest
    return adjusted


def smallest_detectable(se: float, samples: int, planned: int) -> float:
    """The difference that `planned` samples find with 80 % power at LEVEL, from the standard error
    of a paired difference of `samples`."""
    reach = NormalDist().inv_cdf(1 - LEVEL) + NormalDist().inv_cdf(_POWER)
    return reach * se * math.sqrt(samples / planned)
