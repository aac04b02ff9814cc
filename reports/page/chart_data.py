"""What a chart needs beside its points: records in plain Python, words for tooltips, axis choices.

Knows nothing of the plot library.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from denoisebench.bench.records.names import describe
from denoisebench.metrics.specs import is_between_distributions, metric_spec
from denoisebench.reports.formats import decimals_for, duration, number, plus_minus
from denoisebench.reports.rows.curves import Z95, sign
from denoisebench.reports.rows.frame import only_value

_LETTER, _LINE = 6, 13  # pixels that a label takes, for each letter and in height


def point_records(points: pd.DataFrame) -> list[dict[str, Any]]:
    """Points of a curve with the texts of their tooltips: value, interval, latency."""
    decimals = decimals_for(points["se"])
    measured = zip(points["value"], points["se"], strict=True)
    values = [plus_minus(value, se, decimals) for value, se in measured]
    latencies = [duration(seconds) for seconds in points["latency_p50_s"]]
    intervals = _intervals(points, [decimals] * len(points))
    return _plain(points.assign(value_text=values, interval_text=intervals, latency_text=latencies))


def gain_records(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Marginal gains with `change` ("8 → 16") and the texts of their tooltips."""
    decimals = [decimals_for([se], most=6) for se in gains["se"]]
    return _plain(
        gains.assign(
            change=changes(gains),
            value_text=[number(g, d) for g, d in zip(gains["gain"], decimals, strict=True)],
            interval_text=_intervals(gains, decimals),
        )
    )


def changes(gains: pd.DataFrame) -> list[str]:
    """`8 → 16` for each row."""
    return [f"{a} → {b}" for a, b in zip(gains["steps_from"], gains["steps_to"], strict=True)]


def front_labels(points: pd.DataFrame, metric: str, panel: tuple[float, float]) -> pd.DataFrame:
    """Points (of pareto.with_front) with `label` and its shift label_dx, label_dy.

    Shifts are in pixels, panel is its width and height in pixels. A label lies on the side of the
    front where points are beaten, and beyond the labels right of it that it would cover.
    """
    away = -sign(metric)  # upwards, along the value axis, where lower is better
    scale = np.log if is_logarithmic(metric, points) else np.positive
    x = _pixels(np.log(points["latency_p50_s"]), np.log(points["latency_p50_s"]), panel[0])
    y = _pixels(scale(points["value"]), scale(points[["value", "low", "high"]]), panel[1])
    text = points["scheduler"] + " " + points["steps"].astype(str)
    length = _LETTER * text.str.len()
    start = (x + 6).clip(upper=panel[0] - length)
    height = pd.Series(math.nan, index=points.index)
    for _, front in points[points["front"]].sort_values("latency_p50_s").groupby("panel"):
        i = front.index
        height[i] = stacked(*(v[i].to_numpy() for v in (start, start + length, away * y)))
    return points.assign(label=text, label_dx=start - x, label_dy=y - away * height)


def stacked(start: np.ndarray, end: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Heights [N] of texts from start to end: a line above bottom and all later texts beneath."""
    height = np.array(bottom)
    for i in reversed(range(len(height))):
        beneath = height[i + 1 :][start[i + 1 :] < end[i]]
        height[i] = _LINE + max(height[i], beneath.max(initial=height[i]))
    return height


def is_logarithmic(metric: str, points: pd.DataFrame) -> bool:
    """Distances get a logarithmic axis where every value and lower bound is positive."""
    lowest = np.fmin(points["value"], points["low"]).min()
    return bool(is_between_distributions(metric) and lowest > 0)


def round_numbers(values: pd.DataFrame | pd.Series) -> list[float]:
    """1, 2 and 5 times powers of ten over the range of positive values; nan is passed over.

    Empty when the range is too narrow to hold three of them.
    """
    lowest, highest = np.nanmin(values), np.nanmax(values)
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    ticks = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
    inside = [tick for tick in ticks if 0.9 * lowest <= tick <= 1.1 * highest]
    return inside if len(inside) >= 3 else []


def signed_ticks(gains: pd.DataFrame) -> list[float]:
    """Ticks 0, ±c, ±10c, … that cover the intervals, for an axis linear within ±c.

    c is the power of ten below a typical half width. Empty when the gains span less than a factor
    of thirty beyond it: a linear axis shows those better.
    """
    reach = float(np.nanmax(np.abs(gains[["gain", "low", "high"]].to_numpy(float))))
    half_widths = Z95 * gains["se"][gains["se"] > 0]
    if half_widths.empty or reach <= 30 * half_widths.median():
        return []
    start = math.floor(math.log10(half_widths.quantile(0.25)))
    positive = [10.0**k for k in range(start, math.ceil(math.log10(reach)) + 1)]
    lowest = -min(gains["low"].min(), gains["gain"].min())
    return [-tick for tick in reversed(positive) if tick <= 10 * lowest] + [0.0, *positive]


def subtitle(frame: pd.DataFrame, metric: str) -> str:
    """What all cells share, and which direction is better."""
    shared = {name: only_value(frame, name) for name in ("model", "task", "samples")}
    words = describe(shared, [name for name, value in shared.items() if value is not None])
    better = metric_spec(metric).direction
    return f"{words} per cell · {better}" if shared["samples"] else f"{words} · {better}"


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


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
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
