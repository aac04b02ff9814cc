"""The figures of a report at the width of a paper's column, with text of 7 to 8 points.

A figure is laid out at one and a half pixels a point and then made smaller as a whole, so lines,
markers and letters keep their proportions.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from denoisebench.reports import theme
from denoisebench.reports.charts import Figure, to_svg

WIDTHS_IN = {"single": 3.25, "double": 6.75}  # inches, of a column and of two
POINTS = 72  # in an inch
_SCALE = 1.5  # pixels of the layout in a point: 12 pixels are text of 8 points, 11 of 7.3
_NARROWEST = 190  # pixels of a panel, where a figure does not say
_LOWEST = 200  # pixels of a panel
_ROUNDS = 3  # of fitting: what stands beside the panels changes a little with their width
_SIZE = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"')
_BLACK = "#000000"
_FRAME = 110  # pixels beside the panels, before they are measured
_TEXT = 12  # pixels
_PRINT: dict[str, dict[str, Any]] = {
    "axis": {"labelColor": _BLACK, "titleColor": _BLACK, "domainColor": _BLACK},
    "header": {"labelFontSize": _TEXT, "labelColor": _BLACK},
    "legend": {"labelFontSize": _TEXT, "labelColor": _BLACK, "titleColor": _BLACK},
}


def in_print(figure: Figure, width_in: float) -> str:
    """The SVG of a figure, so many inches wide: no title, which is the caption's, black text."""
    target = width_in * POINTS * _SCALE
    spec = _printed(figure.spec)
    for columns in range(theme.LEGEND_COLUMNS, 0, -1):
        svg = _fitted(_with_legend(spec, columns), target)
        if _width(svg) <= target:
            break
    return _sized(svg, target, width_in)


def in_points(svg: str) -> str:
    """An SVG whose size is in inches with the size in points, as a PDF has it."""
    return re.sub(r'="([\d.]+)in"', lambda size: f'="{float(size[1]) * POINTS:g}"', svg, count=2)


def _fitted(spec: dict[str, Any], target: float) -> str:
    """The SVG at the widest panels with which it is no wider than the target."""
    count = len({*_facet_values(spec)})
    narrowest = spec.get("usermeta", {}).get("narrowest", _NARROWEST)
    columns = max(1, min(spec["columns"], count, int((target - _FRAME) // narrowest)))
    panel = (target - _FRAME) / columns
    for _ in range(_ROUNDS):
        svg = to_svg(Figure("", "", "", _with_panels(spec, columns, panel)))
        panel = max(narrowest / 2, panel + (target - _width(svg) - 1) / columns)
    return svg


def _facet_values(spec: Mapping[str, Any]) -> list[Any]:
    field = spec["facet"]["field"]
    (records,) = spec["datasets"].values()
    return [record[field] for record in records]


def _with_panels(spec: dict[str, Any], columns: int, width: float) -> dict[str, Any]:
    height = min(max(0.75 * width, _LOWEST), theme.PANEL_HEIGHT)
    panel = {**spec["spec"], "width": width, "height": height}
    return {**spec, "columns": columns, "spec": panel, "spacing": 14}


def _printed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The specification in black, without title and names beside curves: the legend has them."""
    layers = [layer for layer in spec["spec"]["layer"] if layer.get("name") != "ends"]
    config = dict(spec["config"])
    for part, look in _PRINT.items():
        config[part] = {**config[part], **look}
    kept = {name: value for name, value in spec.items() if name != "title"}
    return {**kept, "spec": {**spec["spec"], "layer": layers}, "config": config, "padding": 3}


def _with_legend(spec: Mapping[str, Any], columns: int) -> dict[str, Any]:
    """The figure with its legends in so many columns."""
    layers = [
        {**layer, "encoding": {n: _in_columns(part, columns) for n, part in encoding.items()}}
        if (encoding := layer.get("encoding"))
        else layer
        for layer in spec["spec"]["layer"]
    ]
    return {**spec, "spec": {**spec["spec"], "layer": layers}}


def _in_columns(part: Any, columns: int) -> Any:
    legend = part.get("legend") if isinstance(part, dict) else None
    if not legend:
        return part
    least = min(columns, legend.get("columns", columns))
    return {**part, "legend": {**legend, "columns": least}}


def _width(svg: str) -> float:
    return _size(svg)[0]


def _size(svg: str) -> Sequence[float]:
    match = _SIZE.search(svg)
    assert match, "Vega writes the size of an SVG"
    return [float(length) for length in match.groups()]


def _sized(svg: str, target: float, width_in: float) -> str:
    """The same drawing with a size in inches; what is wider than the target is made smaller."""
    width, height = _size(svg)
    box = max(width, target)
    height_in = height * width_in / box
    head = f'width="{width_in:g}in" height="{height_in:.4f}in" viewBox="0 0 {box:g} {height:g}"'
    start = re.sub(r' (width|height|viewBox)="[^"]*"', "", svg[: svg.index(">")])
    return f"{start} {head}{svg[svg.index('>') :]}"
