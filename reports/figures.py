"""The figures of a report: Vega-Lite specifications, SVG, PNG. The only file that knows Altair.

A specification holds its data; names taken from the user are data and titles, never field names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from metrics.estimate import Estimate
from metrics.specs import metric_spec
from reports import theme
from reports.chart_data import (
    batch_words,
    changes,
    gain_records,
    is_logarithmic,
    point_records,
    round_numbers,
    signed_ticks,
    subtitle,
)
from reports.curves import curve_points, marginal_gains, sign
from reports.formats import slug
from reports.pareto import with_front


@dataclass(frozen=True)
class Figure:
    """One figure of one metric."""

    name: str  # file stem
    title: str
    note: str  # how to read it
    spec: dict  # Vega-Lite, data included


@dataclass(frozen=True)
class _Words:
    """The texts of a figure."""

    stem: str
    title: str
    subtitle: str
    note: str


@dataclass(frozen=True)
class _Cost:
    """What quality is drawn against."""

    field: str
    axis_title: str
    stem: str
    words: str
    base: int  # of the logarithmic axis


_STEPS = _Cost("steps", "Steps (num_inference_steps)", "steps", "steps", 2)
_NFE = _Cost("nfe", "NFE (denoiser evaluations per image)", "nfe", "denoiser evaluations", 2)
_SECONDS = _Cost("latency_p50_s", "Latency (s per image, median)", "seconds", "latency", 10)


def figures(frame: pd.DataFrame, metric: str, estimates: dict[int, Estimate]) -> list[Figure]:
    """All figures of a metric for which the frame has numbers."""
    points = curve_points(frame, metric)
    drawn = [
        _curves(frame, metric, points[points[cost.field].notna()], cost)
        for cost in (_STEPS, _NFE, _SECONDS)
        if points[cost.field].notna().any()
    ]
    gains = marginal_gains(frame, metric, estimates)
    if len(gains):
        drawn.append(_gains(frame, metric, gains))
    timed = with_front(points, sign(metric))
    if len(timed):
        drawn.append(_front(frame, metric, timed))
    return drawn


def to_svg(figure: Figure) -> str:
    return vl_convert.vegalite_to_svg(figure.spec)


def to_png(svg: str) -> bytes:
    """The SVG at twice its size in pixels."""
    return vl_convert.svg_to_png(svg, scale=2)


def javascript_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that defines window.vegaEmbed; 0.9 MB."""
    return vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default


def _curves(frame: pd.DataFrame, metric: str, points: pd.DataFrame, cost: _Cost) -> Figure:
    look, y = _look(points), _value_axis(metric, points)
    pick, shown = _highlight()
    base = alt.Chart().encode(x=_cost_axis(points, cost), color=look["color"])
    faint = min(0.14, 0.6 / len(_schedulers(points)))  # many bands over each other grow dark
    band = alt.condition(pick, alt.value(faint), alt.value(0.02))
    layers = [
        base.mark_area().encode(y=y("low"), y2="high:Q", opacity=band),
        base.mark_line(strokeWidth=1.8).encode(
            y=y("value"), order="steps:Q", strokeDash=look["strokeDash"], opacity=shown
        ),
        _marks(base, look).encode(y=y("value"), opacity=shown).add_params(pick),
    ]
    if points.groupby(["panel", "scheduler"]).size().min() == 1:  # a band needs two points
        layers.insert(0, base.mark_rule().encode(y=y("low"), y2="high:Q", opacity=shown))
    words = _Words(
        f"vs_{cost.stem}",
        f"{metric_spec(metric).label} against {cost.words}",
        _subtitle(frame, metric, cost),
        "Bands: 95 % confidence intervals of each value by itself. Neighbouring points share "
        "prompts and noise, so their difference is known better than the bands suggest.",
    )
    return _figure(metric, point_records(points), layers, words)


def _gains(frame: pd.DataFrame, metric: str, gains: pd.DataFrame) -> Figure:
    look, label = _look(gains), metric_spec(metric).label
    gains = gains.assign(change=changes(gains))
    order = gains.sort_values(["steps_to", "steps_from"])["change"].unique().tolist()
    y = _signed_axis(f"Gain in {label} per step", gains)
    base = alt.Chart().encode(
        x=alt.X("change:O", title="Steps, from → to", sort=order, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("scheduler:N", sort=_schedulers(gains)),
        color=look["color"],
    )
    layers = [
        alt.Chart().mark_rule(color="#8c959f").encode(y=alt.datum(0)),
        base.mark_rule(strokeWidth=1.6).encode(y=y("low"), y2="high:Q"),
        _marks(base, look, steps="change").encode(y=y("gain")),
    ]
    words = _Words(
        "gain_per_step",
        f"{label}: gain per extra step",
        f"{subtitle(frame, metric)} · above zero is an improvement",
        "Change between neighbouring step counts, divided by the steps added; above zero is an "
        "improvement whatever the metric's direction. Bars: 95 % intervals of the paired "
        "difference, same prompts and noise. A bar that reaches zero: no gain was resolved.",
    )
    return _figure(metric, gain_records(gains), layers, words)


def _front(frame: pd.DataFrame, metric: str, points: pd.DataFrame) -> Figure:
    look, y = _look(points), _value_axis(metric, points)
    x = _cost_axis(points, _SECONDS)
    front = alt.Chart().transform_filter("datum.front").encode(x=x, y=y("value"))
    faded = alt.condition("datum.front", alt.value(1), alt.value(0.35))
    base = alt.Chart().encode(x=x, color=look["color"], opacity=faded)
    layers = [
        front.mark_line(interpolate="step-after", color=theme.QUIET, strokeWidth=1.2).encode(
            order=f"{_SECONDS.field}:Q"
        ),
        base.mark_rule(strokeWidth=1).encode(y=y("low"), y2="high:Q"),
        _marks(base, look).encode(y=y("value")),
        front.mark_text(dx=7, dy=-8, align="left", fontSize=11, color=theme.INK).encode(
            text="steps:Q"
        ),
    ]
    words = _Words(
        "vs_latency_pareto",
        f"{metric_spec(metric).label} against latency, with the Pareto front",
        _subtitle(frame, metric, _SECONDS),
        "Full colour and a number (steps): cells that no other cell beats on both axes, as "
        "measured. Bars: 95 % confidence intervals of the value.",
    )
    return _figure(metric, point_records(points), layers, words)


def _figure(metric: str, records: list[dict], layers: list, words: _Words) -> Figure:
    """Layers over the records, one panel beside the other."""
    panels = list(dict.fromkeys(record["panel"] for record in records))
    columns = {1: 1, 2: 2, 4: 2}.get(len(panels), 3)
    chart = (
        alt.layer(*layers, data=alt.NamedData("cells"))
        .properties(width=theme.PANEL_WIDTHS[columns], height=theme.PANEL_HEIGHT)
        .facet(alt.Facet("panel:N", title=None, sort=panels), columns=columns)
        .properties(
            title=alt.TitleParams(
                words.title,
                subtitle=words.subtitle,
                anchor="start",
                fontSize=16,
                subtitleFontSize=12,
                subtitleColor=theme.QUIET,
                offset=14,
            )
        )
    )
    spec = chart.to_dict(validate=False)  # a test validates; here it takes seconds
    spec |= {"datasets": {"cells": records}, "config": theme.CONFIG}
    return Figure(f"{slug(metric)}_{words.stem}", words.title, words.note, spec)


def _marks(base: alt.Chart, look: dict, steps: str = "steps") -> alt.Chart:
    """Point markers with their tooltip; `steps` is the field that says which step counts."""
    texts = {
        "scheduler": "scheduler",
        steps: "steps",
        "nfe": "NFE",
        "value_text": "gain per step" if steps == "change" else "value ± se",
        "interval_text": "95 % interval",
        "latency_text": "latency per image",
    }
    if steps == "change":
        texts = {name: text for name, text in texts.items() if name not in ("nfe", "latency_text")}
    tooltip = [alt.Tooltip(f"{name}:N", title=text) for name, text in texts.items()]
    return base.mark_point(filled=True, size=55, opacity=1).encode(
        shape=look["shape"], tooltip=tooltip
    )


def _look(points: pd.DataFrame) -> dict:
    """Colour, shape and dash of each scheduler; one merged legend."""
    names = _schedulers(points)
    legend = alt.Legend(orient="top", columns=theme.LEGEND_COLUMNS, symbolOpacity=1)

    def cycle(values: tuple) -> alt.Scale:
        return alt.Scale(domain=names, range=[values[i % len(values)] for i in range(len(names))])

    scales = {
        "color": cycle(theme.COLOURS),
        "shape": cycle(theme.SHAPES),
        "strokeDash": cycle(theme.DASHES),
    }
    kinds = {"color": alt.Color, "shape": alt.Shape, "strokeDash": alt.StrokeDash}
    return {
        name: kind("scheduler:N", title=None, legend=legend, scale=scales[name])
        for name, kind in kinds.items()
    }


def _schedulers(points: pd.DataFrame) -> list[str]:
    return points["scheduler"].unique().tolist()


def _highlight() -> tuple[alt.Parameter, Any]:
    """A click on the legend keeps one scheduler and fades the others."""
    pick = alt.selection_point(fields=["scheduler"], bind="legend")
    return pick, alt.condition(pick, alt.value(1), alt.value(0.12))


def _cost_axis(points: pd.DataFrame, cost: _Cost) -> alt.X:
    axis = alt.Axis(format="~g", labelOverlap="greedy", tickCount=6)
    if cost is _STEPS:
        axis = alt.Axis(values=sorted(points["steps"].unique().tolist()), labelOverlap="greedy")
    if cost is _SECONDS:
        axis = _round_axis(points[cost.field])
    return alt.X(
        f"{cost.field}:Q",
        title=cost.axis_title,
        scale=alt.Scale(type="log", base=cost.base, nice=False, padding=14),
        axis=axis,
    )


def _value_axis(metric: str, points: pd.DataFrame) -> Callable[[str], alt.Y]:
    """The same y encoding for every field drawn on it."""
    spec = metric_spec(metric)
    title = f"{spec.label} ({spec.unit}), " if spec.unit else f"{spec.label}, "
    if is_logarithmic(metric, points):
        scale = alt.Scale(type="log", nice=False, padding=6)
        axis = _round_axis(points[["value", "low", "high"]])
    else:
        scale, axis = alt.Scale(zero=False), alt.Axis(format="~g", tickCount=6)
    return lambda field: alt.Y(
        f"{field}:Q", title=f"{title}{spec.better} is better", scale=scale, axis=axis
    )


def _round_axis(values: pd.DataFrame | pd.Series) -> alt.Axis:
    """A logarithmic axis with 1, 2, 5 ticks, or the library's own where those are too few."""
    ticks = round_numbers(values)
    return alt.Axis(values=ticks or alt.Undefined, format="~g", labelOverlap="greedy", tickCount=5)


def _signed_axis(title: str, gains: pd.DataFrame) -> Callable[[str], alt.Y]:
    ticks = signed_ticks(gains)
    if ticks:
        scale = alt.Scale(type="symlog", constant=min(t for t in ticks if t > 0), nice=False)
        axis = alt.Axis(values=ticks, format="~g", grid=True)
    else:
        scale, axis = alt.Scale(), alt.Axis(format="~g", tickCount=6, grid=True)
    return lambda field: alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)


def _subtitle(frame: pd.DataFrame, metric: str, cost: _Cost) -> str:
    text = subtitle(frame, metric)
    return f"{text} · {batch_words(frame)}" if cost is _SECONDS else text
