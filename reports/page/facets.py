"""A figure of panels side by side, of layers over one table of records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from denoisebench.reports import theme
from denoisebench.reports.charts import Figure, chart_title

GAP = 20  # pixels between panels


@dataclass(frozen=True)
class Words:
    """The texts of a figure."""

    name: str  # file stem
    title: str
    subtitle: str
    note: str
    finding: str = ""


def faceted(
    records: Sequence[dict[str, Any]],
    layers: Sequence[alt.Chart],
    words: Words,
    *,
    own_axes: bool = False,
    beside: int = 0,
    height: float = theme.PANEL_HEIGHT,
) -> Figure:
    """Layers over the records, one panel beside the other by their field `panel`.

    own_axes: whether each panel has its own y. beside: pixels that stay free right of each.
    """
    panels = list(dict.fromkeys(record["panel"] for record in records))
    columns = columns_of(len(panels))
    chart = (
        alt.layer(*layers, data=alt.NamedData("cells"))
        .properties(width=theme.PANEL_WIDTHS[columns], height=height)
        .facet(alt.Facet("panel:N", title=None, sort=panels), columns=columns)
        .properties(title=chart_title(words.title, words.subtitle))
    )
    if own_axes:
        chart = chart.resolve_scale(y="independent")
    spec = chart.to_dict(validate=False)  # a test validates; here it takes seconds
    spec |= {"datasets": {"cells": [*records]}, "config": theme.CONFIG}
    if beside:
        spec |= {"spacing": {"column": GAP + beside, "row": GAP}, "usermeta": {"beside": beside}}
    return Figure(words.name, words.title, words.note, spec, words.finding)


def columns_of(panels: int) -> int:
    """How many panels stand side by side."""
    return {1: 1, 2: 2, 4: 2}.get(panels, 3)
