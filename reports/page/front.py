"""The figure of the Pareto front: what is proven to be on it, and off it."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from denoisebench.metrics.decide.front import OFF, ON, OPEN
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports import theme
from denoisebench.reports.charts import Figure
from denoisebench.reports.formats import PERCENT, slug
from denoisebench.reports.page.axes import NFE, SECONDS, cost_axis, is_logarithmic, value_axis
from denoisebench.reports.page.chart_data import cut_words, front_labels, point_records, subtitle
from denoisebench.reports.page.facets import Words, columns_of, faceted
from denoisebench.reports.page.findings import front_finding
from denoisebench.reports.page.looks import Look
from denoisebench.reports.page.marks import (
    channels,
    have_intervals,
    intervals,
    markers,
    point_labels,
)
from denoisebench.reports.rows.pareto import EQUAL_TIMES, Front

_SIZES = {ON: 120, OPEN: 70, OFF: 45}  # of marks, square pixels


def front_figure(
    frame: pd.DataFrame,
    metric: str,
    estimates: Mapping[int, Estimate],
    *,
    front: Front,
    looks: Mapping[str, Look],
) -> Figure | None:
    """Quality against cost; None where no panel has cells of two costs."""
    if not (front.points.groupby("panel")[front.cost].nunique() > 1).any():
        return None
    width = theme.PANEL_WIDTHS[columns_of(front.points["panel"].nunique())]
    logarithmic = is_logarithmic(metric, front.points)
    points = front_labels(front, metric, (width, theme.PANEL_HEIGHT), logarithmic=logarithmic)
    label, cost = metric_spec(metric).label, SECONDS if front.is_timed else NFE
    words = Words(
        f"{slug(metric)}_vs_{'latency' if front.is_timed else 'nfe'}_pareto",
        f"{label} against {cost.words}, with the Pareto front",
        f"{subtitle(frame, metric, is_timed=front.is_timed)} · dark outline: proven on the front · "
        "hollow: undecided · grey: proven off it",
        _note(front, metric),
        front_finding(front, metric, estimates),
    )
    return faceted(point_records(points), _layers(points, metric, front, looks=looks), words)


def _layers(
    points: pd.DataFrame, metric: str, front: Front, *, looks: Mapping[str, Look]
) -> list[alt.Chart]:
    look, y = channels([*looks.values()]), value_axis(metric, points)
    cost = SECONDS if front.is_timed else NFE
    base = alt.Chart().encode(x=cost_axis(points, cost))
    measured = base.transform_filter("datum.front")
    line = measured.mark_line(interpolate="step-after", color=theme.QUIET, strokeWidth=1.2)
    layers = [line.encode(y=y("value"), order=f"{cost.field}:Q")]
    for verdict in (OFF, OPEN, ON):
        of_verdict = points[points["verdict"] == verdict]
        if of_verdict.empty:
            continue  # an empty layer has no extent, and the browser is warned of it
        cells = base.transform_filter(f"datum.verdict == '{verdict}'")
        colour = alt.value(theme.FAINT) if verdict == OFF else look["color"]
        cells = cells.encode(color=colour)
        marks = markers(cells, look).encode(y=y("value"), size=alt.value(_SIZES[verdict]))
        layers += [intervals(cells, y)] if have_intervals(of_verdict) else []
        layers.append(_outlined(marks, verdict))
    return [*layers, *point_labels(measured.encode(y=y("value")))]


def _outlined(marks: alt.Chart, verdict: str) -> alt.Chart:
    """Marks of a verdict, told apart without colour too: outlined, hollow, or plain."""
    if verdict == ON:
        return marks.encode(stroke=alt.value(theme.INK), strokeWidth=alt.value(2))
    if verdict == OPEN:
        marks = marks.mark_point(filled=False, opacity=1, strokeWidth=1.8)
        return marks.encode(fill=alt.value("white"))
    return marks


def _note(front: Front, metric: str) -> str:
    if front.is_timed:
        equal = f"within {100 * EQUAL_TIMES:g}{PERCENT} they count as equal"
        cost = f"take no longer, by times as measured ({equal})"
    else:
        cost = "take no more evaluations (timings are uneven, or were not taken)"
    return (
        f"The rivals of a cell are those that {cost}. Dark outline: proven to be better than all "
        "of them, or without one, as nothing costs as little. Grey: one of them is proven to be "
        "better. Hollow: undecided. By bounds of paired differences that hold for all pairs of all "
        f"panels together with 95{PERCENT}. Line, with scheduler and steps: the front as measured, "
        f"which noise moves. Bars: 95{PERCENT} confidence intervals of each value by itself."
        f"{cut_words(metric, front.points)}"
    )
