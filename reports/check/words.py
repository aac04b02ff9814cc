"""A comparison in words: the columns of its tables."""

import math
from collections.abc import Callable

from denoisebench.metrics.decide.regression import IMPROVED, REGRESSION
from denoisebench.metrics.decide.verdicts import UNDECIDED
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.check.check import Comparison
from denoisebench.reports.check.columns import Column
from denoisebench.reports.check.losses import ENERGY, MEMORY, MOVED, TIMED, WORDS
from denoisebench.reports.formats import (
    duration,
    mebibytes,
    more,
    number,
    places_of,
    plus_minus,
    significant,
)

COLORS = {REGRESSION: "bold red", UNDECIDED: "yellow", IMPROVED: "green"}
_UNITS: dict[str, Callable[[float], str]] = {
    ENERGY: lambda joules: f"{significant(joules, 3)} J",
    MEMORY: lambda size: f"{mebibytes(size)} MiB",
}


def measure(row: Comparison) -> str:
    return WORDS.get(row.measure) or metric_spec(row.measure).label


def before(row: Comparison) -> str:
    return _value(row, row.baseline, row.baseline_se)


def now(row: Comparison) -> str:
    return _value(row, row.candidate, row.candidate_se)


def loss(row: Comparison) -> str:
    """`0.31 ± 0.12`, or `3.2 ± 1.1 %` of a ratio or a share; without an error where there is none,
    as between equal images."""
    is_share = row.measure in WORDS
    value, error = (100 * row.loss, 100 * row.loss_se) if is_share else (row.loss, row.loss_se)
    shown = plus_minus(value, error) if error > 0 else number(value, 1 if is_share else 2)
    return f"{shown} %" if is_share and math.isfinite(value) else shown


def bounds(row: Comparison) -> str:
    if not math.isfinite(row.high - row.low):
        return "unknown"
    return f"{_of_loss(row, row.low)} to {_of_loss(row, row.high)}"


def margin(row: Comparison) -> str:
    """The margin as it was declared."""
    if row.measure in WORDS:
        return f"{100 * row.margin:.3g} %"
    return f"{row.margin:.4g}"


def verdict(row: Comparison) -> str:
    kind = "process" if row.measure in TIMED else "sample"
    further = more(row.further, kind, "es" if kind == "process" else "s") if row.further else ""
    return ", ".join(filter(None, (row.outcome, further, row.note)))


def _value(row: Comparison, value: float, error: float) -> str:
    if row.measure == MOVED:
        return f"{number(100 * value, 1)} %"
    if row.measure in WORDS:
        return _UNITS.get(row.measure, duration)(value)
    return plus_minus(value, error)


def _of_loss(row: Comparison, value: float) -> str:
    """A bound of the loss, as exact as a quarter of the way to the other one, which is the standard
    error where nothing widens the bounds."""
    share = 100 if row.measure in WORDS else 1
    text = number(share * value, places_of(share * (row.high - row.low) / 4))
    return f"{text} %" if row.measure in WORDS else text


COLUMNS: tuple[Column[Comparison], ...] = (
    Column("cell", lambda row: row.cell),
    Column("measure", measure),
    Column("before", before, is_number=True),
    Column("now", now, is_number=True),
    Column("worse by", loss, is_number=True),
    Column("95 % bounds", bounds, is_number=True),
    Column("margin", margin, is_number=True),
    Column("verdict", verdict, style=lambda row: COLORS.get(row.outcome, "")),
)
