"""Which cells are on the Pareto front of cost and quality: as measured, and proven.

The rule of what is proven is that of metrics/decide/front.py; here it meets the rows of a run.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from denoisebench.bench.records.names import describe
from denoisebench.metrics.decide.choose import Reaches
from denoisebench.metrics.decide.front import front_places, pairs_of
from denoisebench.metrics.decide.sequential import Reach, fixed_reach
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import AMPLE_SAMPLES
from denoisebench.reports.formats import duration, number, plus_minus
from denoisebench.reports.rows.cautions import samples_per_dim, timings_are_even
from denoisebench.reports.rows.curves import better_by, curve_points, sign
from denoisebench.reports.rows.frame import records

SECONDS, NFE = "latency_p50_s", "nfe"
EQUAL_TIMES = 0.05  # share by which two medians may differ and count as equally fast


@dataclass(frozen=True, eq=False)
class Front:
    """The cells of a metric's panels beside their fronts."""

    # Columns of curve_points; front, whether a cell is on its panel's front as measured; verdict,
    # what is proven of it; rival, the row number of the cell that shows it (-1: none).
    points: pd.DataFrame
    cost: str  # SECONDS, or NFE where latencies cannot be compared

    @property
    def is_timed(self) -> bool:
        return self.cost == SECONDS


def pareto_mask(cost: ArrayLike, loss: ArrayLike, *, tolerance: float = 0.0) -> np.ndarray:
    """Boolean [N]: no other point is at most as high in both and lower in one.

    cost and loss are [N], lower is better. Points that are nan in either are never on the front.
    tolerance: share by which a cost may be higher and still counts as no more, as of front_places.
    """
    cost, loss = np.asarray(cost, float), np.asarray(loss, float)
    known = np.flatnonzero(np.isfinite(cost) & np.isfinite(loss))
    order = known[np.argsort(cost[known])]
    costs, losses = cost[order], loss[order]
    most = (1 + tolerance) * costs
    least = np.append(np.inf, np.minimum.accumulate(losses))  # of the first n points
    no_dearer = least[np.searchsorted(costs, most, side="right")]
    cheaper = least[np.searchsorted(most, costs, side="left")]
    mask = np.zeros(len(cost), bool)
    mask[order] = (losses <= no_dearer) & (losses < cheaper)
    return mask


def front_of(
    frame: pd.DataFrame,
    metric: str,
    estimates: Mapping[int, Estimate],
    *,
    reaches: Reaches = fixed_reach,
) -> Front:
    """The fronts of a metric: against seconds where timings are even, else against evaluations.

    Cells whose cost is unknown are left out. What is proven holds for all panels together. Where
    samples are too few to name a best cell, no cell is proven better than another. reaches: of
    bounds that hold at the run's numbers of samples.
    """
    cost = front_cost(frame)
    points = curve_points(frame, metric)
    points = points[np.isfinite(points[cost].astype(float))]
    if samples_per_dim(frame, metric) < AMPLE_SAMPLES:
        reaches = _proves_nothing
    tolerance = EQUAL_TIMES if cost == SECONDS else 0.0
    pairs = sum(pairs_of(count) for count in points["panel"].value_counts())
    front = pd.Series(False, index=points.index)
    verdicts, rivals = dict.fromkeys(points.index, ""), dict.fromkeys(points.index, -1)
    for _, group in points.groupby("panel", sort=False):
        costs, rows = group[cost].astype(float).to_numpy(), [*group.index]
        loss = -sign(metric) * group["value"].to_numpy()
        front[group.index] = pareto_mask(costs, loss, tolerance=tolerance)
        places = front_places(
            [estimates[row] for row in rows],
            costs.tolist(),
            sign=sign(metric),
            tolerance=tolerance,
            reaches=reaches,
            pairs=pairs,
        )
        for row, place in zip(rows, places, strict=True):
            rivals[row] = -1 if place.rival is None else rows[place.rival]
            verdicts[row] = place.verdict
    points = points.assign(front=front, verdict=[*verdicts.values()], rival=[*rivals.values()])
    return Front(points, cost)


def _proves_nothing(level: float) -> Reach:
    return lambda units: math.inf


def front_cost(frame: pd.DataFrame) -> str:
    """The cost that cells of a run can be compared by."""
    is_timed = frame[SECONDS].notna().any() and timings_are_even(frame)
    return SECONDS if is_timed else NFE


def front_lines(
    front: Front, metric: str, estimates: Mapping[int, Estimate]
) -> list[dict[str, Any]]:
    """Texts of a table of all cells, from cheap to dear: what is proven, and against which cell."""
    lines: list[dict[str, Any]] = []
    names = setting_names(front.points)
    for _, group in front.points.groupby("panel", sort=False):
        ordered = group.sort_values(front.cost, kind="stable")
        lines += [
            {
                "panel": cell["panel"],
                "setting": names[row],
                "value": plus_minus(cell["value"], cell["se"]),
                "cost_title": "Latency" if front.is_timed else "NFE",
                "cost": duration(cell[SECONDS]) if front.is_timed else number(cell[NFE], 0),
                "verdict": cell["verdict"],
                "against": _against(row, cell["rival"], names, metric=metric, estimates=estimates),
            }
            for row, cell in zip(ordered.index, records(ordered), strict=True)
        ]
    return lines


def setting_names(points: pd.DataFrame) -> dict[int, str]:
    """`ddim, 8 steps` by row number."""
    rows = zip(points.index, records(points), strict=True)
    return {row: describe(cell, ("scheduler", "steps")) for row, cell in rows}


def _against(
    row: int,
    rival: int,
    names: Mapping[int, str],
    *,
    metric: str,
    estimates: Mapping[int, Estimate],
) -> str:
    """`3.1 ± 0.4 worse than euler, 8 steps`"""
    if rival < 0:
        return "nothing costs as little"
    gain = better_by(estimates[row], estimates[rival], metric)
    size = plus_minus(abs(gain.value), gain.se)
    return f"{size} {'better' if gain.value > 0 else 'worse'} than {names[rival]}"
