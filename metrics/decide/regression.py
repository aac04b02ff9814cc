"""Did it get worse? Losses of a candidate held against margins, many at once. NumPy only.

A loss is how much worse the candidate is than the baseline, positive for worse; its margin is the
loss that does not matter. The loss of a time is that of its logarithm, so that its margin is a
ratio.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.further import POWER, units_to_decide
from denoisebench.metrics.decide.sequential import LEVEL, fixed_reach
from denoisebench.metrics.decide.share import Share
from denoisebench.metrics.decide.verdicts import (
    PASS,
    UNDECIDED,
    Verdict,
    held,
    outcome_of,
    samples_missing,
)

REGRESSION, IMPROVED = "REGRESSION", "IMPROVED"


@dataclass(frozen=True)
class Loss:
    """One comparison of a family."""

    difference: Difference  # candidate's loss against the baseline
    margin: float  # > 0
    samples: int | None = None  # images behind it, where several make one unit
    share: Share | None = None  # that the loss is, where it has an exact test


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
    p_worse = holm([_p_of_loss(loss) for loss in losses])
    p_better = holm([_p_of_gain(loss) for loss in losses])
    families = zip(losses, p_worse, p_better, strict=True)
    level = LEVEL / max(1, len(losses))
    return [_judgement(loss, worse, better, level=level) for loss, worse, better in families]


def _judgement(loss: Loss, p_worse: float, p_better: float, *, level: float) -> Judgement:
    """level: at which a loss is proven to lie above its margin whatever the others show."""
    verdict = _verdict(loss)
    if p_worse < LEVEL:
        outcome = REGRESSION
    elif verdict.outcome == PASS:
        outcome = IMPROVED if p_better < LEVEL else PASS
    else:
        outcome = UNDECIDED
    if outcome == UNDECIDED:
        is_worse = loss.difference.value > loss.margin
        verdict = replace(verdict, further=_further(loss, level if is_worse else LEVEL))
    return Judgement(outcome, verdict, p_worse)


def _verdict(loss: Loss) -> Verdict:
    if loss.share is None:
        return held(loss.difference, loss.margin, fixed_reach())
    bounds = loss.share.bounds()
    return Verdict(
        outcome_of(bounds, loss.margin), loss.difference.value, *bounds, margin=loss.margin
    )


def _further(loss: Loss, level: float) -> float:
    """Samples that would probably decide, beyond those there are."""
    reach = fixed_reach(level)
    if loss.share is None:
        needed = units_to_decide(loss.difference, loss.margin, reach)
    else:
        needed = loss.share.samples_to_decide(loss.margin, reach)
    return samples_missing(needed, loss.difference, loss.samples)


def _p_of_loss(loss: Loss) -> float:
    if loss.share is not None:
        return loss.share.p_above(loss.margin)
    return p_above(loss.difference, loss.margin)


def _p_of_gain(loss: Loss) -> float:
    """One-sided, of a gain that is in truth no more than the margin. An exact test has none: it is
    of a share, which cannot be less than nothing."""
    if loss.share is not None:
        return 1.0
    return p_above(loss.difference.opposite, loss.margin)


def p_above(difference: Difference, margin: float) -> float:
    """One-sided p of a difference that is in truth no more than the margin; 1 where too little is
    known to tell."""
    p = difference.tail(margin)
    return 1.0 if math.isnan(p) or difference.is_few else p


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
    """The difference that `planned` samples find with POWER at LEVEL.

    se: the standard error of a paired difference of so many `samples`.
    """
    reach = NormalDist().inv_cdf(1 - LEVEL) + NormalDist().inv_cdf(POWER)
    return reach * se * math.sqrt(samples / planned)
