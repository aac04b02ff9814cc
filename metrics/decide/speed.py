"""How much slower? A ratio of times that were taken in a few processes each. NumPy only.

Each process has its own luck: where its memory lies, what else the machine does meanwhile. All
runs of a process share it, however many there are. So the error is that of processes, not of runs.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.further import units_to_decide
from denoisebench.metrics.decide.sequential import fixed_reach

# Standard deviation between processes of the logarithm of a calibrated time on a CPU, see
# docs/regression.md. It plans how many to time, and stands for what one process does not show of a
# price at a budget; no verdict of a check rests on it.
BETWEEN = 0.018
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
    candidate: Processes, baseline: Processes, typical: Typical = log_median
) -> Difference:
    """Logarithm of the ratio of two times, each the mean of its processes' logarithms.

    The variance between processes is that of both sides together, as if they differed alike before
    and now, with as many degrees of freedom as there are processes beyond one of each side. Units
    are processes. The error is nan when a process has fewer than five runs, whose typical time is a
    guess, and when each side has one process, which tells nothing of others. Sides that are equal
    to the last bit are the same processes: 0 without error.
    """
    if len(candidate) == len(baseline) and all(map(np.array_equal, candidate, baseline)):
        return Difference(0.0, 0.0, len(baseline))
    levels = [[typical(np.asarray(runs)) for runs in side] for side in (candidate, baseline)]
    values = [[value for value, _ in side] for side in levels]
    value, units = float(np.mean(values[0]) - np.mean(values[1])), min(map(len, values))
    freedom = sum(len(side) - 1 for side in values)
    if not freedom or any(math.isnan(se) for side in levels for _, se in side):
        return Difference(value, math.nan, units)
    squares = sum(float(np.square(np.subtract(side, np.mean(side))).sum()) for side in values)
    se = math.sqrt(squares / freedom * sum(1 / len(side) for side in values))
    return Difference(value, se, units, freedom=freedom)


def processes_to_decide(value: float, margin: float) -> float:
    """Processes of each side that would probably decide, where one of each was timed.

    They are taken to differ by BETWEEN. Infinite where it takes too many in practice.
    value, margin: logarithms."""
    plan = Difference(value, BETWEEN, 2, freedom=2)  # the fewest of which an error is known
    return units_to_decide(plan, margin, fixed_reach())


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
