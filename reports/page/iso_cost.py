"""The figure of equal cost: what each curve would be worth at each budget. For display alone: no
cell was run at just that cost, and nothing is decided by it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from denoisebench.bench.records.cell import NONE
from denoisebench.bench.records.names import describe
from denoisebench.metrics.decide.budget import costs_no_more
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.charts import Figure
from denoisebench.reports.decide.budgets import AtBudget, amount, unit_words, without_batches
from denoisebench.reports.decide.decisions import Estimates
from denoisebench.reports.formats import PERCENT, number, places_of, plus_minus, slug
from denoisebench.reports.page.axes import value_axis
from denoisebench.reports.page.chart_data import subtitle
from denoisebench.reports.page.facets import Words, faceted
from denoisebench.reports.page.looks import Look, looks_of
from denoisebench.reports.page.marks import channels, intervals
from denoisebench.reports.rows.curves import with_panels

_NOTE = (
    "Each point lies on the straight line, by the logarithm of the cost, between the two cells of "
    "its curve that cost just less and just more than the budget: no images were made at that "
    "cost, so it decides nothing. Bars: 95{percent} confidence intervals of such means, the noise "
    "that both cells share counted. A curve that has no cell on either side of a budget has no "
    "point there."
)


def iso_cost(
    frame: pd.DataFrame, purchases: Sequence[AtBudget], estimates: Estimates
) -> Figure | None:
    """The figure by the metric that leads; None where no budget lies between cells of a curve."""
    if not purchases:
        return None
    metric, budget = purchases[0].recommendation.target, purchases[0].budget
    points = pd.DataFrame(_points(_with_curves(frame), purchases, estimates[metric]))
    if points.empty:
        return None
    label, schedulers = metric_spec(metric).label, looks_of(frame)
    names = dict.fromkeys(points["curve"])
    looks = [schedulers.get(name) or Look.of(place, name, "") for place, name in enumerate(names)]
    words = Words(
        f"{slug(metric)}_at_equal_{slug(budget.unit)}",
        f"{label} at equal cost",
        f"{subtitle(frame, metric)} · interpolated between cells, for display alone",
        _NOTE.format(percent=PERCENT),
    )
    ticks = sorted(points["cost"].unique().tolist())
    x = alt.X(
        "cost:Q",
        title=f"Budget ({unit_words(budget)} per image)",
        scale=alt.Scale(type="log", nice=False, padding=20),
        axis=alt.Axis(values=ticks, format="~r", labelOverlap="greedy"),
    )
    look, y = channels(looks, "curve"), value_axis(metric, points)
    base = alt.Chart().encode(x=x, color=look["color"])
    tooltip = [
        alt.Tooltip(f"{name}:N", title=title)
        for name, title in (
            ("scheduler", "scheduler"),
            ("cache", "step cache"),
            ("cost_text", "budget"),
            ("value_text", "value ± se, interpolated"),
            ("interval_text", f"95{PERCENT} interval"),
        )
    ]
    marks = base.mark_point(filled=True, size=60, opacity=1, stroke="white", strokeWidth=0.7)
    layers = [
        base.mark_line(strokeWidth=1.2).encode(y=y("value")),
        intervals(base, y),
        marks.encode(y=y("value"), shape=look["shape"], tooltip=tooltip),
    ]
    records: list[dict[str, Any]] = points.to_dict("records")  # type: ignore[assignment]
    return faceted(records, layers, words)


def _with_curves(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the names of its panels and of the curves in them: of a model that was run
    with caches these are compared within one panel, and schedulers else."""
    one = without_batches(frame).assign(cache=NONE)
    has_caches = frame.groupby("model")["cache"].transform("nunique") > 1
    by_scheduler = one["model"].map(one.groupby("model")["scheduler"].nunique()) > 1
    schedulers = np.where(has_caches & by_scheduler, ", " + frame["scheduler"], "")
    caches = [describe({"cache": cache}, ["cache"]) for cache in frame["cache"]]
    return frame.assign(
        panel=with_panels(one)["panel"] + schedulers,
        curve=np.where(has_caches, caches, frame["scheduler"]),
    )


def _points(
    cells: pd.DataFrame, purchases: Sequence[AtBudget], estimates: Mapping[int, Estimate]
) -> Iterator[dict[str, Any]]:
    for at in purchases:
        rows = [row for row, price in at.prices.items() if price.is_known and row in estimates]
        curves = cells.loc[rows].groupby(["panel", "curve", "scheduler", "cache"], sort=False)
        for (panel, name, scheduler, cache), curve in curves:
            costs = {int(row): at.prices[int(row)].value for row in curve.index}
            estimate = interpolated(costs, estimates, at.limit)
            if estimate is None:
                continue
            low, high = estimate.interval()
            if not math.isfinite(low):
                continue
            places = places_of(estimate.se)
            yield {
                "panel": panel,
                "curve": name,
                "scheduler": scheduler,
                "cache": describe({"cache": cache}, ["cache"]),
                "cost": at.limit,
                "value": estimate.value,
                "low": low,
                "high": high,
                "cost_text": amount(at.budget, at.limit),
                "value_text": plus_minus(estimate.value, estimate.own_se),
                "interval_text": f"{number(low, places)} to {number(high, places)}",
            }


def interpolated(
    costs: Mapping[int, float], estimates: Mapping[int, Estimate], limit: float
) -> Estimate | None:
    """The mean of the two cells of a curve next to a cost, weighted by how near they are to it on a
    logarithmic axis; None where there is none on either side, or their samples differ."""
    below = [row for row, cost in costs.items() if costs_no_more(cost, limit)]
    above = [row for row, cost in costs.items() if costs_no_more(limit, cost)]
    if not below or not above:
        return None
    a, b = max(below, key=costs.__getitem__), min(above, key=costs.__getitem__)
    one, two = estimates[a], estimates[b]
    if costs[a] == costs[b]:
        return one
    if one.samples != two.samples or not _are_clustered_alike(one, two):
        return None
    weight = math.log(limit / costs[a]) / math.log(costs[b] / costs[a])
    return Estimate(
        (1 - weight) * one.value + weight * two.value,
        (1 - weight) * one.influence + weight * two.influence,
        one.clusters,
        left=(1 - weight) * one.left + weight * two.left,
    )


def _are_clustered_alike(a: Estimate, b: Estimate) -> bool:
    if a.clusters is None or b.clusters is None:
        return a.clusters is b.clusters
    return np.array_equal(a.clusters, b.clusters)
