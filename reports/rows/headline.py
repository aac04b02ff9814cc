"""Observations for the top of a report: the best cell of a panel, and the cheapest one that the
data cannot tell from it. Observations only: absence of a difference is no evidence of equality.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from denoisebench.bench.records.margins import AMPLE_SAMPLES
from denoisebench.metrics.estimate import Estimate, paired_difference
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.rows.cautions import samples_per_dim, timings_are_even
from denoisebench.reports.rows.curves import Z95, curve_points, panels, sign

SMALLEST_SAVING = 1.05  # ratio of costs; timings of equal work differ by a few per cent


@dataclass(frozen=True)
class Setting:
    """One cell, as far as a headline speaks of it."""

    scheduler: str
    steps: int
    value: float
    se: float
    nfe: float  # nan when unknown
    latency_p50_s: float  # nan when unknown


@dataclass(frozen=True)
class Observation:
    """What was seen for one metric in one panel."""

    metric: str
    panel: str
    best: Setting
    cheapest: Setting  # of those whose paired 95 % interval to best includes zero
    gap: float  # how much worse cheapest is than best, >= 0
    gap_se: float  # of the paired difference; 0 when they are the same cell
    cost_ratio: float  # cost of best / cost of cheapest
    cost: str  # "latency_p50_s", or "nfe" when a cell was not timed or timings are uneven

    @property
    def same(self) -> bool:
        """The best cell is itself the cheapest. (Its unknown costs are nan, unequal to itself.)"""
        best, cheapest = self.best, self.cheapest
        return (best.scheduler, best.steps) == (cheapest.scheduler, cheapest.steps)


def observations(
    frame: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate]
) -> list[Observation]:
    """One per panel that has a scored cell; none where bias can turn the order of cells around, and
    none by closeness to an input."""
    if not metric_spec(metric).names_a_best or samples_per_dim(frame, metric) < AMPLE_SAMPLES:
        return []
    points = curve_points(frame, metric)
    even = timings_are_even(frame)
    return [_observe(metric, name, group, estimates, even) for name, group in panels(points)]


def _observe(
    metric: str,
    panel: str,
    points: pd.DataFrame,
    estimates: Mapping[int, Estimate],
    even: bool,
) -> Observation:
    """even: latencies can be compared."""
    best = points.index[int(np.argmax(sign(metric) * points["value"].to_numpy()))]
    cost = "latency_p50_s" if even and points["latency_p50_s"].notna().all() else "nfe"
    gaps = {i: paired_difference(estimates[best], estimates[i]) for i in points.index}
    near = [i for i, gap in gaps.items() if i == best or abs(gap.value) <= Z95 * gap.se]
    costs = points.loc[near, cost].astype(float).to_dict()
    cheaper = [i for i in near if costs[best] >= SMALLEST_SAVING * costs[i]]
    cheapest = min([best, *cheaper], key=costs.__getitem__)
    gap = gaps[cheapest]
    return Observation(
        metric=metric,
        panel=panel,
        best=_setting(points.loc[best]),
        cheapest=_setting(points.loc[cheapest]),
        gap=abs(gap.value),
        gap_se=gap.se,
        cost_ratio=costs[best] / costs[cheapest],
        cost=cost,
    )


def _setting(point: pd.Series) -> Setting:
    return Setting(
        scheduler=point["scheduler"],
        steps=int(point["steps"]),
        value=float(point["value"]),
        se=float(point["se"]),
        nfe=float(np.nan if pd.isna(point["nfe"]) else point["nfe"]),
        latency_p50_s=float(point["latency_p50_s"]),
    )
