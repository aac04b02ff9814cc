"""How much slower? A ratio of times that were taken in a few processes each. NumPy only.

Each process has its own luck: where its memory lies, what else the machine does meanwhile. The runs
of one process share it, however many there are; so the error is that of processes, not of runs.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from metrics.decide import Difference

# Standard deviation of the luck of a process, of the logarithm of a calibrated time, and how many
# degrees of freedom that knowledge is worth beside what is measured: docs/regression.md
BETWEEN, BETWEEN_FREEDOM = 0.018, 8
FEWEST = 5  # timed runs of which a median has an error

Processes = Sequence[Sequence[float] | np.ndarray]  # times > 0 of the runs of each


def slowdown(candidate: Processes, baseline: Processes) -> Difference:
    """Logarithm of the ratio of two times, each the mean of its processes' log medians.

    The variance between processes is that of both sides, moderated by what is known beforehand
    (Smyth, 2004, "Linear models and empirical Bayes methods"), so that one process of each has an
    error too, and of how many degrees of freedom. Units are processes. The error is nan when a
    process has fewer than five runs.
    """
    sides = [[float(np.median(np.log(times))) for times in side] for side in (candidate, baseline)]
    within = np.mean([_median_se(np.log(times)) ** 2 for times in (*candidate, *baseline)])
    seen = sum(float(np.square(np.subtract(side, np.mean(side))).sum()) for side in sides)
    freedom = BETWEEN_FREEDOM + sum(len(side) - 1 for side in sides)
    variance = (BETWEEN_FREEDOM * (BETWEEN**2 + within) + seen) / freedom
    se = math.sqrt(variance * sum(1 / len(side) for side in sides))
    value, units = float(np.mean(sides[0]) - np.mean(sides[1])), min(map(len, sides))
    return Difference(value, se, units, freedom=freedom)


def _median_se(values: np.ndarray) -> float:
    """By the distance of two order statistics, which needs no shape of the distribution (Price &
    Bonett, 2002, "Distribution-free confidence intervals for difference and ratio of medians").

    nan for fewer than FEWEST: the interval would be a guess.
    """
    n = len(values)
    if n < FEWEST:
        return math.nan
    rank = max(1, round((n + 1) / 2 - math.sqrt(n)))  # of the lower order statistic
    tail = sum(math.comb(n, i) for i in range(rank)) / 2**n  # that the median is below it
    ordered = np.sort(values)
    reach = NormalDist().inv_cdf(1 - tail)
    return float(ordered[n - rank] - ordered[rank - 1]) / (2 * reach)
