"""The figures of a report: Vega-Lite specifications, SVG, PNG. The only file that knows Altair.

A specification holds its data; names taken from the user are data and titles, never field names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports import theme
from denoisebench.reports.charts import Figure, chart_title
from denoisebench.reports.decide.decisions import NOTHING, Decisions, decided
from denoisebench.reports.formats import PERCENT, slug
from denoisebench.reports.page.chart_data import (
    batch_words,
    changes,
    front_labels,
    gain_records,
    is_logarithmic,
    point_records,
    round_numbers,
    signed_ticks,
    subtitle,
)
from denoisebench.reports.rows.curves import curve_points, marginal_gains, sign, strength_points
from denoisebench.reports.rows.pareto import with_front


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
    base: int  # of the logarithmic axis; 0 for a linear one
    order: str = "steps"  # the field along which a curve runs


_STEPS = _Cost("steps", "Steps (num_inference_steps)", "steps", "steps", 2)
_NFE = _Cost("nfe", "NFE (denoiser evaluations per image)", "nfe", "denoiser evaluations", 2)
_SECONDS = _Cost("latency_p50_s", "Latency (s per image, median)", "seconds", "latency", 10)
_STRENGTH = _Cost(
    "strength",
    "Strength (share of the trajectory that is run)",
    "strength",
    "strength",
    0,
    "strength",
)
_RING_SIZE, _DEFAULT_SIZE = 260, 190  # square pixels; those of the other marks are theme.SIZES
_OWN_AXES = " Each panel has a value axis of its own."
_SMALLEST_SHARE = 0.2  # of a shared value axis that the points of one panel may fill


def figures(
    frame: pd.DataFrame, metric: str, estimates: dict[int, Estimate], decisions: Decisions = NOTHING
) -> list[Figure]:
    """All figures of a metric for which the frame has numbers; of a further one only its curves."""
    placed = _placed(frame, metric, curve_points(frame, metric))
    points = _with_default(decided(placed, metric, decisions))
    by_strength = _placed(frame, metric, strength_points(frame, metric))
    spec = metric_spec(metric)
    drawn = [
        _curves(frame, metric, points[points[cost.field].notna()], cost)
        for cost in ((_STEPS, _NFE, _SECONDS) if spec.is_main else (_STEPS,))
        if points[cost.field].notna().any()
        and (
            by_strength.empty or points["steps"].nunique() > 1
        )  # else its curves are single points
    ]
    if len(by_strength):
        drawn.append(_curves(frame, metric, by_strength, _STRENGTH))
    if not spec.is_main:
        return drawn
    gains = marginal_gains(frame, metric, estimates)
    if len(gains):
        drawn.append(_gains(frame, metric, gains))
    timed = with_front(points, sign(metric))
    if len(timed):
        drawn.append(_front(frame, metric, timed))
    return drawn


def _placed(frame: pd.DataFrame, metric: str, points: pd.DataFrame) -> pd.DataFrame:
    """With `place`: the number of the scheduler."""
    return points.assign(place=pd.factorize(points["scheduler"])[0])


def _curves(frame: pd.DataFrame, metric: str, points: pd.DataFrame, cost: _Cost) -> Figure:
    own_axes = _own_axes(metric, points)
    look, y = _look(points), _value_axis(metric, points, own_axes=own_axes)
    pick, shown = _highlight()
    base = alt.Chart().encode(x=_cost_axis(points, cost), color=look["color"])
    lines = base.mark_line().encode(
        y=y("value"),
        order=f"{cost.order}:Q",
        strokeDash=look["strokeDash"],
        strokeWidth=look["strokeWidth"],
        opacity=shown,
    )
    marks = _marks(base, look, cost.order).encode(y=y("value"), size=look["size"], opacity=shown)
    # A band runs along x: it needs two points, and costs that grow with the steps as the line does.
    banded = cost is not _SECONDS and points.groupby(["panel", "scheduler"]).size().min() > 1
    layers = [
        *(
            _bands(base, y, pick, len(_schedulers(points)))
            if banded
            else [_bars(base, y).encode(opacity=shown)]
        ),
        lines,
        marks.add_params(pick),
        *_decisions(base, y, look, points, cost),
        *([_zero()] if metric_spec(metric).is_signed else []),
    ]
    words = _Words(
        f"vs_{cost.stem}",
        f"{metric_spec(metric).label} against {cost.words}",
        _subtitle(frame, metric, cost),
        f"{'Bands' if banded else 'Bars'}: 95{PERCENT} confidence intervals of each value by "
        "itself. Neighbouring points share prompts and noise, so their difference is known better "
        f"than these suggest.{_decided_words(points)}{_OWN_AXES if own_axes else ''}",
    )
    return _figure(metric, point_records(points), layers, words, own_axes=own_axes)


def _own_axes(metric: str, points: pd.DataFrame) -> bool:
    """Whether an axis that all panels share would press the curves of one of them flat."""
    ends = points.groupby("panel")[["low", "high", "value"]].agg(["min", "max"])
    lowest, highest = ends.min(axis=1), ends.max(axis=1)
    if is_logarithmic(metric, points):
        lowest, highest = np.log(lowest), np.log(highest)
    spans = (highest - lowest)[points.groupby("panel").size() > 1]
    return bool((spans < _SMALLEST_SHARE * (highest.max() - lowest.min())).any())


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
        _zero(),
        _bars(base, y),
        _marks(base, look, along="change").encode(y=y("gain")),
    ]
    words = _Words(
        "gain_per_step",
        f"{label}: gain per extra step",
        f"{subtitle(frame, metric)} · above zero is an improvement",
        "Change between neighbouring step counts, divided by the steps added; above zero is an "
        f"improvement whatever the metric's direction. Bars: 95{PERCENT} intervals of the paired "
        "difference, same prompts and noise. A bar that reaches zero: no gain was resolved.",
    )
    return _figure(metric, gain_records(gains), layers, words)


def _front(frame: pd.DataFrame, metric: str, points: pd.DataFrame) -> Figure:
    look, y = _look(points), _value_axis(metric, points)
    width = theme.PANEL_WIDTHS[_columns(points["panel"].nunique())]
    points = front_labels(points, metric, (width, theme.PANEL_HEIGHT))
    base = alt.Chart().encode(x=_cost_axis(points, _SECONDS))
    beaten = base.transform_filter("!datum.front").encode(color=alt.value(theme.FAINT))
    front = base.transform_filter("datum.front")
    coloured = front.encode(color=look["color"])
    layers = [
        front.mark_line(interpolate="step-after", color=theme.QUIET, strokeWidth=1.2).encode(
            y=y("value"), order=f"{_SECONDS.field}:Q"
        ),
        _bars(beaten, y),
        _marks(beaten, look).encode(y=y("value")),
        _bars(coloured, y),
        _marks(coloured, look).encode(y=y("value"), size=alt.value(theme.SIZES[0])),
        *_labels(front.encode(y=y("value"))),
    ]
    words = _Words(
        "vs_latency_pareto",
        f"{metric_spec(metric).label} against latency, with the Pareto front",
        _subtitle(frame, metric, _SECONDS),
        "In colour, with scheduler and steps: cells that no other cell beats on both axes, as "
        f"measured. Bars: 95{PERCENT} confidence intervals of the value.",
    )
    return _figure(metric, point_records(points), layers, words)


def _figure(
    metric: str, records: list[dict], layers: list, words: _Words, *, own_axes: bool = False
) -> Figure:
    """Layers over the records, one panel beside the other, with own_axes each with its own y."""
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
    return Figure(f"{slug(metric)}_{words.stem}", words.title, words.note, spec)


def _columns(panels: int) -> int:
    """How many panels stand side by side."""
    return {1: 1, 2: 2, 4: 2}.get(panels, 3)


def _bands(
    base: alt.Chart, y: Callable[[str], alt.Y], pick: alt.Parameter, count: int
) -> list[alt.Chart]:
    """Intervals along the lines, with edges; pale where many of them lie over each other."""
    pale, edge = (
        alt.condition(pick, alt.value(min(most, all_together / count)), alt.value(0.02))
        for most, all_together in ((0.08, 0.3), (0.5, 2.0))
    )
    return [
        base.mark_area().encode(y=y("low"), y2="high:Q", opacity=pale),
        *(
            base.mark_line(strokeWidth=0.8).encode(y=y(end), opacity=edge)
            for end in ("low", "high")
        ),
    ]


def _bars(base: alt.Chart, y: Callable[[str], alt.Y]) -> alt.Chart:
    """The interval of each point by itself."""
    return base.mark_rule(strokeWidth=1.4).encode(y=y("low"), y2="high:Q")


def _with_default(points: pd.DataFrame) -> pd.DataFrame:
    """With `default`, what is written beside the recommended default: `default: ddim, 8 steps`."""
    if "recommended" not in points:
        return points
    setting = points["scheduler"] + ", " + points["steps"].astype(str) + " steps"
    return points.assign(default=("default: " + setting).where(points["recommended"]))


def _decisions(
    base: alt.Chart, y: Callable[[str], alt.Y], look: dict, points: pd.DataFrame, cost: _Cost
) -> list[alt.Chart]:
    """Rings where curves come within the margin; the recommended default, named, over all else.

    Curves coincide just where they do not gain any more: the default's own marker is drawn last and
    larger than every other, so that no ring or marker of another curve is taken for it.
    """
    if "flat" not in points:
        return []
    ring, label = _rings(base, y), _default_label(points[cost.field], cost)
    named = base.transform_filter("datum.recommended").encode(y=y("value"))
    return [
        ring.transform_filter("datum.flat && !datum.recommended"),
        ring.transform_filter("datum.flat && datum.recommended"),
        named.mark_point(
            filled=True, size=_DEFAULT_SIZE, opacity=1, stroke=theme.INK, strokeWidth=1.5
        ).encode(shape=look["shape"]),
        named.mark_text(stroke="white", strokeWidth=3, **label).encode(
            text="default:N", color=alt.value("white")
        ),
        named.mark_text(**label).encode(text="default:N", color=alt.value(theme.INK)),
    ]


def _rings(base: alt.Chart, y: Callable[[str], alt.Y]) -> alt.Chart:
    return base.mark_point(
        shape="circle", size=_RING_SIZE, filled=False, strokeWidth=2, opacity=1
    ).encode(y=y("value"))


def _default_label(costs: pd.Series, cost: _Cost) -> dict[str, Any]:
    """How the default's name is written: above its marker, and inwards near an end of the axis."""
    low, high = float(costs.min()), float(costs.max())
    share = (
        f"log(datum.{cost.field} / {low}) / log({high / low})"
        if cost.base and high > low
        else "0.5"
    )
    align = f"{share} < 0.3 ? 'left' : {share} > 0.7 ? 'right' : 'center'"
    look = {"dy": -18, "fontWeight": "bold", "fontSize": theme.LABEL_SIZE}
    return {"align": alt.expr(align), **look}


def _decided_words(points: pd.DataFrame) -> str:
    if "flat" not in points:
        return ""
    return (
        " Ring: the smallest step count from which the curve is within the margin, by every metric "
        "that decides, of its largest. Large marker, “default”: what is recommended by this metric."
    )


def _zero() -> alt.Chart:
    return alt.Chart().mark_rule(color="#8c959f").encode(y=alt.datum(0))


def _labels(base: alt.Chart) -> list[alt.Chart]:
    """The labels of chart_data.front_labels on a white halo, each with a rule to its point."""
    dx, dy = alt.expr("datum.label_dx"), alt.expr("datum.label_dy")

    def texts(**look: Any) -> alt.Chart:
        return base.mark_text(
            align="left", baseline="middle", dx=dx, dy=dy, fontSize=theme.LABEL_SIZE, **look
        ).encode(text="label:N")

    rule = base.mark_rule(color=theme.QUIET, strokeWidth=0.6, y2Offset=dy)
    return [
        rule.encode(y2="value:Q"),
        texts(stroke="white", strokeWidth=3),
        texts(color=theme.INK),
    ]


def _marks(base: alt.Chart, look: dict, along: str = "steps") -> alt.Chart:
    """Point markers with their tooltip; `along` is the field that tells those of a curve apart."""
    texts = {
        "scheduler": "scheduler",
        along: "strength" if along == "strength" else "steps",
        "nfe": "NFE",
        "value_text": "gain per step" if along == "change" else "value ± se",
        "interval_text": f"95{PERCENT} interval",
        "latency_text": "latency per image",
    }
    if along == "change":
        texts = {name: text for name, text in texts.items() if name not in ("nfe", "latency_text")}
    tooltip = [alt.Tooltip(f"{name}:N", title=text) for name, text in texts.items()]
    return base.mark_point(filled=True, size=55, opacity=1, stroke="white", strokeWidth=0.7).encode(
        shape=look["shape"], tooltip=tooltip
    )


def _look(points: pd.DataFrame) -> dict:
    """Colour and shape of each scheduler, in one legend; dash, size and width of its `place`."""
    names = _schedulers(points)
    legend = alt.Legend(orient="top", columns=theme.LEGEND_COLUMNS, symbolOpacity=1)

    def cycle(domain: list, looks: Sequence) -> alt.Scale:
        return alt.Scale(domain=domain, range=[looks[i % len(looks)] for i in range(len(domain))])

    def falling(ends: tuple[float, float]) -> alt.Scale:
        return alt.Scale(domain=[0, max(1, len(names) - 1)], range=ends)

    dashes = cycle([*range(len(names))], theme.DASHES)
    colours, shapes = cycle(names, theme.COLOURS), cycle(names, theme.SHAPES)
    return {
        "color": alt.Color("scheduler:N", title=None, legend=legend, scale=colours),
        "shape": alt.Shape("scheduler:N", title=None, legend=legend, scale=shapes),
        "strokeDash": alt.StrokeDash("place:O", legend=None, scale=dashes),
        "strokeWidth": alt.StrokeWidth("place:Q", legend=None, scale=falling(theme.WIDTHS)),
        "size": alt.Size("place:Q", legend=None, scale=falling(theme.SIZES)),
    }


def _schedulers(points: pd.DataFrame) -> list[str]:
    return points["scheduler"].unique().tolist()


def _highlight() -> tuple[alt.Parameter, Any]:
    """A click on the legend keeps one scheduler and fades the others."""
    pick = alt.selection_point(fields=["scheduler"], bind="legend")
    return pick, alt.condition(pick, alt.value(1), alt.value(0.12))


def _cost_axis(points: pd.DataFrame, cost: _Cost) -> alt.X:
    axis = alt.Axis(format="~r", labelOverlap="greedy", tickCount=6)
    if cost is _STEPS:
        axis = alt.Axis(values=sorted(points["steps"].unique().tolist()), labelOverlap="greedy")
    if cost is _SECONDS:
        axis = _round_axis(points[cost.field])
    return alt.X(
        f"{cost.field}:Q",
        title=cost.axis_title,
        scale=_cost_scale(cost),
        axis=axis,
    )


def _cost_scale(cost: _Cost) -> alt.Scale:
    if not cost.base:
        return alt.Scale(domain=[0, 1])
    return alt.Scale(type="log", base=cost.base, nice=False, padding=14)


def _value_axis(
    metric: str, points: pd.DataFrame, *, own_axes: bool = False
) -> Callable[[str], alt.Y]:
    """The same y encoding for every field drawn on it."""
    spec = metric_spec(metric)
    title = f"{spec.label} ({spec.unit}), " if spec.unit else f"{spec.label}, "
    if is_logarithmic(metric, points):
        scale = alt.Scale(type="log", nice=False, padding=6)
        axis = (
            alt.Axis(format="~r", labelOverlap="greedy", tickCount=5)
            if own_axes  # ticks of the whole range may all lie outside one panel's
            else _round_axis(points[["value", "low", "high"]])
        )
    else:
        scale, axis = alt.Scale(zero=False), alt.Axis(format="~r", tickCount=6)
    return lambda field: alt.Y(
        f"{field}:Q", title=f"{title}{spec.direction}", scale=scale, axis=axis
    )


def _round_axis(values: pd.DataFrame | pd.Series) -> alt.Axis:
    """A logarithmic axis with 1, 2, 5 ticks, or the library's own where those are too few."""
    ticks = round_numbers(values)
    return alt.Axis(values=ticks or alt.Undefined, format="~r", labelOverlap="greedy", tickCount=5)


def _signed_axis(title: str, gains: pd.DataFrame) -> Callable[[str], alt.Y]:
    ticks, padding = signed_ticks(gains), theme.PANEL_HEIGHT / 20  # bars keep off the frame
    if ticks:
        constant = min(t for t in ticks if t > 0)
        scale = alt.Scale(type="symlog", constant=constant, nice=False, padding=padding)
        axis = alt.Axis(values=ticks, format="~r", grid=True)
        titles = [title, "(symmetric-logarithmic axis)"]
    else:
        scale, titles = alt.Scale(padding=padding), [title]
        axis = alt.Axis(format="~r", tickCount=6, grid=True)
    return lambda field: alt.Y(f"{field}:Q", title=titles, scale=scale, axis=axis)


def _subtitle(frame: pd.DataFrame, metric: str, cost: _Cost) -> str:
    text = subtitle(frame, metric)
    return f"{text} · {batch_words(frame)}" if cost is _SECONDS else text
