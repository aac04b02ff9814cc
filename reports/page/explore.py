"""The chart to ask: all cells of a run as columns, one specification, and what may be chosen.

The page's explore.js puts together what is shown. Every number and every text of a cell is made
here; names taken from the user are data, never field names.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from denoisebench.bench.records.names import cell_name, describe
from denoisebench.bench.records.run import Run
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import drawn_in_full, metric_spec
from denoisebench.reports.decide.decisions import HELD, Decisions, Estimates, decided
from denoisebench.reports.decide.steps_words import steps_sentences
from denoisebench.reports.formats import MISSING, duration, number, places_of, plus_minus
from denoisebench.reports.page.axes import (
    BLOCKS,
    JOULES,
    NFE,
    SECONDS,
    STEPS,
    STRENGTH,
    TFLOPS,
    Cost,
    cost_axis,
    is_logarithmic,
    round_numbers,
)
from denoisebench.reports.page.chart_data import END_NAMES, batch_words, cut_words, subtitle
from denoisebench.reports.page.explore_spec import explore_spec
from denoisebench.reports.page.figures import convergence_words
from denoisebench.reports.page.looks import looks_of, shown_first
from denoisebench.reports.rows.compare import difference_words, entries_difference
from denoisebench.reports.rows.curves import curve_points, sign, with_panels
from denoisebench.reports.rows.frame import done, frame_metrics, records
from denoisebench.reports.rows.repeat import repeating

PASSES = Cost(
    "network_passes", "Network passes (samples through the denoiser)", "passes", "network passes", 2
)
_COSTS = (STEPS, NFE, PASSES, BLOCKS, TFLOPS, SECONDS, JOULES, STRENGTH)
_FACETS = ("guidance", "task", "strength", "model")  # settings by which panels can be made
_KEY = 12  # letters of a cell's key in an address
_NEAR = 2  # margins from the best value to which "near the plateau" reaches
_NEAR_ERRORS = 10  # typical standard errors likewise, of a metric without a margin
_PANELS = 12  # beyond which cells are not split by all that is held fixed at first
_FLAT = 0.25  # of the whole axis, below which what is near the plateau is shown first


@dataclass(frozen=True, eq=False)
class _Shown:
    """The cells that can be shown, with what is needed to say something of them."""

    run: Run
    frame: pd.DataFrame  # of the run
    cells: pd.DataFrame  # rows of the frame with a value of some metric, each point once
    decisions: Decisions
    schedulers: list[str]

    @cached_property
    def groups(self) -> dict[int, tuple[str, ...]]:
        """What cells of one default share, by row number of the frame."""
        values = self.frame[[*HELD]].astype(str).itertuples(index=False, name=None)
        return dict(zip(self.frame.index, values, strict=True))

    def defaults(self, metric: str) -> dict[tuple[str, ...], int]:
        """Row number of the default of each group: by the metric itself where it has one."""
        recommendations = self.decisions.recommendations
        ordered = sorted(recommendations, key=lambda r: r.target == metric)  # later ones win
        rows = [r.chosen_row for r in ordered if r.chosen_row is not None]
        return {self.groups[row]: row for row in rows}


def exploration(
    run: Run, frame: pd.DataFrame, estimates: Estimates, *, decisions: Decisions
) -> dict[str, Any] | None:
    """What explore.js reads, ready for JSON; None where no cell has a value of any metric."""
    metrics = frame_metrics(frame)
    finished = done(with_panels(frame)).drop_duplicates(["panel", "scheduler", "steps"])
    finished = finished[finished["steps"] > 0]  # those of images from elsewhere may not be known
    has_values = np.isfinite(finished[metrics].to_numpy(float)).any(axis=1)
    cells: pd.DataFrame = finished.loc[has_values]
    if cells.empty:
        return None
    looks, full = looks_of(frame), drawn_in_full(metrics, decisions.gates)
    shown = _Shown(run, frame, cells, decisions, [*looks])
    ordered = sorted(metrics, key=lambda metric: metric not in full)
    return {
        "spec": explore_spec([*looks.values()]),
        "schedulers": shown.schedulers,
        "end_names": END_NAMES,
        "costs": [*_costs(cells)],
        "facets": [name for name in _FACETS if cells[name].nunique() > 1],
        "are_many": cells["panel"].nunique() > _PANELS,
        "cells": _columns(shown),
        "metrics": [_metric(shown, m, estimates[m]) for m in ordered if cells[m].notna().any()],
    }


def _costs(cells: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What values can be drawn against: all that is known of some cell. Strength only where it
    varies; it comes first where the steps do not."""
    costs = [cost for cost in _COSTS if cells[cost.field].notna().any()]
    if cells["strength"].nunique() < 2:
        costs.remove(STRENGTH)
    elif cells["steps"].nunique() < 2:
        costs.sort(key=lambda cost: cost is not STRENGTH)
    batch = f", {batch_words(cells)}" if SECONDS in costs else ""
    for cost in costs:
        known: pd.DataFrame = cells.loc[cells[cost.field].notna()]
        axis: Any = cost_axis(known, cost).to_dict(validate=False)
        yield {
            "name": cost.field,
            "words": cost.words,
            "ends": [float(known[cost.field].min()), float(known[cost.field].max())],
            "encoding": {
                "title": cost.axis_title.replace(", median", f", median{batch}"),
                "scale": axis["scale"],
                "axis": {**axis["axis"], "labelSeparation": 4},
            },
        }


def _columns(shown: _Shown) -> dict[str, list[Any]]:
    """Columns [cells]: what names a cell, the line and panel it belongs to, its costs."""
    cells = shown.cells
    rows = records(cells)
    keys = cells["key"].str[:_KEY]
    twice = keys.duplicated(keep=False)
    commands = pd.Series(repeating(shown.run, shown.frame), shown.frame.index)
    return {
        "key": cells["key"].tolist(),
        "id": keys.where(~twice, keys + "-" + cells["samples"].astype(str)).tolist(),
        "name": [cell_name(row) for row in rows],
        "scheduler": [shown.schedulers.index(name) for name in cells["scheduler"]],
        "panel": cells["panel"].tolist(),
        "across": with_panels(shown.frame, "strength")["panel"][cells.index].tolist(),
        **{
            f"by_{name}": [describe(row, [name]) or f"no {name}" for row in rows]
            for name in _FACETS
            if cells[name].nunique() > 1
        },
        **{cost.field: _rounded(cells[cost.field]) for cost in _COSTS},
        "samples": cells["samples"].tolist(),
        "latency": [duration(seconds) for seconds in cells["latency_p50_s"]],
        "repeat": commands[cells.index].tolist(),
    }


def _metric(shown: _Shown, metric: str, estimates: Mapping[int, Estimate]) -> dict[str, Any]:
    """What is known of a metric: words, columns [cells] of its values, and what to show first."""
    spec, cells = metric_spec(metric), shown.cells
    points = decided(curve_points(shown.frame, metric), metric, shown.decisions)
    at = points.reindex(cells.index)
    places = [places_of(se) for se in at["se"]]
    flat, recommended = (
        {*points.index[points[mark]]} if mark in points else () for mark in ("flat", "recommended")
    )
    reach = _near_reach(metric, points, shown.decisions)
    is_share = metric in shown.decisions.gates and shown.decisions.gates[metric].relative
    return {
        "name": metric,
        "label": spec.label,
        "subtitle": subtitle(shown.frame, metric),
        "note": cut_words(metric, points) + convergence_words(shown.frame, metric, estimates),
        "sign": 0 if spec.is_signed else sign(metric),
        "reach": reach,
        "reach_is_share": is_share,
        "axes": _axes(metric, points, is_near=reach is not None),
        "axis": _first_axis(metric, points, reach, is_share=is_share),
        "first": shown_first(points, _best_first(points, metric)),
        **{name: _rounded(at[name], places) for name in ("value", "low", "high")},
        "text": [_text(v, se) for v, se in zip(at["value"], at["se"], strict=True)],
        "interval": [
            f"{number(low, n)} to {number(high, n)}" if math.isfinite(low) else MISSING
            for low, high, n in zip(at["low"], at["high"], places, strict=True)
        ],
        **_against(shown, metric, estimates),
        "near": _around_default(shown, metric, estimates),
        "flat": [place for place, row in enumerate(cells.index) if row in flat],
        "recommended": {
            place: f"default: {describe(cells.loc[row].to_dict(), ('scheduler', 'steps'))}"
            for place, row in enumerate(cells.index)
            if row in recommended
        },
        "sentences": {
            f"{shown.schedulers.index(scheduler)} {panel}": words
            for (panel, scheduler), words in steps_sentences(
                shown.frame, metric, estimates, points=points, decisions=shown.decisions
            ).items()
        },
    }


def _text(value: float, se: float) -> str:
    return plus_minus(value, se) if math.isfinite(value) else ""


def _against(shown: _Shown, metric: str, estimates: Mapping[int, Estimate]) -> dict[str, list[Any]]:
    """Columns [cells]: what a cell is beside the default of its group, and that default's name."""
    defaults, entries = shown.defaults(metric), shown.run.entries
    rows = shown.frame.loc[[*defaults.values()]]
    of_default = {row: place for place, row in enumerate(rows.index)}
    texts, places = [], []
    for row in shown.cells.index:
        default = defaults.get(shown.groups[row])
        if row not in estimates:
            text = ""
        elif default is None:
            text = "no default is proven"
        elif default not in estimates:
            text = "the default has no such value"
        elif row == default:
            text, default = "it is the default", None
        else:
            pair = estimates[row], estimates[default]
            text = difference_words(entries[row], entries[default], metric, estimates=pair)
        texts.append(text)
        places.append(-1 if default is None else of_default[default])
    return {"against": texts, "defaults": [*map(cell_name, records(rows))], "default": places}


def _around_default(
    shown: _Shown, metric: str, estimates: Mapping[int, Estimate]
) -> dict[str, list[Any]] | None:
    """Columns [cells]: the ends of the interval of a cell's difference to the default of its group,
    put on the default's value. The default's ends are its value; None where there is no difference,
    and for all where no cell has one."""
    defaults, entries = shown.defaults(metric), shown.run.entries
    ends = [(math.nan, math.nan)] * len(shown.cells)
    for place, row in enumerate(shown.cells.index):
        default = defaults.get(shown.groups[row])
        if default is None or not {row, default} <= estimates.keys():
            continue
        pair = estimates[row], estimates[default]
        if row == default:
            ends[place] = (pair[0].value, pair[0].value)
        elif difference := entries_difference(
            entries[row], entries[default], metric, estimates=pair
        ):
            base = pair[1].value
            ends[place] = (base + difference.interval()[0], base + difference.interval()[1])
    lows, highs = (_rounded(pd.Series(side)) for side in zip(*ends, strict=True))
    is_known = any(low is not None and low != high for low, high in zip(lows, highs, strict=True))
    return {"low": lows, "high": highs} if is_known else None


def _near_reach(metric: str, points: pd.DataFrame, decisions: Decisions) -> float | None:
    """How far from the best value of a panel what is near the plateau reaches, as a share of that
    value where the margin is one; None where it is not known."""
    if metric_spec(metric).is_signed:
        return None
    gate = decisions.gates.get(metric)
    reach = _NEAR * gate.margin if gate else _NEAR_ERRORS * points["se"].median()
    return float(reach) if math.isfinite(reach) and reach > 0 else None


def _axes(metric: str, points: pd.DataFrame, *, is_near: bool) -> dict[str, dict[str, Any]]:
    """Encodings of the value axis, those that the metric can be drawn on."""
    spec, values = metric_spec(metric), points[["value", "low", "high"]]
    unit = f" ({spec.unit})" if spec.unit else ""
    title = f"{spec.label}{unit}, {spec.direction}"
    marks = {"format": "~r", "labelOverlap": "greedy", "tickCount": 6}
    linear = {"title": title, "scale": {"zero": False}, "axis": marks}
    axes = {"linear": linear}
    if np.nanmin(values) > 0:
        scale = {"type": "log", "nice": False, "padding": 6}
        ticks = {"values": ticks} if (ticks := round_numbers(values)) else {}
        axes["log"] = {"title": title, "scale": scale, "axis": marks | ticks}
    return axes | ({"near": linear} if is_near else {})


def _first_axis(metric: str, points: pd.DataFrame, reach: float | None, *, is_share: bool) -> str:
    """`log` as in the figures; `near` where what decides would fill little of a linear axis."""
    if is_logarithmic(metric, points):
        return "log"
    if reach is None:
        return "linear"
    low, high = points["value"].min(), points["value"].max()
    near = reach * abs(high if sign(metric) > 0 else low) if is_share else reach
    return "near" if near < _FLAT * (high - low) else "linear"


def _best_first(points: pd.DataFrame, metric: str) -> list[str]:
    """Schedulers by their best value."""
    quality = (
        -points["value"].abs() if metric_spec(metric).is_signed else sign(metric) * points["value"]
    )
    best = quality.groupby(points["scheduler"]).max()
    return [str(name) for name in best.sort_values(ascending=False).index]


def _rounded(values: pd.Series, places: Sequence[int] | None = None) -> list[float | None]:
    """Numbers for drawing: two digits more than the error allows, else six significant ones."""
    decimals = [n + 2 for n in places] if places else [None] * len(values)
    return [
        None
        if pd.isna(value) or not math.isfinite(value)
        else float(f"{value:.6g}")
        if n is None
        else round(float(value), n)
        for value, n in zip(values, decimals, strict=True)
    ]
