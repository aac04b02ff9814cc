"""How far a bound lies from its estimate: at one look, or at all looks together. NumPy only.

A reach takes the standard error of an estimate and the number of its independent units, and returns
the distance of the one-sided bound. Both reaches are asymptotic: they hold for anything whose error
is that of a mean of influences, see metrics/estimate.py.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

Reach = Callable[[float, int], float]  # (standard error, independent units) -> distance, >= 0
LEVEL = 0.025  # one-sided, as non-inferiority is usually tested: an end of a 95 % interval


def fixed_reach(level: float = LEVEL) -> Reach:
    """The reach of the normal bound, which is wrong with probability `level` at a sample size set
    beforehand."""
    quantile = NormalDist().inv_cdf(1 - level)
    return lambda se, units: quantile * se


def sequential_reach(first: int, level: float = LEVEL) -> Reach:
    """The reach of a bound that holds at all sample sizes together: one may look at each and stop.

    The one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas
    (Annals of Statistics 2024, "Time-uniform central limit theory and asymptotic confidence
    sequences"), with se for the standard error of t units,
        se √( 2 (t r² + 1)/(t r²) · log(1 + √(t r² + 1)/(2 level)) ),
    and r chosen, as there, so that the bound is tightest at `first` units, where most decisions
    fall. It is about half as wide again as the fixed bound.
    """
    twice = -2 * math.log(2 * level)
    rho2 = (twice + math.log(twice + 1)) / first

    def reach(se: float, units: int) -> float:
        growth = units * rho2 + 1
        log = math.log1p(math.sqrt(growth) / (2 * level))
        return se * math.sqrt(2 * growth / (units * rho2) * log)

    return reach
