"""What a cache, a precision or a compilation is worth at equal cost, as records of defaults.yaml.

The rule is that of metrics/decide/equal_cost.py; here it meets the rows of a run.

- **Plain** are cells without a cache, not compiled, in the model's own number format. A run does
  not say which that is: it is the most exact one that was swept unquantised. A cell's rivals are
  the plain cells that differ from it in nothing but scheduler and steps. What differs from plain in
  two ways is judged as the two together. Of cells whose number format nobody knows, such as images
  of another program, nothing is said.
- **Cost** is seconds, by the bounds of metrics/decide/budget.py, where timings are even and all
  plain cells have an error. Else a cache alone is held to what was counted: operations, which see
  all that it saves, or blocks. Nothing that is counted shows what a precision or a compilation
  saves, and NFE not what a cache does: there nothing is said.
- **The verdict** of a setting, such as a cache with its options, is that of its best cell, and that
  of all settings that of the best of them.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from denoisebench.bench.records.cell import SWITCHES, UNKNOWN, USUAL
from denoisebench.bench.records.columns import PANEL_FIELDS
from denoisebench.bench.records.names import describe
from denoisebench.bench.records.run import SECONDS, Run, budget_of
from denoisebench.metrics.decide.budget import Price
from denoisebench.metrics.decide.equal_cost import ALONE, RANKED, Priced, Standing, standing
from denoisebench.metrics.decide.sequential import LEVEL, Reach
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import AMPLE_SAMPLES, leading
from denoisebench.reports.decide.budgets import prices_of, without_batches
from denoisebench.reports.decide.decisions import Decisions, Estimates
from denoisebench.reports.rows.cautions import samples_per_dim, timings_are_even
from denoisebench.reports.rows.curves import panel_names, sign
from denoisebench.reports.rows.frame import done, records

COUNTED = ("tflops", "block_evaluations")  # costs of caches, the one that sees most first
_EXACT = ("float32", "bfloat16", "float16")  # number formats, the most exact first
_NO_COST = (
    "timings are uneven, lack an error or were not taken, and nothing that was counted shows what "
    "it saves"
)
Prices = Mapping[str, Mapping[int, Price]]  # by unit and row number


@dataclass(frozen=True, eq=False)
class _Group:
    """Cells that differ in scheduler, steps and what is switched on alone, by one metric."""

    name: str
    metric: str
    plain: pd.DataFrame
    switched: pd.DataFrame  # with the columns of _with_switches

    @property
    def pairs(self) -> int:
        return len(self.plain) * len(self.switched)


@dataclass(frozen=True, eq=False)
class _Case:
    """A cell, where it stands, and its rival's row."""

    row: Mapping[str, Any]
    standing: Standing
    rival: Mapping[str, Any] | None

    @property
    def rank(self) -> tuple[int, float]:
        """Lower is better."""
        gain = self.standing.gain
        return RANKED.index(self.standing.verdict), -gain.value if gain else 0.0


# From plain cells, cells and prices to what is said of each cell.
_Judge = Callable[[pd.DataFrame, pd.DataFrame, Mapping[int, Price]], list[_Case]]


def equal_cost_records(
    run: Run, frame: pd.DataFrame, estimates: Estimates, *, decisions: Decisions
) -> list[dict[str, Any]]:
    """One for each thing that was switched on, of each group of cells that is alike otherwise."""
    groups = [*_groups(frame, estimates, gating=decisions.gates)]
    if not groups:
        return []
    prices = {unit: prices_of(run, frame, budget_of(f"{unit}:1")) for unit in (SECONDS, *COUNTED)}
    if not timings_are_even(frame):
        prices[SECONDS] = {}
    pairs = max(1, sum(group.pairs for group in groups))
    judges = {
        metric: partial(
            _cases,
            estimates=estimates[metric],
            better=sign(metric),
            reach=_reach(frame, metric, decisions=decisions, pairs=pairs),
        )
        for metric in {group.metric for group in groups}
    }
    return [
        _record(group, str(switch), cells, prices=prices, judge=judges[group.metric])
        for group in groups
        for switch, cells in group.switched.groupby("switch", sort=False)
    ]


def _reach(frame: pd.DataFrame, metric: str, *, decisions: Decisions, pairs: int) -> Reach:
    """The reach of bounds; infinite where samples are too few to name a best cell."""
    if samples_per_dim(frame, metric) < AMPLE_SAMPLES:
        return lambda units: math.inf
    return decisions.reaches(LEVEL / pairs)


def _groups(
    frame: pd.DataFrame, estimates: Estimates, *, gating: Mapping[str, Any]
) -> Iterator[_Group]:
    finished = without_batches(done(frame[frame["dtype"] != UNKNOWN]))
    held = [name for name in PANEL_FIELDS if name not in SWITCHES]
    named = [name for name in panel_names(frame) if name not in (*SWITCHES, "engine")]
    lead = leading(estimates, gating)
    lead = sorted(lead, key=lambda metric: samples_per_dim(frame, metric) < AMPLE_SAMPLES)  # stable
    for _, cells in finished.groupby(held, sort=False, dropna=False):
        dtype = _own_dtype(cells)
        is_plain = (cells[[*SWITCHES]] == [*_plain_values(dtype).values()]).all(axis=1)
        if is_plain.all():
            continue
        metric = next((m for m in lead if not estimates[m].keys().isdisjoint(cells.index)), None)
        if metric is None:
            continue
        name = describe(records(cells)[0], dict.fromkeys(["model", *named]))
        scored = [i in estimates[metric] for i in cells.index]
        cells = cells[scored].drop_duplicates([*SWITCHES, "scheduler", "steps"])
        is_plain = is_plain[cells.index]
        yield _Group(name, metric, cells[is_plain], _with_switches(cells[~is_plain], dtype))


def _own_dtype(cells: pd.DataFrame) -> str:
    """The number format of plain cells; empty where all are quantised."""
    return next((dtype for dtype in _EXACT if (cells["dtype"] == dtype).any()), "")


def _plain_values(dtype: str) -> dict[str, Any]:
    """What a plain cell has in the columns of how its model is run."""
    return {name: USUAL[name] for name in SWITCHES} | {"dtype": dtype}


def _with_switches(cells: pd.DataFrame, dtype: str) -> pd.DataFrame:
    """The cells with columns `setting`, what is on in words, and `switch`, the same without the
    options of a cache."""
    plain = _plain_values(dtype)
    rows = records(cells)
    settings = [
        describe(row, [name for name in SWITCHES if row[name] != plain[name]]) for row in rows
    ]
    switches = [
        setting.replace(row["cache"], row["cache"].split()[0], 1)
        for setting, row in zip(settings, rows, strict=True)
    ]
    return cells.assign(setting=settings, switch=switches)


def _is_cache_alone(group: _Group, cells: pd.DataFrame) -> bool:
    others = [name for name in SWITCHES if name != "cache"]
    return all({*cells[name]} <= {*group.plain[name]} for name in others)


def _unit(group: _Group, cells: pd.DataFrame, prices: Prices) -> str:
    """What the cells are compared at equal amounts of; empty where nothing is known."""
    units = (SECONDS, *COUNTED) if _is_cache_alone(group, cells) else (SECONDS,)
    for unit in units:
        of_unit = prices[unit]
        are_known = all(_is_bounded(of_unit.get(row)) for row in group.plain.index)
        if are_known and any(_is_bounded(of_unit.get(row)) for row in cells.index):
            return unit
    return ""


def _is_bounded(price: Price | None) -> bool:
    return price is not None and math.isfinite(price.high)


def _record(
    group: _Group, switch: str, cells: pd.DataFrame, *, prices: Prices, judge: _Judge
) -> dict[str, Any]:
    common = {"of": group.name, "switched_on": switch, "metric": group.metric}
    if group.plain.empty:
        return {**common, "verdict": ALONE, "note": "no plain cell is beside it"}
    unit = _unit(group, cells, prices)
    if not unit:
        return {**common, "verdict": "", "note": _NO_COST}
    settings = [
        _setting(str(name), judge(group.plain, own, prices[unit]))
        for name, own in cells.groupby("setting", sort=False)
    ]
    settings = [setting for setting in settings if setting]
    best = min(settings, key=lambda one: RANKED.index(one["verdict"]))
    return {**common, "verdict": best["verdict"], "at_equal": unit, "settings": settings}


def _cases(
    plain: pd.DataFrame,
    cells: pd.DataFrame,
    prices: Mapping[int, Price],
    *,
    estimates: Mapping[int, Estimate],
    better: int,
    reach: Reach,
) -> list[_Case]:
    """The cells that have a price, each against all that are plain."""
    rows = records(plain)
    rivals = _priced(plain, estimates, prices)
    known = cells[[_is_bounded(prices.get(int(i))) for i in cells.index]]
    stands = [
        standing(cell, rivals, sign=better, reach=reach)
        for cell in _priced(known, estimates, prices)
    ]
    return [
        _Case(row, of_row, None if of_row.rival is None else rows[of_row.rival])
        for row, of_row in zip(records(known), stands, strict=True)
    ]


def _priced(
    cells: pd.DataFrame, estimates: Mapping[int, Estimate], prices: Mapping[int, Price]
) -> list[Priced]:
    rows = [int(i) for i in cells.index]
    curves = zip(rows, cells["scheduler"], strict=True)
    return [Priced(str(curve), estimates[row], prices[row]) for row, curve in curves]


def _setting(name: str, cases: Sequence[_Case]) -> dict[str, Any]:
    """The record of one setting; empty where none of its cells has a price."""
    if not cases:
        return {}
    best = min(cases, key=lambda case: case.rank)
    counts = Counter(case.standing.verdict for case in cases)
    record = {
        "setting": name,
        "verdict": best.standing.verdict,
        "cells": {verdict: counts[verdict] for verdict in RANKED if counts[verdict]},
    }
    if best.standing.gain is None or best.rival is None:
        return record
    gain = best.standing.gain
    case: dict[str, Any] = {
        "cell": describe(best.row, ("scheduler", "steps")),
        "rival": describe(best.rival, ("scheduler", "steps")),
        "better_by": float(gain.value),
        "se": float(gain.se) if math.isfinite(gain.se) else None,
    }
    if best.standing.is_coarse:
        case["note"] = "no plain cell of that scheduler costs about as much: sweep more steps"
    return {**record, "best_case": case}
