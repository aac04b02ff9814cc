"""The figures of a report, as Vega-Lite specifications.

A specification holds its data; names taken from the user are data and titles, never field names.
"""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from denoisebench.bench.records.names import describe
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import drawn_in_full, is_of_convergence, metric_spec
from denoisebench.reports.charts import Figure
from denoisebench.reports.decide.decisions import NOTHING, Decisions, decided
from denoisebench.reports.formats import PERCENT, slug
from denoisebench.reports.page.axes import (
    NFE,
    PRICE,
    SECONDS,
    STEPS,
    STRENGTH,
    Cost,
    cost_axis,
    is_logarithmic,
    needs_own_axes,
    value_axis,
)
from denoisebench.reports.page.chart_data import (
    cut_words,
    end_names,
    point_records,
    room_for,
    subtitle,
)
from denoisebench.reports.page.facets import Words, faceted
from denoisebench.reports.page.front import front_figure
from denoisebench.reports.page.gains import gains_figure
from denoisebench.reports.page.heat_map import heat_map
from denoisebench.reports.page.looks import Look, best_first, looks_of, placed, shown_first
from denoisebench.reports.page.marks import (
    bands,
    channels,
    decision_marks,
    end_labels,
    have_intervals,
    highlight,
    intervals,
    markers,
    zero_line,
)
from denoisebench.reports.rows.curves import curve_points, points_of, strength_points
from denoisebench.reports.rows.frame import done, frame_metrics, records
from denoisebench.reports.rows.pareto import Front, front_of
from denoisebench.reports.rows.services import of_services, with_services_named

_SERVICES = "models that a service runs"  # what their panel is called
SERVICE_NOTE = (
    "A model that a service runs is one point, compared unpaired but for its prompts: its seconds "
    "are those of the network and of other users too, its price is that of a table."
)
_OWN_AXES = " Each panel has a value axis of its own."


def figures(
    frame: pd.DataFrame,
    metric: str,
    estimates: Mapping[int, Estimate],
    *,
    decisions: Decisions = NOTHING,
    front: Front | None = None,
) -> list[Figure]:
    """All figures of a metric for which the frame has numbers; of a further one only its curves.
    front: that of a metric that names a best cell, where it is known already."""
    looks = looks_of(frame)
    is_full = metric in drawn_in_full(frame_metrics(frame), decisions.gates)
    points = decided(placed(curve_points(frame, metric), looks), metric, decisions)
    points, by_strength = _with_default(points), placed(strength_points(frame, metric), looks)
    costs = [STEPS, NFE, SECONDS] if is_full else [STEPS]
    if len(by_strength) and points["steps"].nunique() <= 1:
        costs = []  # curves along the steps would be single points
    also = convergence_words(frame, metric, estimates)
    drawn = [
        curves_figure(
            frame,
            metric,
            points[points[cost.field].notna()],
            cost=cost,
            looks=looks,
            also=also,
        )
        for cost in costs
        if points[cost.field].notna().any()
    ]
    if len(by_strength):
        drawn.append(curves_figure(frame, metric, by_strength, cost=STRENGTH, looks=looks))
    if not is_full:
        return drawn
    drawn += _of_services(frame, metric)
    reaches = decisions.reaches
    if front is None and metric_spec(metric).names_a_best:
        front = front_of(frame, metric, estimates, reaches=reaches)
    beside = (
        gains_figure(frame, metric, estimates, looks=looks, reaches=reaches),
        None if front is None else front_figure(frame, metric, estimates, front=front, looks=looks),
        heat_map(frame, metric, estimates, decisions=decisions),
    )
    return drawn + [figure for figure in beside if figure is not None]


def _of_services(frame: pd.DataFrame, metric: str) -> list[Figure]:
    """Models that a service runs against what they take and cost, where there are several."""
    cells = done(frame)
    cells = with_services_named(cells[of_services(cells)])
    if len(cells) < 2:
        return []
    looks = looks_of(cells)
    points = points_of(cells.assign(panel=_SERVICES), metric, least=0)
    points = placed(points, looks)
    return [
        curves_figure(cells, metric, known, cost=cost, looks=looks, also=f" {SERVICE_NOTE}")
        for cost in (SECONDS, PRICE)
        if len(known := points[points[cost.field].notna()])
    ]


def curves_figure(
    frame: pd.DataFrame,
    metric: str,
    points: pd.DataFrame,
    *,
    cost: Cost,
    looks: Mapping[str, Look],
    also: str = "",
) -> Figure:
    """Curves of a metric against a cost, one for each look in each panel. points: as placed.
    also: what is to be said of this metric alone."""
    own_axes = needs_own_axes(metric, points)
    x, y = cost_axis(points, cost), value_axis(metric, points, own_axes=own_axes)
    look = channels([*looks.values()])
    names = end_names(
        points,
        cost.order,
        cost.field,
        logarithmic=is_logarithmic(metric, points),
        own_axes=own_axes,
    )
    points = points.assign(end=names)
    pick, shown = highlight(shown_first(points, best_first(points, metric)))
    base = alt.Chart().encode(x=x, color=look["color"])
    lines = base.mark_line().encode(
        y=y("value"),
        order=f"{cost.order}:Q",
        strokeDash=look["strokeDash"],
        strokeWidth=look["strokeWidth"],
        opacity=shown,
    )
    marks = markers(base, look, cost.order).encode(y=y("value"), size=look["size"], opacity=shown)
    # A band runs along x: it needs two points, and costs that grow with the steps as the line does.
    banded = (
        cost not in (SECONDS, PRICE) and points.groupby(["panel", "scheduler"]).size().min() > 1
    )
    spans = (
        bands(base, y, pick, count=points["scheduler"].nunique())
        if banded
        else [intervals(base, y).encode(opacity=shown)]
    )
    layers = [
        *(spans if have_intervals(points) else []),
        lines,
        marks.add_params(pick),
        *([end_labels(base, y, shown)] if names.notna().any() else []),
        *decision_marks(base, y, look, points=points, cost=cost),
        *([zero_line()] if metric_spec(metric).is_signed else []),
    ]
    drawn = point_records(points)
    words = Words(
        f"{slug(metric)}_vs_{cost.stem}",
        f"{metric_spec(metric).label} against {cost.words}",
        subtitle(frame, metric, is_timed=cost is SECONDS),
        f"{'Bands' if banded else 'Bars'}: 95{PERCENT} confidence intervals of each value by "
        "itself. Where neighbouring points share prompts and noise, their difference is known "
        f"better than these suggest.{cut_words(metric, points)}{_decided_words(points)}"
        f"{also}{_OWN_AXES if own_axes else ''}",
    )
    return faceted(drawn, layers, words, own_axes=own_axes, beside=room_for(names))


def convergence_words(frame: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate]) -> str:
    """What a curve of closeness to many steps is of, and what it does not say; empty for another
    metric."""
    if not is_of_convergence(metric):
        return ""
    sizes = [estimate.samples for estimate in estimates.values()]
    is_part = any(size < frame["samples"][i] for i, size in zip(estimates, sizes, strict=True))
    samples = f" Of the first {min(sizes):,} samples of each cell." if is_part else ""
    return (
        f"{samples} Each curve is held against what its own scheduler makes of the same noise in "
        "many steps: one that is close has converged, which does not say that its images are "
        "better."
    )


def _with_default(points: pd.DataFrame) -> pd.DataFrame:
    """Points with `default`, written beside the recommended one: `default: ddim, 8 steps`."""
    if "recommended" not in points:
        return points
    labels = [f"default: {describe(row, ('scheduler', 'steps'))}" for row in records(points)]
    return points.assign(default=pd.Series(labels, points.index).where(points["recommended"]))


def _decided_words(points: pd.DataFrame) -> str:
    if "flat" not in points:
        return ""
    return (
        " Ring: the smallest step count from which the curve is within the margin, by every metric "
        "that decides, of its largest. Large marker, “default”: what is recommended by this metric."
    )
