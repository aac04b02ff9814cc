"""How far a bound lies from its estimate: at one look, or at all looks together. NumPy only.

A reach takes the number of independent units behind an estimate and returns the distance of the
one-sided bound in standard errors, for normal units whose error is known. Both reaches are
asymptotic; difference.py widens them where units are few, skewed or tied.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

Reach = Callable[[int], float]  # independent units -> distance in standard errors, >= 0
LEVEL = 0.025  # one-sided, as non-inferiority is usually tested: an end of a 95 % interval


def fixed_reach(level: float = LEVEL) -> Reach:
    """The reach of the normal bound, which is wrong with probability `level` at a sample size set
    beforehand."""
    quantile = NormalDist().inv_cdf(1 - level)
    return lambda units: quantile


def sequential_reach(first: int, level: float = LEVEL) -> Reach:
    """The reach of a bound that holds at all sample sizes together: one may look at each and stop.

    The one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas
    (Annals of Statistics 2024, "Time-uniform central limit theory and asymptotic confidence
    sequences"), in standard errors of t units
        √( 2 (t r² + 1)/(t r²) · log(1 + √(t r² + 1)/(2 level)) ),
    and r chosen, as there, so that the bound is tightest at `first` units, where most decisions
    fall. It is about half as wide again as the fixed bound.
    """
    twice = -2 * math.log(2 * level)
    rho2 = (twice + math.log(twice + 1)) / first

    def reach(units: int) -> float:
        growth = units * rho2 + 1
        log = math.log1p(math.sqrt(growth) / (2 * level))
        return math.sqrt(2 * growth / (units * rho2) * log)

    return reach
