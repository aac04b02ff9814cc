"""Which cells are not beaten on both cost and quality, drawn and in a table."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from denoisebench.bench.records.names import describe
from denoisebench.reports.formats import duration, number, places_of, plus_minus
from denoisebench.reports.rows.frame import records


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


def front_lines(points: pd.DataFrame, direction: int) -> list[dict[str, Any]]:
    """Texts of a table of the front, from cheap to dear: what each cell buys beyond the one before.

    points of with_front; direction as there.
    """
    lines: list[dict[str, Any]] = []
    for panel, group in points[points["front"]].groupby("panel", sort=False):
        front = records(group.sort_values("latency_p50_s"))
        gains = ["", *(_bought(a, b, direction) for a, b in pairwise(front))]
        lines += [
            {
                "panel": panel,
                "setting": describe(cell, ("scheduler", "steps")),
                "value": plus_minus(cell["value"], cell["se"]),
                "latency": duration(cell["latency_p50_s"]),
                "gain": gain,
            }
            for cell, gain in zip(front, gains, strict=True)
        ]
    return lines


def _bought(before: Mapping[Any, Any], after: Mapping[Any, Any], direction: int) -> str:
    """`0.31 better for 12 ms more`"""
    gain = direction * (after["value"] - before["value"])
    extra = after["latency_p50_s"] - before["latency_p50_s"]
    return f"{number(gain, places_of(after['se']))} better for {duration(extra)} more"
