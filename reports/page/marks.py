"""What the figures are drawn with: marks in the looks of their schedulers, intervals, labels."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from denoisebench.reports import theme
from denoisebench.reports.formats import PERCENT
from denoisebench.reports.page.axes import Cost, ValueAxis
from denoisebench.reports.page.looks import Look

ENDS = "ends"  # the layer that narrow pages leave out
_RING_SIZE, _DEFAULT_SIZE = 260, 190  # square pixels; those of the other marks are theme.SIZES


def bands(base: alt.Chart, y: ValueAxis, pick: alt.Parameter, *, count: int) -> list[alt.Chart]:
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


def have_intervals(points: pd.DataFrame) -> bool:
    """Whether any of the points has one: an empty layer has no extent, and the browser is warned of
    it."""
    return bool(points["low"].notna().any())


def intervals(base: alt.Chart, y: ValueAxis) -> alt.Chart:
    """The interval of each point by itself."""
    rules: alt.Chart = base.mark_rule(strokeWidth=1.4).encode(y=y("low"), y2="high:Q")
    return rules


def decision_marks(
    base: alt.Chart, y: ValueAxis, look: dict[str, Any], *, points: pd.DataFrame, cost: Cost
) -> list[alt.Chart]:
    """Rings where curves come within the margin; the recommended default, named, over all else.

    Curves coincide just where they do not gain any more: the default's own marker is drawn last and
    larger than every other, so that no ring or marker of another curve is taken for it.
    """
    if "flat" not in points:
        return []
    ring, align = rings(base, y), _align_of_name(points[cost.field], cost)
    flat, recommended = points["flat"], points["recommended"]
    tests = {
        "datum.flat && !datum.recommended": flat & ~recommended,
        "datum.flat && datum.recommended": flat & recommended,
    }
    drawn = [ring.transform_filter(test) for test, held in tests.items() if held.any()]
    if not recommended.any():  # an empty layer has no extent, and the browser is warned of it
        return drawn
    return [
        *drawn,
        *named_default(base.transform_filter("datum.recommended"), y, look, align=align),
    ]


def named_default(
    base: alt.Chart, y: ValueAxis, look: dict[str, Any], *, align: str
) -> list[alt.Chart]:
    """Recommended cells, large, with their names above them; align: an expression of a row."""
    named = base.encode(y=y("value"))
    label: dict[str, Any] = {"dy": -18, "fontWeight": "bold", "fontSize": theme.LABEL_SIZE}
    label["align"] = alt.expr(align)
    return [
        named.mark_point(
            filled=True, size=_DEFAULT_SIZE, opacity=1, stroke=theme.INK, strokeWidth=1.5
        ).encode(shape=look["shape"]),
        named.mark_text(stroke="white", strokeWidth=3, **label).encode(
            text="default:N", color=alt.value("white")
        ),
        named.mark_text(**label).encode(text="default:N", color=alt.value(theme.INK)),
    ]


def rings(base: alt.Chart, y: ValueAxis) -> alt.Chart:
    """A ring around each point."""
    marks: alt.Chart = base.mark_point(
        shape="circle", size=_RING_SIZE, filled=False, strokeWidth=2, opacity=1
    ).encode(y=y("value"))
    return marks


def _align_of_name(costs: pd.Series, cost: Cost) -> str:
    """The side of its marker on which the default's name lies: inwards near an end of the axis."""
    low, high = float(costs.min()), float(costs.max())
    share = (
        f"log(datum.{cost.field} / {low}) / log({high / low})"
        if cost.base and high > low
        else "0.5"
    )
    return f"{share} < 0.3 ? 'left' : {share} > 0.7 ? 'right' : 'center'"


def zero_line() -> alt.Chart:
    line: alt.Chart = alt.Chart().mark_rule(color=theme.AXIS).encode(y=alt.datum(0))
    return line


def point_labels(base: alt.Chart) -> list[alt.Chart]:
    """The labels of chart_data.front_labels on a white halo, each with a rule to its point."""
    dx, dy = alt.expr("datum.label_dx"), alt.expr("datum.label_dy")

    def texts(**look: Any) -> alt.Chart:
        labels: alt.Chart = base.mark_text(
            align="left", baseline="middle", dx=dx, dy=dy, fontSize=theme.LABEL_SIZE, **look
        ).encode(text="label:N")
        return labels

    rule = base.mark_rule(color=theme.QUIET, strokeWidth=0.6, y2Offset=dy)
    return [
        rule.encode(y2="value:Q"),
        texts(color="white", stroke="white", strokeWidth=3),
        texts(color=theme.INK),
    ]


def end_labels(base: alt.Chart, y: ValueAxis, shown: Any) -> alt.Chart:
    """Names beside the last points of curves, those of chart_data.end_names."""
    labels: alt.Chart = (
        base.transform_filter("isValid(datum.end)")
        .mark_text(align="left", baseline="middle", dx=9, fontSize=theme.LABEL_SIZE)
        .encode(y=y("value"), text="end:N", color=alt.value(theme.INK), opacity=shown)
        .properties(name=ENDS)
    )
    return labels


def markers(base: alt.Chart, look: dict[str, Any], along: str = "steps") -> alt.Chart:
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
    points: alt.Chart = base.mark_point(
        filled=True, size=55, opacity=1, stroke="white", strokeWidth=0.7
    ).encode(shape=look["shape"], tooltip=tooltip)
    return points


def channels(looks: Sequence[Look], field: str = "scheduler") -> dict[str, Any]:
    """Colour and shape of each scheduler, or what else a field names, in one legend; dash, size and
    width of its `place`."""
    names = [look.name for look in looks]
    columns = max(1, min(theme.LEGEND_COLUMNS, len(names)))
    legend = alt.Legend(orient="top", columns=columns, symbolOpacity=1, symbolLimit=0)

    def scale(domain: list[Any], outcomes: list[Any]) -> alt.Scale:
        return alt.Scale(domain=domain, range=outcomes)

    def falling(ends: tuple[float, float]) -> alt.Scale:
        return alt.Scale(domain=[0, max(1, len(names) - 1)], range=ends)

    colours = scale(names, [look.colour for look in looks])
    shapes = scale(names, [look.shape for look in looks])
    dashes = scale([*range(len(names))], [look.dash for look in looks])
    return {
        "color": alt.Color(f"{field}:N", title=None, legend=legend, scale=colours),
        "shape": alt.Shape(f"{field}:N", title=None, legend=legend, scale=shapes),
        "strokeDash": alt.StrokeDash("place:O", legend=None, scale=dashes),
        "strokeWidth": alt.StrokeWidth("place:Q", legend=None, scale=falling(theme.WIDTHS)),
        "size": alt.Size("place:Q", legend=None, scale=falling(theme.SIZES)),
    }


def highlight(shown: Sequence[str] = ()) -> tuple[alt.Parameter, Any]:
    """A click on the legend keeps one scheduler and fades the others; `shown` ones are kept from
    the start."""
    value = [{"scheduler": name} for name in shown] or alt.Undefined
    pick = alt.selection_point(name="pick", fields=["scheduler"], bind="legend", value=value)
    return pick, alt.condition(pick, alt.value(1), alt.value(0.12))
