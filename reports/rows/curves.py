"""Quality curves and what each extra step buys. NumPy and pandas only.

A curve is one scheduler in one panel, along the steps or along the strength. A panel is everything
else that was held fixed: model, task, prompts, guidance with its options, grid of noise levels,
strength (or steps), noise seed, samples asked for, image size, number format and engine.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from denoisebench.bench.records.columns import PANEL_FIELDS
from denoisebench.bench.records.names import describe
from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.estimate import Estimate, students_quantile
from denoisebench.metrics.specs import is_between_distributions, metric_spec
from denoisebench.reports.rows.frame import done, has_guidance, records, varying

_Point = Any  # a row of curve_points, as itertuples gives it
STEPS, STRENGTH = "steps", "strength"  # what a curve runs along
_POINT_COLUMNS = (
    "panel",
    "scheduler",
    "steps",
    "strength",
    "nfe",
    "latency_p50_s",
    "latency_batch_size",
    "price_usd",
)
_GAIN_COLUMNS = (
    "panel",
    "scheduler",
    "steps_from",
    "steps_to",
    "gain",
    "se",
    "low",
    "high",
    "gain_per_nfe",
    "gain_per_nfe_se",
    "gain_per_nfe_low",
    "gain_per_nfe_high",
    "gain_per_second",
    "gain_per_second_se",
    "gain_per_second_low",
    "gain_per_second_high",
)


def panel_names(frame: pd.DataFrame, along: str = STEPS) -> list[str]:
    """The columns that tell panels of curves apart. Guidance is always named where it has an
    effect; the model where nothing else is."""
    fields = [name for name in (*PANEL_FIELDS, STEPS) if name != along]
    guidance = ["guidance"] if has_guidance(frame).any() else []
    varied = [*guidance, *varying(frame, fields)]
    if frame.groupby("model")["weights"].nunique().max() <= 1:
        varied = [name for name in varied if name != "weights"]  # the model says it
    others = [name for name in varied if name != "engine"]
    if others and frame.groupby(others, dropna=False)["engine"].nunique().max() <= 1:
        varied = others  # batches of a precision, say, which is named
    return [name for name in fields if name in varied] or ["model"]


def with_panels(frame: pd.DataFrame, along: str = STEPS) -> pd.DataFrame:
    """The frame with a column `panel` that names what is held fixed, as far as it varies."""
    names = panel_names(frame, along)
    return frame.assign(panel=[describe(row, names) for row in records(frame)])


def sign(metric: str) -> int:
    """+1 when a higher value is better, -1 when a lower one is. Raises KeyError for a metric that
    has no direction."""
    return {"higher": 1, "lower": -1}[metric_spec(metric).better]


def better_by(a: Estimate, b: Estimate, metric: str) -> Difference:
    """How much better a is than b."""
    return difference_of(a, b) if sign(metric) > 0 else difference_of(b, a)


def _reach_of_bias(points: pd.DataFrame, metric: str) -> pd.Series:
    """How far the bias that may be left reaches, to either side."""
    column = f"{metric}_left"
    return points[column].abs() if column in points else pd.Series(0.0, points.index)


def curve_points(frame: pd.DataFrame, metric: str, along: str = STEPS) -> pd.DataFrame:
    """Scored cells: _POINT_COLUMNS, value, se, low and high (95 %), by panel, scheduler, `along`.

    An interval holds the bias that may be left in its value, and that of a distance between
    distributions ends at 0. It is nan where what is left is unknown.
    Keeps the row numbers of the frame, so a point finds its estimate.
    """
    return points_of(with_panels(frame, along), metric, along)


@cache
def multiple_of(units: float) -> float:
    """Standard errors in half a 95 % interval of so many samples, or prompts where few repeat."""
    return students_quantile(0.975, max(1, units - 1)) if math.isfinite(units) else math.nan


def _multiples(points: pd.DataFrame, metric: str) -> pd.Series:
    """Standard errors in half a 95 % interval, by Student's distribution as of Estimate.interval:
    of few prompts the error is itself an estimate."""
    return points[f"{metric}_units"].astype(float).map(multiple_of)


def points_of(
    frame: pd.DataFrame, metric: str, along: str = STEPS, *, least: int = 1
) -> pd.DataFrame:
    """The points of curve_points of a frame that has its panels named. least: of `along`; 0 keeps
    images whose steps nobody knows."""
    points = _scored(frame, metric, along, least=least)
    reach = _multiples(points, metric) * points[f"{metric}_se"] + _reach_of_bias(points, metric)
    lowest = 0.0 if is_between_distributions(metric) else -math.inf
    points = points.loc[:, list(_POINT_COLUMNS)].assign(
        value=points[metric],
        se=points[f"{metric}_se"],
        low=(points[metric] - reach).clip(lower=lowest),
        high=(points[metric] + reach).clip(lower=lowest),
    )
    order = [_ranks(points[name]) for name in ("panel", "scheduler")]
    return points.iloc[np.lexsort([points[along], *reversed(order)])]


def strength_points(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Points along the strength, as of curve_points, of panels with at least two strengths."""
    points = curve_points(frame, metric, STRENGTH)
    return points[points.groupby("panel")[STRENGTH].transform("nunique") > 1]


def marginal_gains(
    frame: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate]
) -> pd.DataFrame:
    """Improvement per extra step, denoiser evaluation and second of each curve, between
    neighbouring step counts.

    gain = sign · (q(steps_to) - q(steps_from)) / (steps_to - steps_from): positive is better
    whatever the metric's direction. The 95 % interval, low to high, is that of the paired
    difference; costs are taken as they were counted and timed. nan where a cost is unknown or did
    not rise, and of an end that is not known.
    """
    points = curve_points(frame, metric)
    gains = [
        _gain(low, high, metric, estimates=estimates)
        for _, curve in points.groupby(["panel", "scheduler"], sort=False)
        for low, high in pairwise(curve.itertuples())
    ]
    return pd.DataFrame.from_records(gains, columns=list(_GAIN_COLUMNS))


def panels(points: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The points of each panel, in the order of the frame."""
    for name, group in points.groupby("panel", sort=False):
        yield str(name), group


def _scored(frame: pd.DataFrame, metric: str, along: str, *, least: int) -> pd.DataFrame:
    finished = done(frame)
    # Steps of images from elsewhere may not be known; a strength is never 0.
    finished = finished[finished[along] >= least] if along == STEPS else finished
    scored = finished[np.isfinite(finished[metric].astype(float))]
    return scored.drop_duplicates(["panel", "scheduler", along])


def _ranks(names: pd.Series) -> np.ndarray:
    """Place of each name in the order of first appearance."""
    return pd.factorize(names)[0]


def _gain(
    before: _Point, after: _Point, metric: str, *, estimates: Mapping[int, Estimate]
) -> tuple[Any, ...]:
    """A row of _GAIN_COLUMNS."""
    change = better_by(estimates[after.Index], estimates[before.Index], metric)
    ends = [end if math.isfinite(end) else math.nan for end in change.interval()]
    rises = (
        after.steps - before.steps,
        _rise(before.nfe, after.nfe),
        _rise(before.latency_p50_s, after.latency_p50_s),
    )
    per_cost = [part / rise for rise in rises for part in (change.value, change.se, *ends)]
    return (after.panel, after.scheduler, before.steps, after.steps, *per_cost)


def _rise(before: float, after: float) -> float:
    """What a cost rose by; nan when that is not known or not positive."""
    if pd.isna(before) or pd.isna(after) or after <= before:
        return float("nan")
    return float(after - before)
