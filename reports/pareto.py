"""Which cells are not beaten on both cost and quality. NumPy only."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def pareto_mask(cost: ArrayLike, loss: ArrayLike) -> np.ndarray:
    """Boolean [N]: no other point is at most as high in both and lower in one.

    cost and loss are [N], lower is better. Points that are nan in either are never on the front.
    """
    cost, loss = np.asarray(cost, float), np.asarray(loss, float)
    known = np.isfinite(cost) & np.isfinite(loss)
    order = np.lexsort([loss, cost])
    mask = np.zeros(len(cost), bool)
    best, best_cost = np.inf, np.nan
    for i in order[known[order]]:
        twin = loss[i] == best and cost[i] == best_cost
        if loss[i] < best or twin:
            mask[i] = True
            best, best_cost = loss[i], cost[i]
    return mask


def with_front(points: pd.DataFrame, direction: int) -> pd.DataFrame:
    """Points (of curves.curve_points) with a latency, and `front`: on their panel's front or not.

    direction is curves.sign of the metric.
    """
    timed = points[np.isfinite(points["latency_p50_s"].astype(float))]
    front = pd.Series(False, index=timed.index)
    for _, group in timed.groupby("panel", sort=False):
        front[group.index] = pareto_mask(
            group["latency_p50_s"].to_numpy(), -direction * group["value"].to_numpy()
        )
    return timed.assign(front=front)
