"""A check written down: for a terminal, a pull request, a CI system, a program. No statistics."""

import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from denoisebench.bench.paths import write_atomically
from denoisebench.metrics.decide.regression import IMPROVED, REGRESSION
from denoisebench.metrics.decide.verdicts import UNDECIDED
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.check.check import Check, Row
from denoisebench.reports.check.gallery import changed_sheet, most_changed
from denoisebench.reports.check.losses import ENERGY, MEMORY, MOVED, STAGES, TIMED, WORDS
from denoisebench.reports.formats import (
    MISSING,
    decimals_for,
    duration,
    mebibytes,
    number,
    significant,
)

_COLORS = {REGRESSION: "bold red", UNDECIDED: "yellow", IMPROVED: "green"}
_UNITS = {
    ENERGY: lambda joules: f"{significant(joules, 3)} J",
    MEMORY: lambda size: f"{mebibytes(size)} MiB",
}
_TIMES = "Times as they were; worse by: of those over the calibration timed beside them"


def write_check(found: Check, folder: Path) -> None:
    """check.json, check.md, junit.xml and, if images moved, changed.png."""
    write_atomically(folder / "check.json", json.dumps(_plain(found), indent=1).encode())
    write_atomically(folder / "check.md", check_markdown(found).encode())
    write_atomically(folder / "junit.xml", check_junit(found))
    shown = most_changed(found.pairs)
    if shown:
        buffer = io.BytesIO()
        changed_sheet(shown).save(buffer, "PNG")
        write_atomically(folder / "changed.png", buffer.getvalue())
    else:
        (folder / "changed.png").unlink(missing_ok=True)


def check_table(found: Check) -> Table | Text:
    """What did not pass, and how many did."""
    table = Table(title=Text(_headline(found)), title_justify="left", caption_justify="left")
    if any(row.measure in STAGES for row in _worth_telling(found)):
        table.caption = _TIMES
    for title in (
        "cell",
        "measure",
        "before",
        "now",
        "worse by",
        "95 % bounds",
        "margin",
        "verdict",
    ):
        table.add_column(title, justify="left" if title in ("cell", "measure") else "right")
    for name, why in found.problems.items():
        table.add_row(Text(name), Text(why), *[""] * 5, Text(REGRESSION, style=_COLORS[REGRESSION]))
    for row in _worth_telling(found):
        texts = [Text(text) for text in _cells(row)]
        table.add_row(*texts, Text(_verdict(row), style=_COLORS.get(row.outcome, "")))
    return table if table.rows else Text(_headline(found))


def check_markdown(found: Check) -> str:
    """For a comment on a pull request: what did not pass first, all the rest folded away."""
    lines = [f"## {_escaped(_headline(found))}", ""]
    lines += [f"- **{_escaped(name)}**: {_escaped(why)}" for name, why in found.problems.items()]
    told = list(_worth_telling(found))
    if told:
        lines += ["", *_markdown_table(told)]
    if any(row.measure in STAGES for row in found.rows):
        lines += ["", f"{_TIMES}."]
    rest = [row for row in found.rows if row not in told]
    if rest:
        lines += ["", f"<details><summary>{len(rest)} comparisons passed</summary>", ""]
        lines += [*_markdown_table(rest), "", "</details>"]
    if found.notes:
        lines += ["", "What changed:", "", *(f"- {_escaped(note)}" for note in found.notes)]
    return "\n".join(lines) + "\n"


def check_junit(found: Check) -> bytes:
    """One test case per comparison; an undecided one is skipped with its reason."""
    failures = len(found.problems) + sum(row.outcome == REGRESSION for row in found.rows)
    undecided = sum(row.outcome == UNDECIDED for row in found.rows)
    total = len(found.rows) + len(found.problems)
    counts = {"tests": str(total), "failures": str(failures), "skipped": str(undecided)}
    suite = ElementTree.Element("testsuite", {"name": "denoisebench", **counts})
    for name, why in found.problems.items():
        case = ElementTree.SubElement(suite, "testcase", classname=name, name="cell")
        ElementTree.SubElement(case, "failure", message=_printable(why))
    for row in found.rows:
        case = ElementTree.SubElement(suite, "testcase", classname=row.cell, name=row.measure)
        if row.outcome in (REGRESSION, UNDECIDED):
            kind = "failure" if row.outcome == REGRESSION else "skipped"
            _, _, before, now, loss, bounds, margin = _cells(row)
            message = f"{before} before, {now} now; worse by {loss} ({bounds}), margin {margin}"
            ElementTree.SubElement(case, kind, message=message)
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)


def _printable(text: str) -> str:
    """Control characters, such as colours of a message, may not stand in XML."""
    return "".join(c if c.isprintable() else " " for c in text)


def _headline(found: Check) -> str:
    counts = {outcome: sum(row.outcome == outcome for row in found.rows) for outcome in _COLORS}
    counts[REGRESSION] += len(found.problems)
    words = {REGRESSION: "worse", UNDECIDED: "undecided", IMPROVED: "improved"}
    told = ", ".join(f"{n} {words[outcome]}" for outcome, n in counts.items() if n) or "all passed"
    against = f"{found.candidate} against {found.baseline}"
    return f"{found.outcome}: {against}, {len(found.rows)} comparisons, {told}"


def _worth_telling(found: Check) -> Iterator[Row]:
    for outcome in _COLORS:
        yield from (row for row in found.rows if row.outcome == outcome)


def _cells(row: Row) -> list[str]:
    """Cell, measure, before, now, loss, bounds, margin."""
    values, told = _formats(row)
    before, now = (values(value) for value in (row.baseline, row.candidate))
    loss, low, high, margin = (told(value) for value in (row.loss, row.low, row.high, row.margin))
    label = WORDS.get(row.measure) or metric_spec(row.measure).label
    bounds = f"{low} to {high}" if math.isfinite(row.high - row.low) else "unknown"
    return [row.cell, label, before, now, loss, bounds, margin]


def _formats(row: Row) -> tuple[Callable[[float], str], Callable[[float], str]]:
    """Of values, and of losses."""
    if row.measure == MOVED:
        return _percent, _percent
    if row.measure in WORDS:
        return _UNITS.get(row.measure, duration), _percent
    decimals = decimals_for([row.high - row.loss])
    return lambda value: number(value, decimals), lambda value: number(value, decimals)


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)} %" if math.isfinite(share) else MISSING


def _verdict(row: Row) -> str:
    kind = "process" if row.measure in TIMED else "sample"
    plural = "es" if kind == "process" else "s"
    further = f"{row.further:,} more {kind}{plural * (row.further > 1)}" if row.further else ""
    return ", ".join(filter(None, (row.outcome, further, row.note)))


def _markdown_table(rows: list[Row]) -> list[str]:
    titles = ["cell", "measure", "before", "now", "worse by", "95 % bounds", "margin", "verdict"]
    lines = [f"| {' | '.join(titles)} |", "|---|---|" + "--:|" * 5 + "---|"]
    for row in rows:
        texts = [*_cells(row), _verdict(row)]
        lines.append(f"| {' | '.join(map(_escaped, texts))} |")
    return lines


def _escaped(text: str) -> str:
    """Markup and bars of a name are text."""
    for mark, written in {"&": "&amp;", "<": "&lt;", "|": "\\|", "*": "\\*", "_": "\\_"}.items():
        text = text.replace(mark, written)
    return " ".join(text.split())


def _plain(found: Check) -> dict:
    rows = [{name: _json(value) for name, value in asdict(row).items()} for row in found.rows]
    return {
        "schema": 1,
        "outcome": found.outcome,
        "baseline": found.baseline,
        "candidate": found.candidate,
        "problems": found.problems,
        "notes": found.notes,
        "comparisons": rows,
    }


def _json(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
