"""The figure of a series of packs: a Vega-Lite specification."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from denoisebench.reports import theme
from denoisebench.reports.charts import Figure, chart_title
from denoisebench.reports.check.history import Course


def history_figures(courses: Sequence[Course]) -> list[Figure]:
    """One per metric and stage, a panel for each cell: 95 % intervals, rules at steps."""
    measures = dict.fromkeys(course.measure for course in courses)
    return [_figure([c for c in courses if c.measure == measure]) for measure in measures]


def _figure(courses: Sequence[Course]) -> Figure:
    first, *_ = courses
    records = [point for course in courses for point in _points(course)]
    order = list(dict.fromkeys(record["pack"] for record in records))
    x = alt.X("pack:N", sort=order, title=None, axis=alt.Axis(labelAngle=-40))
    base = alt.Chart().encode(x=x)
    value = alt.Y("value:Q", title=first.label, scale=alt.Scale(zero=False))
    title = f"{first.label}, {len(order)} packs"
    subtitle = "Oldest first; dashed where a lasting step larger than the margin begins"
    layers = [
        base.transform_filter("datum.step").mark_rule(color=theme.COLOURS[1], strokeDash=[5, 4]),
        base.mark_rule(color=theme.QUIET).encode(y="low:Q", y2="high:Q"),
        base.mark_line(color=theme.COLOURS[0]).encode(y=value),
        base.mark_point(color=theme.COLOURS[0], filled=True, size=60).encode(y=value),
    ]
    chart = (
        # altair leaves Data without types; its InlineData would be moved to the top of the chart
        alt.layer(*layers, data=alt.Data(values=records))  # type: ignore[no-untyped-call]
        .properties(width=theme.PANEL_WIDTHS[2], height=theme.PANEL_HEIGHT // 2)
        .facet(alt.Facet("cell:N", title=None), columns=2)
        .resolve_scale(y="independent")
        .properties(title=chart_title(title, subtitle))
    )
    drawn = chart.to_dict(validate=False) | {"config": theme.CONFIG}
    return Figure(f"{first.measure}_history", title, first.meaning, drawn)


def _points(course: Course) -> list[dict[str, Any]]:
    begun = {step.at for step in course.steps}
    return [
        {
            "cell": course.cell,
            "pack": name,
            "value": level.value,
            "low": _known(level.low),
            "high": _known(level.high),
            "step": place in begun,
        }
        for place, (name, level) in enumerate(zip(course.packs, course.levels, strict=True))
    ]


def _known(bound: float) -> float | None:
    """None for the bounds of one process, of which no rule is drawn."""
    return bound if math.isfinite(bound) else None
