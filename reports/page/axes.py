"""The axes of the figures: what quality is drawn against, and the scale of its values."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from denoisebench.metrics.specs import is_between_distributions, metric_spec
from denoisebench.reports import theme

ValueAxis = Callable[[str], alt.Y]  # the same y encoding for every field that is drawn on it
_SMALLEST_SHARE = 0.2  # of a shared value axis that the points of one panel may fill


@dataclass(frozen=True)
class Cost:
    """What quality is drawn against."""

    field: str
    axis_title: str
    stem: str
    words: str
    base: int  # of the logarithmic axis; 0 for a linear one
    order: str = "steps"  # the field along which a curve runs


STEPS = Cost("steps", "Steps (num_inference_steps)", "steps", "steps", 2)
NFE = Cost("nfe", "NFE (denoiser evaluations per image)", "nfe", "denoiser evaluations", 2)
BLOCKS = Cost("block_evaluations", "Block evaluations per image", "blocks", "block evaluations", 2)
TFLOPS = Cost("tflops", "TFLOPs per image (denoiser)", "tflops", "floating point operations", 10)
JOULES = Cost("energy_j", "Energy (J per image, median)", "joules", "energy", 10)
SECONDS = Cost("latency_p50_s", "Latency (s per image, median)", "seconds", "latency", 10)
PRICE = Cost("price_usd", "Price ($ per image)", "price", "price", 10)
STRENGTH = Cost(
    "strength",
    "Strength (share of the trajectory that is run)",
    stem="strength",
    words="strength",
    base=0,
    order="strength",
)


def cost_axis(points: pd.DataFrame, cost: Cost) -> alt.X:
    axis = alt.Axis(format="~r", labelOverlap="greedy", tickCount=6)
    if cost is STEPS:
        axis = alt.Axis(values=sorted(points["steps"].unique().tolist()), labelOverlap="greedy")
    if cost in (TFLOPS, SECONDS, JOULES, PRICE):
        axis = _round_axis(points[cost.field])
    return alt.X(f"{cost.field}:Q", title=cost.axis_title, scale=_cost_scale(cost), axis=axis)


def _cost_scale(cost: Cost) -> alt.Scale:
    if not cost.base:
        return alt.Scale(domain=[0, 1])
    return alt.Scale(type="log", base=cost.base, nice=False, padding=14)


def value_axis(metric: str, points: pd.DataFrame, *, own_axes: bool = False) -> ValueAxis:
    """The same y encoding for every field drawn on it."""
    spec = metric_spec(metric)
    if is_logarithmic(metric, points):
        scale = alt.Scale(type="log", nice=False, padding=6)
        axis = (
            alt.Axis(format="~r", labelOverlap="greedy", tickCount=5)
            if own_axes  # ticks of the whole range may all lie outside one panel's
            else _round_axis(points[["value", "low", "high"]])
        )
    else:
        scale, axis = alt.Scale(zero=False), alt.Axis(format="~r", tickCount=6)
    unit = f" ({spec.unit})" if spec.unit else ""
    title = f"{spec.label}{unit}, {spec.direction}"
    return lambda field: alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)


def needs_own_axes(metric: str, points: pd.DataFrame) -> bool:
    """Whether an axis that all panels share would press the curves of one of them flat."""
    ends = points.groupby("panel")[["low", "high", "value"]].agg(["min", "max"])
    lowest, highest = ends.min(axis=1), ends.max(axis=1)
    if is_logarithmic(metric, points):
        lowest, highest = np.log(lowest), np.log(highest)
    spans = (highest - lowest)[points.groupby("panel").size() > 1]
    return bool((spans < _SMALLEST_SHARE * (highest.max() - lowest.min())).any())


def _round_axis(values: pd.DataFrame | pd.Series) -> alt.Axis:
    """A logarithmic axis with 1, 2, 5 ticks, or the library's own where those are too few."""
    ticks = round_numbers(values)
    return alt.Axis(values=ticks or alt.Undefined, format="~r", labelOverlap="greedy", tickCount=5)


def signed_axis(title: str, gains: pd.DataFrame) -> ValueAxis:
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
    half_widths = ((gains["high"] - gains["low"]) / 2)[gains["se"] > 0]
    if half_widths.empty or reach <= 30 * half_widths.median():
        return []
    start = math.floor(math.log10(half_widths.quantile(0.25)))
    positive = [10.0**k for k in range(start, math.ceil(math.log10(reach)) + 1)]
    lowest = -min(gains["low"].min(), gains["gain"].min())
    return [-tick for tick in reversed(positive) if tick <= 10 * lowest] + [0.0, *positive]
