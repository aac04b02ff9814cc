"""How much slower? A ratio of times that were taken in a few processes each. NumPy only.

Each process has its own luck: where its memory lies, what else the machine does meanwhile. All
runs of a process share it, however many there are. So the error is that of processes, not of runs.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from denoisebench.metrics.decide.difference import Difference

# Standard deviation between processes of the logarithm of a calibrated time on a CPU, and the
# degrees of freedom that this knowledge is worth beside what is measured: docs/regression.md
BETWEEN, BETWEEN_FREEDOM = 0.018, 8
FEWEST = 5  # timed runs of which a median has an error

Processes = Sequence[Sequence[float] | np.ndarray]  # of the runs of each: times > 0, or joules
Typical = Callable[[np.ndarray], tuple[float, float]]  # runs of a process -> logarithm and its se


def log_median(times: np.ndarray) -> tuple[float, float]:
    """Logarithm of the median, and its standard error. A run that something else delayed counts for
    little."""
    return float(np.median(np.log(times))), _median_se(np.log(times))


def log_mean(joules: np.ndarray) -> tuple[float, float]:
    """Logarithm of the mean, and its standard error.

    For joules: counters move a few times a second, so a short run shows none, or those of the run
    before as well; only their sum is right."""
    if len(joules) < FEWEST:
        return math.log(np.mean(joules)), math.nan
    error = np.std(joules, ddof=1) / math.sqrt(len(joules))
    return math.log(np.mean(joules)), float(error / np.mean(joules))


def slowdown(
    candidate: Processes,
    baseline: Processes,
    typical: Typical = log_median,
    *,
    known_freedom: int = BETWEEN_FREEDOM,
) -> Difference:
    """Logarithm of the ratio of two times, each the mean of its processes' logarithms.

    The variance between processes is that of both sides, moderated by what is known beforehand
    (Smyth, 2004, "Linear models and empirical Bayes methods"). So even one process of each side has
    an error, and its degrees of freedom are known. known_freedom: 0 for times of which BETWEEN was
    not measured. Units are processes. The error is nan when a process has fewer than five runs, and
    when nothing is known beforehand and each side has one process.
    """
    levels = [[typical(np.asarray(runs)) for runs in side] for side in (candidate, baseline)]
    values = [[value for value, _ in side] for side in levels]
    within = float(np.mean([se**2 for side in levels for _, se in side]))
    seen = sum(float(np.square(np.subtract(side, np.mean(side))).sum()) for side in values)
    value, units = float(np.mean(values[0]) - np.mean(values[1])), min(map(len, values))
    freedom = known_freedom + sum(len(side) - 1 for side in values)
    if not freedom:
        return Difference(value, math.nan, units)
    variance = (known_freedom * (BETWEEN**2 + within) + seen) / freedom
    se = math.sqrt(variance * sum(1 / len(side) for side in values))
    return Difference(value, se, units, freedom=freedom)


def _median_se(values: np.ndarray) -> float:
    """Standard error of a median by the distance of two order statistics, which assumes no shape of
    the distribution (Price & Bonett, 2002, "Distribution-free confidence intervals for difference
    and ratio of medians").

    nan for fewer than FEWEST values: the interval would be a guess.
    """
    n = len(values)
    if n < FEWEST:
        return math.nan
    rank = max(1, round((n + 1) / 2 - math.sqrt(n)))  # of the lower order statistic
    tail = sum(math.comb(n, i) for i in range(rank)) / 2**n  # that the median is below it
    ordered = np.sort(values)
    reach = NormalDist().inv_cdf(1 - tail)
    return float(ordered[n - rank] - ordered[rank - 1]) / (2 * reach)
