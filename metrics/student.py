"""Student's distribution of integer degrees of freedom. Standard library only."""

import math
from functools import lru_cache
from statistics import NormalDist


def upper_tail(t: float, freedom: float) -> float:
    """Probability of a value above t; freedom is a whole number, or infinite for the normal.

    A finite series (Abramowitz & Stegun, 1964, 26.7.3 and 26.7.4). Below about 1e-16 it is 0.
    """
    if math.isinf(freedom) or math.isinf(t):
        return NormalDist().cdf(-t)
    within = _within(abs(t), int(freedom)) / 2
    return max(0.0, 0.5 - within) if t > 0 else 0.5 + within


@lru_cache(maxsize=4096)  # cells are compared by the thousand, all at one size and level
def quantile(p: float, freedom: float) -> float:
    """The number that a value is below with probability p, 1/2 <= p < 1."""
    low, high = 0.0, NormalDist().inv_cdf(p)
    if math.isinf(freedom):
        return high
    while upper_tail(high, freedom) > 1 - p:
        low, high = high, 2 * high + 1
    for _ in range(60):  # to the last digits of a float
        middle = (low + high) / 2
        low, high = (middle, high) if upper_tail(middle, freedom) > 1 - p else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """Probability of a value between -t and t."""
    angle = math.atan2(t, math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k - 1) / k
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
