"""Whether a number of each image rises with the number that was asked for."""

import numpy as np

from denoisebench.metrics.estimate import Estimate

_BLOCK = 1024  # samples that are compared with all others at once


def order_estimate(
    values: np.ndarray, targets: np.ndarray, clusters: np.ndarray | None = None
) -> Estimate:
    """The order of values [n] by targets [n], as Somers' D: of pairs that were asked for different
    numbers, the share in the right order less the share in the wrong one (Somers, 1962).

    1 where values rise with every step of what was asked for, 0 as chance. A ratio of two
    U-statistics, whose influence is the first-order part of each sample in it (Hoeffding, 1948).
    Raises ValueError where all were asked for the same.
    """
    right, different = (
        np.concatenate(parts) for parts in zip(*_pairs(values, targets), strict=True)
    )
    if not different.any():
        raise ValueError("an order needs samples that were asked for different numbers")
    order = float(right.sum() / different.sum())
    return Estimate(order, 2 * (right - order * different) / different.mean(), clusters)


def _pairs(values: np.ndarray, targets: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Right less wrong pairs of each sample, and those that differ in what was asked for, as shares
    of all n; in blocks."""
    parts = []
    for start in range(0, len(values), _BLOCK):
        block = slice(start, start + _BLOCK)
        wanted = np.sign(targets[block, None] - targets)
        given = np.sign(values[block, None] - values)
        parts.append(((wanted * given).mean(1), (wanted != 0).mean(1)))
    return parts
