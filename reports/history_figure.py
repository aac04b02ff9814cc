"""The figure of a series of packs: a Vega-Lite specification."""

from collections.abc import Sequence

import altair as alt

from metrics.specs import metric_spec
from reports import theme
from reports.figures import Figure, chart_title
from reports.history import Course


def history_figures(found: Sequence[Course]) -> list[Figure]:
    """One per metric, a panel for each cell: values with 95 % intervals, a rule at each step."""
    metrics = dict.fromkeys(course.metric for course in found)
    return [_figure(metric, [c for c in found if c.metric == metric]) for metric in metrics]


def _figure(metric: str, found: Sequence[Course]) -> Figure:
    spec = metric_spec(metric)
    records = [point for course in found for point in _points(course)]
    order = list(dict.fromkeys(record["pack"] for record in records))
    x = alt.X("pack:N", sort=order, title=None, axis=alt.Axis(labelAngle=-40))
    base = alt.Chart().encode(x=x)
    value = alt.Y("value:Q", title=spec.label, scale=alt.Scale(zero=False))
    title = f"{spec.label} over {len(order)} packs"
    subtitle = "Oldest first; dashed where a lasting step larger than the margin begins"
    layers = [
        base.transform_filter("datum.step").mark_rule(color=theme.COLOURS[1], strokeDash=[5, 4]),
        base.mark_rule(color=theme.QUIET).encode(y="low:Q", y2="high:Q"),
        base.mark_line(color=theme.COLOURS[0]).encode(y=value),
        base.mark_point(color=theme.COLOURS[0], filled=True, size=60).encode(y=value),
    ]
    chart = (
        alt.layer(*layers, data=alt.Data(values=records))
        .properties(width=theme.PANEL_WIDTHS[2], height=theme.PANEL_HEIGHT // 2)
        .facet("cell:N", columns=2, title=None)
        .resolve_scale(y="independent")
        .properties(title=chart_title(title, subtitle))
    )
    drawn = chart.to_dict(validate=False) | {"config": theme.CONFIG}
    return Figure(f"{metric}_history", title, spec.meaning, drawn)


def _points(course: Course) -> list[dict]:
    begun = {step.at for step in course.steps}
    intervals = [estimate.interval() for estimate in course.estimates]
    return [
        {
            "cell": course.cell,
            "pack": name,
            "value": estimate.value,
            "low": low,
            "high": high,
            "step": place in begun,
        }
        for place, (name, estimate, (low, high)) in enumerate(
            zip(course.packs, course.estimates, intervals, strict=True)
        )
    ]
