"""The best cell at each budget of a run, per model, as records of defaults.yaml.

The rule is that of metrics/decide/budget.py; here it meets the rows of a run and its times.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from denoisebench.bench.records.cell import SECONDS_KIND, Latency
from denoisebench.bench.records.columns import PANEL_FIELDS
from denoisebench.bench.records.names import counted
from denoisebench.bench.records.run import JOULES, SECONDS, Budget, Run
from denoisebench.metrics.decide.budget import (
    UNKNOWN,
    UNMET,
    Bought,
    Price,
    best_within,
    counted_price,
    measured_price,
)
from denoisebench.metrics.decide.choose import Reaches
from denoisebench.metrics.decide.sequential import Reach
from denoisebench.metrics.decide.speed import log_mean, log_median
from denoisebench.metrics.decide.verdicts import FAIL
from denoisebench.metrics.specs import leading
from denoisebench.reports.decide.decisions import (
    Decisions,
    Estimates,
    Judged,
    Recommendation,
    judged_cells,
)
from denoisebench.reports.decide.defaults_yaml import (
    FrameRow,
    default_record,
    setting_name,
    varied_fields,
)
from denoisebench.reports.formats import duration, significant
from denoisebench.reports.rows.frame import records

# What cells of one choice share: all else of a panel may be swept to find the best.
SHARED = (
    *("model", "weights", "task", "strength", "prompts", "negative_prompt", "seed"),
    *("asked_samples", "height", "width", "engine"),
)
_NONE_WITHIN = (
    "each cell that it pays for is proven to lose more than a margin to another one: which is best "
    "depends on the metric"
)
_BATCH = re.compile(r", batches of \d+")  # in an engine


@dataclass(frozen=True, eq=False)
class AtBudget:
    """What one budget pays for among the cells of one model."""

    budget: Budget
    limit: float
    recommendation: Recommendation  # of the cells that are paid for, or may be
    bought: Bought
    prices: dict[int, Price]  # by row number, UNKNOWN ones too

    @property
    def sure(self) -> int:
        """Cells that are known to be paid for."""
        return 0 if self.outcome == UNMET else len(self.bought.places) - len(self.bought.unsure)

    @property
    def unsure_rows(self) -> list[int]:
        """Row numbers of cells that may be paid for, by a price that is known but for its error."""
        pairs = zip(self.recommendation.rows, self.bought.places, strict=True)
        return [
            row for row, place in pairs if place in self.bought.unsure and self.prices[row].is_known
        ]

    @property
    def unpriced_rows(self) -> list[int]:
        """Row numbers of cells of unknown price: any budget may pay for them."""
        return [row for row, price in self.prices.items() if not price.is_known]

    @property
    def costs(self) -> dict[int, float]:
        """Prices by row number of the cells that are known to be paid for."""
        pairs = zip(self.recommendation.rows, self.bought.places, strict=True)
        return {
            row: self.prices[row].value for row, place in pairs if place not in self.bought.unsure
        }

    @property
    def outcome(self) -> str:
        return self.bought.choice.outcome

    @property
    def cheapest(self) -> int:
        """Row number of the cell of the lowest known price."""
        known = [row for row, price in self.prices.items() if price.is_known]
        return min(known, key=lambda row: self.prices[row].value)


def at_budgets(
    run: Run, frame: pd.DataFrame, estimates: Estimates, *, decisions: Decisions
) -> list[AtBudget]:
    """One for each model and limit; none for a model of which no cell has a price, or nothing that
    decides. Where some cells of a model have a price, the others may cost anything. The level is
    split between all of them."""
    if run.budget is None or not decisions.gates:
        return []
    budget, judged = run.budget, judged_cells(frame, estimates, decisions.gates)
    prices = prices_of(run, frame, budget)
    alike = without_batches(judged.cells)
    groups = [
        rows
        for _, group in alike.groupby([*SHARED], sort=False, dropna=False)
        if not prices.keys().isdisjoint(rows := [int(i) for i in group.index])
    ]
    reaches = partial(_shared, decisions.reaches, len(groups) * len(budget.limits))
    return [
        _at(budget, limit, rows, judged=judged, prices=prices, reaches=reaches)
        for rows in groups
        for limit in budget.limits
    ]


def without_batches(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with engines that say nothing of batches: their size follows from cache, precision
    and compilation, and would keep such cells apart."""
    return frame.assign(engine=frame["engine"].str.replace(_BATCH, "", regex=True))


def _shared(reaches: Reaches, choices: int, level: float) -> Reach:
    return reaches(level / choices)


def _at(
    budget: Budget,
    limit: float,
    rows: list[int],
    *,
    judged: Judged,
    prices: Mapping[int, Price],
    reaches: Reaches,
) -> AtBudget:
    cells = judged.cells.loc[rows]
    gates = judged.gates[next(row for row in rows if row in prices)]
    rows = [row for row in rows if judged.gates[row].keys() == gates.keys()]
    free = tuple(
        name
        for name in PANEL_FIELDS
        if name not in SHARED and cells[name].nunique(dropna=False) > 1
    )
    candidates = [
        replace(candidate, curve=f"{cells['panel'][row]} {candidate.curve}")
        for row in rows
        if (candidate := judged.candidates[row])
    ]
    own = {row: prices.get(row, UNKNOWN) for row in rows}
    bought = best_within(limit, candidates, [*own.values()], gates=gates, reaches=reaches)
    recommendation = Recommendation(
        leading(gates, gates)[0],
        str(cells.at[rows[0], "panel"]),
        bought.choice,
        [rows[place] for place in bought.places],
        {},
        free=free,
    )
    return AtBudget(budget, limit, recommendation, bought, own)


def prices_of(run: Run, frame: pd.DataFrame, budget: Budget) -> dict[int, Price]:
    """Prices of the cells that have one, by row number: counted, or with bounds that hold for all
    of them together."""
    if budget.unit in (SECONDS, JOULES):
        return _measured(run, budget)
    values = frame[budget.column].astype(float)
    prices = {int(i): counted_price(float(v)) for i, v in values.items() if math.isfinite(v)}  # type: ignore[call-overload]
    # What a service charges is its price, however long it takes.
    return _measured(run, budget, given=prices) | prices if budget.is_of_seconds else prices


def _measured(run: Run, budget: Budget, *, given: Collection[int] = ()) -> dict[int, Price]:
    """Prices by the latency passes of a run, or by what its user says images took. given: rows that
    need none."""
    runs, beside = {}, {}
    for row, entry in enumerate(run.entries):
        if row in given:
            continue
        record = run.store.read_record(entry.cell.key, entry.latency) if entry.latency else None
        if record is not None:
            latency = Latency(**record)
            spent = latency.energy_j if budget.is_of_joules else latency.total_s
            if spent and sum(spent) > 0:
                runs[row] = np.array(spent) / latency.batch_size
                beside[row] = math.log(np.median(latency.calibration_s))
        elif not budget.is_of_joules:
            of_user = run.store.read_record(entry.cell.key, SECONDS_KIND) or {}
            if of_user.get("seconds"):
                runs[row] = np.array(of_user["seconds"])
    usual = float(np.median([*beside.values()])) if beside else 0.0
    typical = log_mean if budget.is_of_joules else log_median
    rate = 1.0 if budget.is_of_joules else budget.each_second
    return {
        row: measured_price(
            rate * of_cell,
            # Joules come from no clock.
            drift=0.0 if budget.is_of_joules else beside.get(row, usual) - usual,
            measured=len(runs),
            typical=typical,
        )
        for row, of_cell in runs.items()
    }


def budget_records(
    run: Run, frame: pd.DataFrame, purchases: Sequence[AtBudget], *, decisions: Decisions
) -> list[dict[str, Any]]:
    """The records of defaults.yaml, by which denoisebench.apply sets the best at a budget."""
    rows = records(frame)
    shared = [[*map(str, row)] for row in without_batches(frame)[[*SHARED]].to_numpy()]
    varied = varied_fields([rows[at.recommendation.rows[0]] for at in purchases])
    varied = [name for name in varied if name in SHARED]
    return [
        {
            "budget": at.budget.name(at.limit),
            **dict(_bought(at, rows)),
            **_without_guidance(
                at,
                default_record(
                    run,
                    rows,
                    _noted(at, rows),
                    varied=varied,
                    gates=decisions.gates,
                    costs=at.costs,
                    group=[
                        row
                        for row, values in zip(rows, shared, strict=True)
                        if values == shared[at.recommendation.rows[0]]
                    ],
                ),
            ),
        }
        for at in purchases
    ]


def _without_guidance(at: AtBudget, record: dict[str, Any]) -> dict[str, Any]:
    """A record without a setting is of one guidance only where no other was swept."""
    is_open = at.recommendation.chosen_row is None
    if is_open and (at.outcome == UNMET or "guidance" in at.recommendation.free):
        return {name: value for name, value in record.items() if name != "guidance"}
    return record


def _noted(at: AtBudget, rows: Sequence[FrameRow]) -> Recommendation:
    """The recommendation, with why there is none."""
    if at.outcome == UNMET:
        cheapest = at.cheapest
        note = (
            f"no cell costs so little; the cheapest is {_name(at, rows, cheapest)}: "
            f"{amount(at.budget, at.prices[cheapest].value)}"
        )
        return replace(at.recommendation, note=note)
    standings = at.bought.choice.standings
    if standings and all(standing.outcome == FAIL for standing in standings):
        return replace(at.recommendation, note=_NONE_WITHIN)
    if at.bought.chosen is None and not at.sure:
        parts = ["no cell is known to cost so little"]
        parts += [_perhaps(at, rows)] if at.unsure_rows else []
        names = [_name(at, rows, row) for row in at.unpriced_rows]
        parts += [unpriced_words(names, at.budget)] if names else []
        return replace(at.recommendation, note="; ".join(parts))
    return at.recommendation


def _perhaps(at: AtBudget, rows: Sequence[FrameRow]) -> str:
    """`ddim, 2 steps may, 90 ms to 110 ms: time it again …`, of the cheapest that may be paid
    for."""
    row = min(at.unsure_rows, key=lambda row: at.prices[row].value)
    low, high = at.prices[row].low, at.prices[row].high
    wide = f"{amount(at.budget, low)} to {amount(at.budget, high)}"
    bounds = "whose error is not known" if math.isinf(high) else wide
    return f"{_name(at, rows, row)} may, {bounds}: time it again where nothing else runs"


def unpriced_words(names: Sequence[str], budget: Budget) -> str:
    """`3 cells have no known cost in TFLOPs`; names: of those cells."""
    who = f"{names[0]} has" if len(names) == 1 else f"{counted(len(names), 'cell')} have"
    return f"{who} no known cost in {unit_words(budget)}"


def _bought(at: AtBudget, rows: Sequence[FrameRow]) -> Iterator[tuple[str, Any]]:
    """What stands before the setting: its name, its price, and what it was held against."""
    if at.budget.usd_per_hour is not None:
        yield "usd_per_hour", at.budget.usd_per_hour
    row = at.recommendation.chosen_row
    if row is not None:
        price = at.prices[row]
        yield "setting", _name(at, rows, row)
        yield "price", {"value": price.value, "low": price.low, "high": price.high}
    yield "paid_for", at.sure
    if at.unsure_rows:
        yield "may_be_paid_for", [_name(at, rows, row) for row in at.unsure_rows]
    if at.unpriced_rows:
        yield "no_known_cost", [_name(at, rows, row) for row in at.unpriced_rows]


def _name(at: AtBudget, rows: Sequence[FrameRow], row: int) -> str:
    """`ddim, 8 steps, guidance 4`."""
    return setting_name(rows[row], ("guidance", *at.recommendation.free))


def unit_words(budget: Budget) -> str:
    """`block evaluations`, `TFLOPs`, `seconds`."""
    return {"nfe": "NFE", "tflops": "TFLOPs", "usd": "dollars"}.get(
        budget.unit, budget.unit.replace("_", " ")
    )


def amount(budget: Budget, value: float) -> str:
    """`164 ms`, `40 block evaluations`, `$0.0012`."""
    if budget.unit == "seconds":
        return duration(value)
    if budget.unit == "usd":
        return f"${significant(value)}"
    if budget.unit == "joules":
        return f"{significant(value)} J"
    number = f"{value:,.0f}" if float(value).is_integer() else significant(value)
    words = unit_words(budget)
    return f"{number} {words.removesuffix('s') if number == '1' else words}"
