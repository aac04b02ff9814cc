"""What a chart needs beside its points: records in plain Python, words for tooltips, labels.

Knows nothing of the plot library.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from denoisebench.bench.records.names import describe
from denoisebench.metrics.specs import is_between_distributions, metric_spec
from denoisebench.reports import theme
from denoisebench.reports.formats import duration, number, places_of, plus_minus
from denoisebench.reports.rows.curves import sign
from denoisebench.reports.rows.pareto import Front

_LETTER, _LINE = 6, 13  # pixels that a label takes, for each letter and in height
_RIGHT = 0.85  # of the longest axis value of a panel, from which a curve ends at its right
_LONGEST = 18  # letters of a name that is written at the end of a curve
# The same for the page's script, which writes such names too.
END_NAMES = {
    "letter": _LETTER,
    "line": _LINE,
    "right": _RIGHT,
    "longest": _LONGEST,
    "height": theme.PANEL_HEIGHT,
}


def point_records(points: pd.DataFrame) -> list[dict[str, Any]]:
    """Points of a curve with the texts of their tooltips: value, interval, latency."""
    measured = zip(points["value"], points["se"], strict=True)
    values = [plus_minus(value, se) for value, se in measured]
    latencies = [duration(seconds) for seconds in points["latency_p50_s"]]
    intervals = _intervals(points, [*map(places_of, points["se"])])
    return plain_records(
        points.assign(value_text=values, interval_text=intervals, latency_text=latencies)
    )


def gain_records(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Marginal gains with `change` ("8 → 16") and the texts of their tooltips."""
    decimals = [*map(places_of, gains["se"])]
    return plain_records(
        gains.assign(
            change=changes(gains),
            value_text=[number(g, d) for g, d in zip(gains["gain"], decimals, strict=True)],
            interval_text=_intervals(gains, decimals),
        )
    )


def changes(gains: pd.DataFrame) -> list[str]:
    """`8 → 16` for each row."""
    return [f"{a} → {b}" for a, b in zip(gains["steps_from"], gains["steps_to"], strict=True)]


def front_labels(
    front: Front, metric: str, panel: tuple[float, float], *, logarithmic: bool
) -> pd.DataFrame:
    """The points of a front with `label` and its shift label_dx, label_dy.

    Shifts are in pixels, panel is its width and height in pixels. A label lies on the side of the
    front where points are beaten, and beyond the labels right of it that it would cover.
    logarithmic: whether the value axis is.
    """
    points, cost = front.points, front.points[front.cost].astype(float).map(math.log)
    away = -sign(metric)  # upwards, along the value axis, where lower is better
    scale = np.log if logarithmic else np.positive
    x = _pixels(cost, cost, panel[0])
    y = _pixels(scale(points["value"]), scale(points[["value", "low", "high"]]), panel[1])
    steps = " " + points["steps"].astype(str)
    text = points["scheduler"] + steps.where(points["steps"] > 0, "")  # 0: not known
    length = _LETTER * text.str.len()
    start = (x + 6).clip(upper=panel[0] - length)
    height = pd.Series(math.nan, index=points.index)
    for _, cells in points[points["front"]].sort_values(front.cost).groupby("panel"):
        i = cells.index
        height[i] = stacked(*(v[i].to_numpy() for v in (start, start + length, away * y)))
    return points.assign(label=text, label_dx=start - x, label_dy=y - away * height)


def end_names(
    points: pd.DataFrame, along: str, x: str, *, logarithmic: bool, own_axes: bool
) -> pd.Series:
    """The scheduler at the last point of each curve that ends at the right of its panel, where no
    other curve ends within a line of text; None elsewhere.

    along, x: the fields along which curves run, and of the horizontal axis."""
    scale = np.log if logarithmic else np.positive
    names: pd.Series = pd.Series(None, index=points.index, dtype=object)
    for _, panel in points.groupby("panel", sort=False):
        shown = (panel if own_axes else points)[["value", "low", "high"]]
        last = panel.loc[panel.groupby("scheduler")[along].idxmax()]
        y = _pixels(scale(last["value"]), scale(shown), theme.PANEL_HEIGHT).to_numpy()
        nearest = np.abs(y[:, None] - y) + np.where(np.eye(len(y)), np.inf, 0.0)
        fits = nearest.min(axis=1, initial=np.inf) >= _LINE
        fits &= (last["scheduler"].str.len() <= _LONGEST).to_numpy()
        fits &= (last[x] >= _RIGHT * panel[x].max()).to_numpy(dtype=bool)
        names[last.index[fits]] = last["scheduler"][fits]
    return names


def room_for(names: pd.Series) -> int:
    """Pixels that names take right of their curves."""
    return max((_LETTER * (len(name) + 2) for name in names.dropna()), default=0)


def stacked(start: np.ndarray, end: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Heights [N] of texts from start to end: a line above bottom and all later texts beneath."""
    height = np.array(bottom)
    for i in reversed(range(len(height))):
        beneath = height[i + 1 :][start[i + 1 :] < end[i]]
        height[i] = _LINE + max(height[i], beneath.max(initial=height[i]))
    return height


def subtitle(frame: pd.DataFrame, metric: str, *, is_timed: bool = False) -> str:
    """What all cells share, which direction is better, and how latencies were timed."""
    shared = {name: _only_value(frame[name]) for name in ("model", "task", "samples")}
    words = describe(shared, [name for name, value in shared.items() if value is not None])
    per_cell = " per cell" if shared["samples"] else ""
    timed = f" · {batch_words(frame)}" if is_timed else ""
    return f"{words}{per_cell} · {metric_spec(metric).direction}{timed}"


def cut_words(metric: str, points: pd.DataFrame) -> str:
    """What intervals are not: below 0, where no distance is, and drawn where they are unknown."""
    cut = is_between_distributions(metric) and (points["low"] == 0).any()
    ends = " They are cut at 0: no distance is below, though an estimate can be." if cut else ""
    unknown = (
        " A value without one has too few samples to know it." if points["low"].isna().any() else ""
    )
    return ends + unknown


def _only_value(column: pd.Series) -> object:
    """The value that all rows share, None when they differ or there are no rows."""
    values = column.unique()
    return values[0] if len(values) == 1 else None


def batch_words(frame: pd.DataFrame) -> str:
    """The batch size of the latency pass: `batch of 1`, or its range."""
    sizes = sorted(frame["latency_batch_size"].dropna().unique())
    return f"batch of {' to '.join(f'{s:g}' for s in dict.fromkeys((sizes[0], sizes[-1])))}"


def _pixels(values: pd.Series, shown: ArrayLike, length: float) -> pd.Series:
    """Places of values on an axis of so many pixels that holds all that is shown."""
    ends = (np.nanmin(shown), np.nanmax(shown))
    return pd.Series(np.interp(values, ends, (0, length)), index=values.index)


def _intervals(table: pd.DataFrame, decimals: list[int]) -> list[str]:
    bounds = zip(table["low"], table["high"], decimals, strict=True)
    return [f"{number(low, d)} to {number(high, d)}" for low, high, d in bounds]


def plain_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts of str, int, float, bool and None, ready for JSON."""
    return [
        {str(name): _scalar(value) for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _scalar(value: object) -> object:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
