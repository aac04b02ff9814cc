"""The figures of a report, as Vega-Lite specifications.

A specification holds its data; names taken from the user are data and titles, never field names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from denoisebench.bench.records.names import describe
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import drawn_in_full, is_between_distributions, metric_spec
from denoisebench.reports import theme
from denoisebench.reports.charts import Figure, chart_title
from denoisebench.reports.decide.decisions import NOTHING, Decisions, decided
from denoisebench.reports.formats import PERCENT, slug
from denoisebench.reports.page.axes import (
    NFE,
    SECONDS,
    STEPS,
    STRENGTH,
    Cost,
    cost_axis,
    is_logarithmic,
    needs_own_axes,
    signed_axis,
    value_axis,
)
from denoisebench.reports.page.chart_data import (
    changes,
    end_names,
    front_labels,
    gain_records,
    point_records,
    room_for,
    subtitle,
)
from denoisebench.reports.page.looks import Look, looks_of, shown_first
from denoisebench.reports.page.marks import (
    bands,
    channels,
    decision_marks,
    end_labels,
    highlight,
    intervals,
    markers,
    point_labels,
    zero_line,
)
from denoisebench.reports.rows.curves import curve_points, marginal_gains, sign, strength_points
from denoisebench.reports.rows.frame import frame_metrics, records
from denoisebench.reports.rows.pareto import with_front

_GAP = 20  # pixels between panels
_OWN_AXES = " Each panel has a value axis of its own."


@dataclass(frozen=True)
class _Words:
    """The texts of a figure."""

    stem: str
    title: str
    subtitle: str
    note: str


def figures(
    frame: pd.DataFrame,
    metric: str,
    estimates: Mapping[int, Estimate],
    *,
    decisions: Decisions = NOTHING,
) -> list[Figure]:
    """All figures of a metric for which the frame has numbers; of a further one only its curves."""
    looks, is_full = looks_of(frame), metric in drawn_in_full(frame_metrics(frame))
    points = decided(placed(curve_points(frame, metric), looks), metric, decisions)
    points, by_strength = _with_default(points), placed(strength_points(frame, metric), looks)
    costs = [STEPS, NFE, SECONDS] if is_full else [STEPS]
    if len(by_strength) and points["steps"].nunique() <= 1:
        costs = []  # curves along the steps would be single points
    drawn = [
        curves_figure(frame, metric, points[points[cost.field].notna()], cost=cost, looks=looks)
        for cost in costs
        if points[cost.field].notna().any()
    ]
    if len(by_strength):
        drawn.append(curves_figure(frame, metric, by_strength, cost=STRENGTH, looks=looks))
    if not is_full:
        return drawn
    gains = marginal_gains(frame, metric, estimates)
    if len(gains):
        drawn.append(_gains(frame, metric, placed(gains, looks), looks=looks))
    timed = with_front(points, sign(metric))
    if len(timed):
        drawn.append(_front(frame, metric, timed, looks=looks))
    return drawn


def placed(points: pd.DataFrame, looks: Mapping[str, Look]) -> pd.DataFrame:
    """The points with `place`: the number of the scheduler among all of the run."""
    places = {name: place for place, name in enumerate(looks)}
    return points.assign(place=points["scheduler"].map(places))


def _best_first(points: pd.DataFrame, metric: str) -> list[str]:
    """Schedulers by their best value."""
    spec = metric_spec(metric)
    quality = -points["value"].abs() if spec.is_signed else sign(metric) * points["value"]
    best = quality.groupby(points["scheduler"]).max()
    return [str(name) for name in best.sort_values(ascending=False).index]


def curves_figure(
    frame: pd.DataFrame,
    metric: str,
    points: pd.DataFrame,
    *,
    cost: Cost,
    looks: Mapping[str, Look],
) -> Figure:
    """Curves of a metric against a cost, one for each look in each panel. points: as placed."""
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
    pick, shown = highlight(shown_first(points, _best_first(points, metric)))
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
    banded = cost is not SECONDS and points.groupby(["panel", "scheduler"]).size().min() > 1
    layers = [
        *(
            bands(base, y, pick, count=points["scheduler"].nunique())
            if banded
            else [intervals(base, y).encode(opacity=shown)]
        ),
        lines,
        marks.add_params(pick),
        *([end_labels(base, y, shown)] if names.notna().any() else []),
        *decision_marks(base, y, look, points=points, cost=cost),
        *([zero_line()] if metric_spec(metric).is_signed else []),
    ]
    drawn = point_records(points)
    words = _Words(
        f"vs_{cost.stem}",
        f"{metric_spec(metric).label} against {cost.words}",
        subtitle(frame, metric, is_timed=cost is SECONDS),
        f"{'Bands' if banded else 'Bars'}: 95{PERCENT} confidence intervals of each value by "
        "itself. Neighbouring points share prompts and noise, so their difference is known better "
        f"than these suggest.{_cut_words(metric, points)}{_decided_words(points)}"
        f"{_OWN_AXES if own_axes else ''}",
    )
    return _figure(metric, drawn, layers, words=words, own_axes=own_axes, beside=room_for(names))


def _cut_words(metric: str, points: pd.DataFrame) -> str:
    """What intervals are not: below 0, where no distance is, and drawn where they are unknown."""
    cut = is_between_distributions(metric) and (points["low"] == 0).any()
    ends = " They are cut at 0: no distance is below, though an estimate can be." if cut else ""
    unknown = (
        " A value without one has too few samples to know it." if points["low"].isna().any() else ""
    )
    return ends + unknown


def _gains(
    frame: pd.DataFrame, metric: str, gains: pd.DataFrame, *, looks: Mapping[str, Look]
) -> Figure:
    look, label = channels([*looks.values()]), metric_spec(metric).label
    gains = gains.assign(change=changes(gains))
    order = gains.sort_values(["steps_to", "steps_from"])["change"].unique().tolist()
    y = signed_axis(f"Gain in {label} per step", gains)
    points = curve_points(frame, metric)
    pick, shown = highlight(shown_first(points, _best_first(points, metric)))
    base = alt.Chart().encode(
        x=alt.X("change:O", title="Steps, from → to", sort=order, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("scheduler:N", sort=[*looks]),
        color=look["color"],
    )
    layers = [
        zero_line(),
        intervals(base, y).encode(opacity=shown),
        markers(base, look, along="change").encode(y=y("gain"), opacity=shown).add_params(pick),
    ]
    words = _Words(
        "gain_per_step",
        f"{label}: gain per extra step",
        f"{subtitle(frame, metric)} · above zero is an improvement",
        "Change between neighbouring step counts, divided by the steps added; above zero is an "
        f"improvement whatever the metric's direction. Bars: 95{PERCENT} intervals of the paired "
        "difference, same prompts and noise. A bar that reaches zero: no gain was resolved.",
    )
    return _figure(metric, gain_records(gains), layers, words=words)


def _front(
    frame: pd.DataFrame, metric: str, points: pd.DataFrame, *, looks: Mapping[str, Look]
) -> Figure:
    look, y = channels([*looks.values()]), value_axis(metric, points)
    width = theme.PANEL_WIDTHS[_columns(points["panel"].nunique())]
    size, logarithmic = (width, theme.PANEL_HEIGHT), is_logarithmic(metric, points)
    points = front_labels(points, metric, size, logarithmic=logarithmic)
    base = alt.Chart().encode(x=cost_axis(points, SECONDS))
    beaten = base.transform_filter("!datum.front").encode(color=alt.value(theme.FAINT))
    front = base.transform_filter("datum.front")
    coloured = front.encode(color=look["color"])
    layers = [
        front.mark_line(interpolate="step-after", color=theme.QUIET, strokeWidth=1.2).encode(
            y=y("value"), order=f"{SECONDS.field}:Q"
        ),
        intervals(beaten, y),
        markers(beaten, look).encode(y=y("value")),
        intervals(coloured, y),
        markers(coloured, look).encode(y=y("value"), size=alt.value(theme.SIZES[0])),
        *point_labels(front.encode(y=y("value"))),
    ]
    words = _Words(
        "vs_latency_pareto",
        f"{metric_spec(metric).label} against latency, with the Pareto front",
        subtitle(frame, metric, is_timed=True),
        "In colour, with scheduler and steps: cells that no other cell beats on both axes, as "
        f"measured. Bars: 95{PERCENT} confidence intervals of the value."
        f"{_cut_words(metric, points)}",
    )
    return _figure(metric, point_records(points), layers, words=words)


def _figure(
    metric: str,
    records: list[dict[str, Any]],
    layers: list[alt.Chart],
    *,
    words: _Words,
    own_axes: bool = False,
    beside: int = 0,
) -> Figure:
    """Layers over the records, one panel beside the other, with own_axes each with its own y;
    beside: pixels that stay free right of each panel."""
    panels = list(dict.fromkeys(record["panel"] for record in records))
    columns = _columns(len(panels))
    chart = (
        alt.layer(*layers, data=alt.NamedData("cells"))
        .properties(width=theme.PANEL_WIDTHS[columns], height=theme.PANEL_HEIGHT)
        .facet(alt.Facet("panel:N", title=None, sort=panels), columns=columns)
        .properties(title=chart_title(words.title, words.subtitle))
    )
    if own_axes:
        chart = chart.resolve_scale(y="independent")
    spec = chart.to_dict(validate=False)  # a test validates; here it takes seconds
    spec |= {"datasets": {"cells": records}, "config": theme.CONFIG}
    if beside:
        spec |= {"spacing": {"column": _GAP + beside, "row": _GAP}, "usermeta": {"beside": beside}}
    return Figure(f"{slug(metric)}_{words.stem}", words.title, words.note, spec)


def _columns(panels: int) -> int:
    """How many panels stand side by side."""
    return {1: 1, 2: 2, 4: 2}.get(panels, 3)


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
