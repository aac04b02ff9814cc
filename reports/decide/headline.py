"""The best cell of each panel, what its last steps brought, and the default beside it.

Observations about the decisions. Which cell is the cheapest that is as good is decided by
decisions.py alone; here it is put beside the best one.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import AMPLE_SAMPLES, leading
from denoisebench.reports.decide.decisions import HELD, Decisions, Recommendation
from denoisebench.reports.rows.cautions import samples_per_dim, timings_are_even
from denoisebench.reports.rows.curves import better_by, curve_points, panels, sign
from denoisebench.reports.rows.frame import frame_metrics


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
class LastSteps:
    """What the best cell has beyond the next smaller step count of its curve."""

    steps_from: int
    steps_to: int
    gain: Difference  # above zero is better


@dataclass(frozen=True)
class BesideBest:
    """The default of a panel beside its best cell."""

    setting: Setting
    is_best: bool
    loss: Difference  # how much worse it is, of paired samples
    cost_ratio: float  # cost of the best / its own
    cost: str  # "latency_p50_s", or "nfe" when a cell was not timed or timings are uneven


@dataclass(frozen=True)
class Observation:
    """What was seen for one metric in one panel."""

    metric: str
    panel: str
    best: Setting
    last_steps: LastSteps | None  # None of the smallest step count of a curve
    default: BesideBest | None  # by this metric
    no_default: str  # why there is none; empty where nothing is decided by this metric


def observations(
    frame: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate], *, decisions: Decisions
) -> list[Observation]:
    """One per panel that has a scored cell; none where bias can turn the order of cells around, and
    none by a metric that does not lead, such as closeness to an input."""
    if (
        metric not in leading(frame_metrics(frame), decisions.gates)
        or samples_per_dim(frame, metric) < AMPLE_SAMPLES
    ):
        return []
    is_even, direction = timings_are_even(frame), sign(metric)
    points_of = dict(panels(curve_points(frame, metric)))
    recommendations = {
        _held(frame, recommendation.rows[0]): recommendation
        for recommendation in decisions.recommendations
        if recommendation.target == metric
    }
    result = []
    for name, points in points_of.items():
        panel = _Panel(name, metric, direction, dict(_numbered(points)), estimates)
        recommendation = recommendations.get(_held(frame, panel.best))
        result.append(_observe(panel, recommendation, is_even=is_even))
    return result


def _held(frame: pd.DataFrame, row: int) -> tuple[Any, ...]:
    return tuple(frame.loc[row, [*HELD]])


def _numbered(points: pd.DataFrame) -> Iterator[tuple[int, dict[str, Any]]]:
    for row, cell in zip(points.index, points.to_dict("records"), strict=True):
        yield int(row), {str(name): value for name, value in cell.items()}


@dataclass(frozen=True, eq=False)
class _Panel:
    """What was measured by one metric in one panel, by row numbers of the frame."""

    name: str
    metric: str
    direction: int  # curves.sign of the metric
    cells: dict[int, dict[str, Any]]  # columns of curves.curve_points
    estimates: Mapping[int, Estimate]

    @property
    def best(self) -> int:
        return max(self.cells, key=lambda row: self.direction * self.cells[row]["value"])

    def setting(self, row: int) -> Setting:
        cell = self.cells[row]
        return Setting(
            scheduler=cell["scheduler"],
            steps=int(cell["steps"]),
            value=cell["value"],
            se=cell["se"],
            nfe=_known(cell["nfe"]),
            latency_p50_s=cell["latency_p50_s"],
        )

    def best_better_by(self, row: int) -> Difference:
        """How much better the best cell is than another."""
        return better_by(self.estimates[self.best], self.estimates[row], self.metric)


def _known(value: Any) -> float:
    return math.nan if pd.isna(value) else float(value)


def _observe(panel: _Panel, recommendation: Recommendation | None, *, is_even: bool) -> Observation:
    """is_even: whether latencies can be compared."""
    default, no_default = None, ""
    if recommendation is not None:
        row = recommendation.chosen_row
        if row is None:
            is_noted = bool(recommendation.note)
            no_default = "none, see Defaults" if is_noted else "none is proven within all margins"
        elif recommendation.panel != panel.name:
            no_default = f"decided at {recommendation.panel}"
        else:
            default = _beside_best(panel, row, is_even=is_even)
    best, last_steps = panel.setting(panel.best), _last_steps(panel)
    return Observation(panel.metric, panel.name, best, last_steps, default, no_default)


def _last_steps(panel: _Panel) -> LastSteps | None:
    """The best cell beside the next smaller step count of its curve."""
    best = panel.cells[panel.best]
    fewer = {
        row: int(cell["steps"])
        for row, cell in panel.cells.items()
        if cell["scheduler"] == best["scheduler"] and cell["steps"] < best["steps"]
    }
    if not fewer:
        return None
    row = max(fewer, key=fewer.__getitem__)
    return LastSteps(fewer[row], int(best["steps"]), panel.best_better_by(row))


def _beside_best(panel: _Panel, row: int, *, is_even: bool) -> BesideBest:
    is_timed = not any(pd.isna(cell["latency_p50_s"]) for cell in panel.cells.values())
    cost = "latency_p50_s" if is_even and is_timed else "nfe"
    cost_of_best, own_cost = (_known(panel.cells[i][cost]) for i in (panel.best, row))
    return BesideBest(
        setting=panel.setting(row),
        is_best=row == panel.best,
        loss=panel.best_better_by(row),
        cost_ratio=cost_of_best / own_cost,
        cost=cost,
    )
