"""What a chart needs beside its points: records in plain Python, words for tooltips, axis choices.

Knows nothing of the plot library.
"""

import math

import numpy as np
import pandas as pd

from metrics.specs import metric_spec
from reports.curves import Z95
from reports.formats import decimals_for, duration, number, plus_minus
from reports.frame import describe, only_value


def point_records(points: pd.DataFrame) -> list[dict]:
    """Points of a curve with the texts of their tooltips: value, interval, latency."""
    decimals = decimals_for(points["se"])
    return _plain(
        points.assign(
            value_text=[
                plus_minus(value, se, decimals)
                for value, se in zip(points["value"], points["se"], strict=True)
            ],
            interval_text=_intervals(points, [decimals] * len(points)),
            latency_text=[duration(seconds) for seconds in points["latency_p50_s"]],
        )
    )


def gain_records(gains: pd.DataFrame) -> list[dict]:
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


def is_logarithmic(metric: str, points: pd.DataFrame) -> bool:
    """Distances get a logarithmic axis where every value and lower bound is positive."""
    distance = metric == "fid" or metric.startswith("fd")
    lowest = np.fmin(points["value"], points["low"]).min()
    return bool(distance and lowest > 0)


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
    better = f"{metric_spec(metric).better} is better"
    return f"{words} per cell · {better}" if shared["samples"] else f"{words} · {better}"


def batch_words(frame: pd.DataFrame) -> str:
    """The batch size of the latency pass: `batch of 1`, or its range."""
    sizes = sorted(frame["latency_batch_size"].dropna().unique())
    return f"batch of {' to '.join(f'{s:g}' for s in dict.fromkeys((sizes[0], sizes[-1])))}"


def _intervals(table: pd.DataFrame, decimals: list[int]) -> list[str]:
    bounds = zip(table["low"], table["high"], decimals, strict=True)
    return [f"{number(low, d)} to {number(high, d)}" for low, high, d in bounds]


def _plain(table: pd.DataFrame) -> list[dict]:
    """Rows as dicts of str, int, float, bool and None, ready for JSON."""
    return [
        {name: _scalar(value) for name, value in row.items()} for row in table.to_dict("records")
    ]


def _scalar(value: object) -> object:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
