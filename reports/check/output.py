"""A check written down: for a terminal, a pull request, a CI system, a program. No statistics."""

import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from denoisebench.bench.paths import write_atomically
from denoisebench.metrics.decide.regression import IMPROVED, REGRESSION
from denoisebench.metrics.decide.verdicts import UNDECIDED
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.check.check import Check, Comparison
from denoisebench.reports.check.columns import (
    Column,
    add_rows,
    escaped,
    markdown_table,
    terminal_table,
)
from denoisebench.reports.check.gallery import changed_sheet, most_changed
from denoisebench.reports.check.losses import ENERGY, MEMORY, MOVED, STAGES, TIMED, WORDS
from denoisebench.reports.formats import (
    MISSING,
    decimals_for,
    duration,
    mebibytes,
    more,
    number,
    significant,
)

_COLORS = {REGRESSION: "bold red", UNDECIDED: "yellow", IMPROVED: "green"}
_UNITS: dict[str, Callable[[float], str]] = {
    ENERGY: lambda joules: f"{significant(joules, 3)} J",
    MEMORY: lambda size: f"{mebibytes(size)} MiB",
}
_ABOUT_TIMES = "Times as they were; worse by: of those over the calibration timed beside them"


def write_check(check: Check, folder: Path) -> None:
    """check.json, check.md, junit.xml and, if images moved, changed.png."""
    write_atomically(folder / "check.json", json.dumps(_plain(check), indent=1).encode())
    write_atomically(folder / "check.md", check_markdown(check).encode())
    write_atomically(folder / "junit.xml", check_junit(check))
    shown = most_changed(check.pairs)
    if shown:
        buffer = io.BytesIO()
        changed_sheet(shown).save(buffer, "PNG")
        write_atomically(folder / "changed.png", buffer.getvalue())
    else:
        (folder / "changed.png").unlink(missing_ok=True)


def check_table(check: Check) -> Table | Text:
    """What did not pass, and how many did."""
    table = terminal_table(COLUMNS, _headline(check))
    rows = _worth_telling(check)
    if any(row.measure in STAGES for row in rows):
        table.caption = _ABOUT_TIMES
    for name, why in check.problems.items():
        empty = [""] * (len(COLUMNS) - 3)
        table.add_row(Text(name), Text(why), *empty, Text(REGRESSION, _COLORS[REGRESSION]))
    add_rows(table, COLUMNS, rows)
    return table if table.rows else Text(_headline(check))


def check_markdown(check: Check) -> str:
    """A comment on a pull request: what did not pass first, all the rest folded away."""
    lines = [f"## {escaped(_headline(check))}", ""]
    lines += [f"- **{escaped(name)}**: {escaped(why)}" for name, why in check.problems.items()]
    rows = _worth_telling(check)
    if rows:
        lines += ["", *markdown_table(COLUMNS, rows)]
    if any(row.measure in STAGES for row in check.rows):
        lines += ["", f"{_ABOUT_TIMES}."]
    rest = [row for row in check.rows if row not in rows]
    if rest:
        lines += ["", f"<details><summary>{len(rest)} comparisons passed</summary>", ""]
        lines += [*markdown_table(COLUMNS, rest), "", "</details>"]
    if check.notes:
        lines += ["", "What changed:", "", *(f"- {escaped(note)}" for note in check.notes)]
    return "\n".join(lines) + "\n"


def check_junit(check: Check) -> bytes:
    """One test case per comparison; an undecided one is skipped with its reason."""
    failures = len(check.problems) + sum(row.outcome == REGRESSION for row in check.rows)
    undecided = sum(row.outcome == UNDECIDED for row in check.rows)
    total = len(check.rows) + len(check.problems)
    counts = {"tests": str(total), "failures": str(failures), "skipped": str(undecided)}
    suite = ElementTree.Element("testsuite", {"name": "denoisebench", **counts})
    for name, why in check.problems.items():
        case = ElementTree.SubElement(suite, "testcase", classname=name, name="cell")
        ElementTree.SubElement(case, "failure", message=_printable(why))
    for row in check.rows:
        case = ElementTree.SubElement(suite, "testcase", classname=row.cell, name=row.measure)
        if row.outcome in (REGRESSION, UNDECIDED):
            kind = "failure" if row.outcome == REGRESSION else "skipped"
            ElementTree.SubElement(case, kind, message=_message(row))
    report: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return report


def _message(row: Comparison) -> str:
    return (
        f"{_before(row)} before, {_now(row)} now; worse by {_loss(row)} ({_bounds(row)}), "
        f"margin {_margin(row)}"
    )


def _printable(text: str) -> str:
    """Control characters, such as colours of a message, may not stand in XML."""
    return "".join(c if c.isprintable() else " " for c in text)


def _headline(check: Check) -> str:
    counts = {outcome: sum(row.outcome == outcome for row in check.rows) for outcome in _COLORS}
    counts[REGRESSION] += len(check.problems)
    words = {REGRESSION: "worse", UNDECIDED: "undecided", IMPROVED: "improved"}
    parts = [f"{n} {words[outcome]}" for outcome, n in counts.items() if n]
    against = f"{check.candidate} against {check.baseline}"
    summary = ", ".join(parts) or "all passed"
    return f"{check.outcome}: {against}, {len(check.rows)} comparisons, {summary}"


def _worth_telling(check: Check) -> list[Comparison]:
    """What did not just pass, the worst first."""
    return [row for outcome in _COLORS for row in check.rows if row.outcome == outcome]


def _measure(row: Comparison) -> str:
    return WORDS.get(row.measure) or metric_spec(row.measure).label


def _before(row: Comparison) -> str:
    return _value_text(row, row.baseline)


def _now(row: Comparison) -> str:
    return _value_text(row, row.candidate)


def _loss(row: Comparison) -> str:
    return _loss_text(row, row.loss)


def _bounds(row: Comparison) -> str:
    if not math.isfinite(row.high - row.low):
        return "unknown"
    return f"{_loss_text(row, row.low)} to {_loss_text(row, row.high)}"


def _margin(row: Comparison) -> str:
    return _loss_text(row, row.margin)


def _verdict(row: Comparison) -> str:
    kind = "process" if row.measure in TIMED else "sample"
    further = more(row.further, kind, "es" if kind == "process" else "s") if row.further else ""
    return ", ".join(filter(None, (row.outcome, further, row.note)))


def _value_text(row: Comparison, value: float) -> str:
    if row.measure == MOVED:
        return _percent(value)
    if row.measure in WORDS:
        return _UNITS.get(row.measure, duration)(value)
    return number(value, _decimals(row))


def _loss_text(row: Comparison, loss: float) -> str:
    return _percent(loss) if row.measure in WORDS else number(loss, _decimals(row))


def _decimals(row: Comparison) -> int:
    return decimals_for([row.high - row.loss])


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)} %" if math.isfinite(share) else MISSING


COLUMNS: tuple[Column[Comparison], ...] = (
    Column("cell", lambda row: row.cell),
    Column("measure", _measure),
    Column("before", _before, is_number=True),
    Column("now", _now, is_number=True),
    Column("worse by", _loss, is_number=True),
    Column("95 % bounds", _bounds, is_number=True),
    Column("margin", _margin, is_number=True),
    Column("verdict", _verdict, style=lambda row: _COLORS.get(row.outcome, "")),
)


def _plain(check: Check) -> dict[str, Any]:
    rows = [{name: _json(value) for name, value in asdict(row).items()} for row in check.rows]
    return {
        "schema": 1,
        "outcome": check.outcome,
        "baseline": check.baseline,
        "candidate": check.candidate,
        "problems": check.problems,
        "notes": check.notes,
        "comparisons": rows,
    }


def _json(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
