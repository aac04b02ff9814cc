"""Two measured cells compared by one metric: paired where their samples match, saying so if not."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.cell import Cell, Entry
from denoisebench.bench.records.columns import PANEL_FIELDS, UNSCORED
from denoisebench.bench.records.names import cell_name, counted, plain
from denoisebench.bench.records.rows import read_estimate, rows
from denoisebench.bench.records.run import Run
from denoisebench.metrics.built_in import MetricSpec
from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.shape import FEWEST, TOO_FEW
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import OWN, metric_spec
from denoisebench.reports.formats import MISSING, number, places_of, plus_minus
from denoisebench.reports.rows.cautions import UNCONDITIONAL

# Cells are chosen by these, as results.csv shows them. The key tells those apart that differ in
# something else, such as arguments of the pipeline's call.
_NAMED = ("scheduler", "steps", *PANEL_FIELDS, "samples", "key")
_FEW = 3  # cells by name
_FEW_PAIRED = f": fewer than {FEWEST} decide nothing"
_SMALLEST_P = 1e-16  # below, the normal tail is lost in rounding
_OTHER_RULER = "extractor, reference or convention differ"
_OTHER_OWN = "this metric of your own changed between the two: its source, settings or files"


@dataclass(frozen=True, eq=False)
class MeasuredCell:
    """A cell of a run with what was measured of it."""

    run: Run
    entry: Entry

    @property
    def name(self) -> str:
        return cell_name(self.entry.asked)


def compare_cells(a: MeasuredCell, b: MeasuredCell, metric: str) -> Difference:
    """a - b with its standard error, interval and p.

    Sample i of both is paired when it had the same prompt, and input image where there is one: then
    it had the same noise too unless seed or model differ, which makes pairing gain less but not
    wrong. Raises UserError when a cell has no such score, and when the two were scored in ways that
    have no difference.
    """
    estimates = _estimate(a, metric), _estimate(b, metric)
    if not is_comparable(a.entry, b.entry, metric):
        names = " and ".join(_names(a, b))
        raise UserError(f"{names} cannot be compared by {metric}: {_other_ruler(metric)}")
    return difference_of(*estimates, mismatch(a.entry.cell, b.entry.cell))


def _names(a: MeasuredCell, b: MeasuredCell) -> tuple[str, str]:
    """The names of two cells with what else they differ in: settings, and the run they are of."""
    differing = _differing((a.entry, b.entry))
    if a.entry.cell.key == b.entry.cell.key:
        differing = [name for name in differing if name != "key"]
    first, second = (cell_name(_settings(one.entry), also=differing) for one in (a, b))
    if a.run.folder.resolve() == b.run.folder.resolve():
        return first, second
    where = (a.run.name, b.run.name)
    if where[0] == where[1]:
        where = (str(a.run.folder), str(b.run.folder))
    return f"{first}, run {where[0]}", f"{second}, run {where[1]}"


def _estimate(one: MeasuredCell, metric: str) -> Estimate:
    estimate = read_estimate(one.run.store, one.entry, metric)
    if estimate is None:
        raise UserError(_lack(one, metric))
    return estimate


def _lack(one: MeasuredCell, metric: str) -> str:
    """Why a cell has no score of a metric."""
    if metric not in one.entry.metrics:
        known = ", ".join(one.entry.metrics) or "none"
        return f"{one.name} has no {metric}; it was scored by {known}"
    (row,) = rows(replace(one.run, entries=[one.entry]))
    message = f": {row['message']}" if row["message"] else ""
    return f"{one.name} has no {metric}; it is {row['status']}{message}"


def is_comparable(a: Entry, b: Entry, metric: str) -> bool:
    """Whether a metric is the same of both, as far as can be told: the kind of an estimate says all
    that went into it, its samples too, so that those of other samples have another kind anyway.
    What is measured against a cell's own reference trajectory has one for each curve."""
    if metric.endswith("_converged") or (a.samples, a.first) != (b.samples, b.first):
        return True
    return a.metrics.get(metric) == b.metrics.get(metric)


def entries_difference(
    a: Entry, b: Entry, metric: str, *, estimates: tuple[Estimate, Estimate]
) -> Difference | None:
    """a - b, paired where samples match; None where the metric is not the same of both, or where
    one sample has no error."""
    if not is_comparable(a, b, metric):
        return None
    difference = difference_of(*estimates, mismatch(a.cell, b.cell))
    return difference if difference.units > 1 else None


def difference_words(
    a: Entry, b: Entry, metric: str, *, estimates: tuple[Estimate, Estimate]
) -> str:
    """`+3.1 ± 1.2, worse`: a - b with its standard error, and what a is beside b.

    It says so where samples could not be paired, or where the two have no difference."""
    if not is_comparable(a, b, metric):
        return f"not comparable: {_other_ruler(metric)}"
    difference = entries_difference(a, b, metric, estimates=estimates)
    if difference is None:
        return "not known: one sample has no error"
    plus = "+" if difference.value > 0 else ""
    value = plus_minus(difference.value, difference.se)
    note = f"; not paired: {difference.unpaired}" if difference.unpaired else ""
    return f"{plus}{value}, {a_is(metric_spec(metric), difference)}{note}"


def mismatch(a: Cell, b: Cell) -> str:
    """Why sample i of two cells is not the same one of both; empty where it is."""
    if a.seed != b.seed and {a.prompts, b.prompts} == {UNCONDITIONAL}:
        return "different noise, and no prompts"
    if a.prompts_hash != b.prompts_hash:
        return "different prompts"
    return "different input images" if a.inputs != b.inputs else ""


def find_cell(run: Run, wanted: Mapping[str, str]) -> MeasuredCell:
    """The one cell of a run whose settings are as wanted, such as {"scheduler": "ddim"}.

    Cells that cannot be run count where no other is so. Raises UserError for a setting that cells
    do not have, and when no or several cells are left.
    """
    for name in wanted:
        if name not in _NAMED:
            raise UserError(f"{name}: cells are chosen by {', '.join(_NAMED)}")
    alike = [entry for entry in run.entries if _is_wanted(entry, wanted)]
    left = [entry for entry in alike if not entry.unsupported] or alike
    if len(left) == 1:
        return MeasuredCell(run, left[0])
    wish = ",".join(f"{name}={value}" for name, value in wanted.items())
    if not left:
        nearest = " or ".join(_nearest(run.entries, wanted))
        raise UserError(f"{wish}: no cell of {run.folder} is so; the nearest: {nearest}")
    raise UserError(
        f"{wish}: {len(left)} cells are so; they differ in {', '.join(_differing(left))}; the key "
        "of each is in results.csv"
    )


def _differing(entries: Sequence[Entry]) -> list[str]:
    """Settings that tell some of the entries apart: the key where nothing else does."""
    values = [_settings(entry) for entry in entries]
    names = [name for name in _NAMED if len({str(settings[name]) for settings in values}) > 1]
    return [name for name in names if name != "key"] or ["key"]


def _settings(entry: Entry) -> dict[str, object]:
    """An entry's values of _NAMED."""
    values = {**entry.asked, "key": entry.cell.key}
    return {name: values[name] for name in _NAMED}


def _is_wanted(entry: Entry, wanted: Mapping[str, str]) -> bool:
    return not _unlike(entry, wanted)


def _unlike(entry: Entry, wanted: Mapping[str, str]) -> list[str]:
    """Names of the settings that are not as wanted; a weight that has no effect is as any."""
    settings = _settings(entry)
    return [
        name
        for name, value in wanted.items()
        if not (_same(settings[name], value) or plain(name, settings[name]) == value)
        and (name != "guidance" or entry.cell.has_guidance)
    ]


def _nearest(entries: Sequence[Entry], wanted: Mapping[str, str]) -> list[str]:
    """The cells that differ least from what is wanted, by the same settings, three at most."""

    def distance(entry: Entry) -> tuple[int, float]:
        settings, unlike = _settings(entry), _unlike(entry, wanted)
        return len(unlike), sum(_distance(settings[name], wanted[name]) for name in unlike)

    texts = (
        ",".join(f"{name}={plain(name, _settings(entry)[name])}" for name in wanted)
        for entry in sorted(entries, key=distance)
    )
    return [*dict.fromkeys(texts)][:_FEW]


def _distance(value: object, wanted: str) -> float:
    """Difference, 0 to 1: of numbers by their ratio, of texts by their spelling."""
    try:
        one, other = sorted((abs(float(str(value))), abs(float(wanted))))
    except ValueError:
        return 1 - SequenceMatcher(None, str(value), wanted).ratio()
    return 1 - one / other if other else 0.0


def _same(value: object, wanted: str) -> bool:
    if isinstance(value, str):
        return value == wanted
    try:
        return float(str(value)) == float(wanted)
    except ValueError:
        return False


def comparison_table(a: MeasuredCell, b: MeasuredCell) -> Table:
    """One line per metric that both cells have."""
    first, second = _names(a, b)
    table = Table(title=Text(f"A: {first}\nB: {second}"), title_justify="left")
    for title in ("metric", "A - B ± se", "95 % interval", "p", "A is", "samples"):
        table.add_column(title, justify="left" if title in ("metric", "samples") else "right")
    for metric, difference in _differences(a, b):
        spec = metric_spec(metric)
        cells = (
            _line(spec, difference)
            if isinstance(difference, Difference)
            else [MISSING] * 4 + [f"not comparable: {difference}"]
        )
        table.add_row(f"{spec.label}, {spec.direction}", *cells)
    return table


def comparison_frame(a: MeasuredCell, b: MeasuredCell) -> pd.DataFrame:
    """One row per metric that both cells have: a - b with its standard error, 95 % interval and
    two-sided p; nan where the two cannot be compared, as the note says."""
    return pd.DataFrame([_record(metric, d) for metric, d in _differences(a, b)])


def comparison_record(a: MeasuredCell, b: MeasuredCell) -> dict[str, Any]:
    """The rows of comparison_frame as plain values, with the names of both cells."""
    first, second = _names(a, b)
    metrics = [_record(metric, difference) for metric, difference in _differences(a, b)]
    return {"a": first, "b": second, "metrics": metrics}


def _record(metric: str, difference: Difference | str) -> dict[str, object]:
    if isinstance(difference, str):
        numbers = dict.fromkeys(("difference", "se", "low", "high", "p"), math.nan)
        return {"metric": metric, **numbers, "units": 0, "a_is": "", "note": difference}
    low, high = difference.interval()
    return {
        "metric": metric,
        "difference": difference.value,
        "se": difference.se,
        "low": low,
        "high": high,
        "p": difference.p,
        "units": difference.units,
        "a_is": a_is(metric_spec(metric), difference),
        "note": _note(difference),
    }


def _note(difference: Difference) -> str:
    """What was not paired, and why nothing is decided of few units."""
    unpaired = f"unpaired: {difference.unpaired}" if difference.unpaired else ""
    few = f"{counted(difference.units, 'independent sample')}: {TOO_FEW}"
    return "; ".join(filter(None, [unpaired, few if difference.is_few else ""]))


def _differences(a: MeasuredCell, b: MeasuredCell) -> Iterator[tuple[str, Difference | str]]:
    """a - b by each metric that both cells have, or why there is none: they were scored in other
    ways, or a metric of the user's own failed. Raises UserError when they share none."""
    shared = [metric for metric in a.entry.metrics if metric in b.entry.metrics]
    if not shared:
        raise UserError(f"{' and '.join(_names(a, b))} share no metric")
    for metric in shared:
        why = next(filter(None, (_failure(one, metric) for one in (a, b))), "")
        if not (why or is_comparable(a.entry, b.entry, metric)):
            why = _other_ruler(metric)
        yield metric, why or compare_cells(a, b, metric)


def _other_ruler(metric: str) -> str:
    """Why two cells cannot be compared that were scored in other ways."""
    return _OTHER_OWN if metric in OWN else _OTHER_RULER


def _failure(one: MeasuredCell, metric: str) -> str:
    """Why a cell lacks a metric of the user's own that failed; empty where it has all that is
    asked."""
    store, entry = one.run.store, one.entry
    record = store.read_record(entry.cell.key, entry.status_kind)
    if not record or record["status"] != UNSCORED:
        return ""
    is_there = read_estimate(store, entry, metric) is not None
    return "" if is_there else f"{one.name}: {record['message']}"


def _line(spec: MetricSpec, difference: Difference) -> list[str]:
    low, high = difference.interval()
    decimals = places_of((high - low) / 4)
    return [
        plus_minus(difference.value, difference.se),
        f"{number(low, decimals)} to {number(high, decimals)}" if math.isfinite(low) else MISSING,
        _p_words(difference.p),
        a_is(spec, difference),
        f"unpaired: {difference.unpaired}"
        if difference.unpaired
        else f"{difference.units:,} paired{_FEW_PAIRED * difference.is_few}",
    ]


def _p_words(p: float) -> str:
    if math.isnan(p):
        return MISSING
    return f"< {_SMALLEST_P:.0e}" if p < _SMALLEST_P else f"{p:.2g}"


def a_is(spec: MetricSpec, difference: Difference) -> str:
    """What A is beside B, undecided of few units. Where zero is best and both of its sides are not,
    more is not better."""
    low, high = difference.interval()
    if math.isnan(low) or difference.is_few:
        return "undecided"
    if low <= 0 <= high:
        return "not told apart"
    if spec.is_signed:
        return "higher" if difference.value > 0 else "lower"
    return "better" if (difference.value > 0) == (spec.better == "higher") else "worse"
