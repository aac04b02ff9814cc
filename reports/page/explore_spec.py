"""The specification of the chart to ask. It holds no data: explore.js gives it rows with the fields
below, the scales of its axes, and leaves out the layers that have nothing to show."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from denoisebench.reports import theme
from denoisebench.reports.formats import PERCENT
from denoisebench.reports.page.looks import Look
from denoisebench.reports.page.marks import (
    ENDS,
    bands,
    channels,
    end_labels,
    intervals,
    named_default,
    rings,
    zero_line,
)

_NEVER = "never"  # an event that no browser sends: the page chooses
# Fields of a row beside cell, scheduler, place, panel, line, order, x, value, low, high, end.
_TEXTS = {
    "name": "cell",
    "text": "value ± se",
    "interval": f"95{PERCENT} interval",
    "samples": "samples",
    "latency": "latency per image",
    "against": "less the default",
}


def explore_spec(looks: Sequence[Look]) -> dict[str, Any]:
    """Vega-Lite of one panel beside the other. Layers by name: bands_0 to bands_2, bars, lines,
    points, ends, rings, default_0 to default_2, zero."""
    look = channels(looks)
    pick, pin = (
        alt.selection_point(name=name, fields=[field], on=_NEVER, clear=False)
        for name, field in (("pick", "scheduler"), ("pin", "cell"))
    )
    shown = alt.condition(pick, alt.value(1), alt.value(0.12))
    base = alt.Chart().encode(x=alt.X("x:Q"), color=look["color"], detail="line:N")

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q")

    lines = base.mark_line(clip=True).encode(
        y=y("value"),
        order="order:Q",
        strokeDash=look["strokeDash"],
        strokeWidth=look["strokeWidth"],
        opacity=shown,
    )
    points = base.mark_point(filled=True, opacity=1, cursor="pointer").encode(
        y=y("value"),
        shape=look["shape"],
        size=look["size"],
        opacity=shown,
        stroke=alt.condition(pin, alt.value(theme.INK), alt.value("white"), empty=False),
        strokeWidth=alt.condition(pin, alt.value(3), alt.value(0.7), empty=False),
        tooltip=[alt.Tooltip(f"{name}:N", title=title) for name, title in _TEXTS.items()],
    )
    # On an axis of its own a panel without such a cell has one that is not seen: of nothing the
    # library makes no axis.
    flat, recommended = (
        (
            base.transform_filter(f"datum.{name} || datum.unseen"),
            alt.condition(f"datum.{name}", alt.value(1), alt.value(0)),
        )
        for name in ("flat", "recommended")
    )
    default = named_default(recommended[0], y, look, align="datum.align")
    layers = {
        **{f"bands_{i}": band for i, band in enumerate(bands(base, y, pick, count=len(looks)))},
        "bars": intervals(base, y).encode(opacity=shown),
        "lines": lines,
        "points": points.add_params(pick, pin),
        ENDS: end_labels(base, y, shown),
        "rings": rings(flat[0], y).encode(opacity=flat[1]),
        **{f"default_{i}": mark.encode(opacity=recommended[1]) for i, mark in enumerate(default)},
        "zero": zero_line(),
    }
    named = [layer.properties(name=name) for name, layer in layers.items()]
    chart = (
        alt.layer(*named, data=alt.NamedData("cells"))
        .properties(width=theme.PANEL_WIDTHS[1], height=theme.PANEL_HEIGHT)
        .facet(alt.Facet("panel:N", title=None), columns=3)
    )
    spec: dict[str, Any] = chart.to_dict(validate=False)
    for layer in spec["spec"]["layer"]:  # the legend of the page stands in for that of the chart
        for channel in ("color", "shape"):
            if "scale" in layer["encoding"].get(channel, {}):
                layer["encoding"][channel]["legend"] = None
    return spec | {"config": {**theme.CONFIG, "background": "transparent"}}
