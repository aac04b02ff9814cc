"""A check written down: for a terminal, a pull request, a CI system, a program. No statistics."""

import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from denoisebench.bench.paths import write_atomically
from denoisebench.metrics.decide.regression import REGRESSION
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.reports.check import words
from denoisebench.reports.check.check import Check, Comparison
from denoisebench.reports.check.columns import add_rows, escaped, markdown_table, terminal_table
from denoisebench.reports.check.gallery import changed_sheet, most_changed
from denoisebench.reports.check.losses import STAGES
from denoisebench.reports.check.standing import Standing, headline, standings
from denoisebench.reports.check.words import COLORS, COLUMNS

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


def check_lines(check: Check) -> list[Text]:
    """The verdict of each family in one line, and a line for each thing that would mend one."""
    lines = [Text(headline(check), COLORS.get(check.outcome, "bold"))]
    for standing in standings(check):
        lines += [Text(f"{standing.family}: {detail}") for detail in standing.details]
    return [*lines, Text(_against(check))]


def check_table(check: Check) -> Table | None:
    """What did not just pass; None where all did."""
    table = terminal_table(COLUMNS, "")
    rows = _worth_telling(check)
    if any(row.measure in STAGES for row in rows):
        table.caption = _ABOUT_TIMES
    for problem in check.problems:
        empty = [""] * (len(COLUMNS) - 3)
        color = COLORS[REGRESSION]
        table.add_row(Text(problem.cell), Text(problem.why), *empty, Text(REGRESSION, color))
    add_rows(table, COLUMNS, rows)
    return table if table.rows else None


def omitted_lines(check: Check) -> list[str]:
    """A line for each thing that is not compared."""
    return [f"not compared: {line}" for line in check.omitted]


def check_markdown(check: Check) -> str:
    """A comment on a pull request: the verdicts and what did not pass first, all the rest folded
    away."""
    lines = [f"## {check.outcome}: {escaped(_against(check))}", ""]
    for standing in standings(check):
        lines += _markdown_standing(standing)
    if check.problems:
        lines += [""]
        lines += [f"- **{escaped(p.cell)}**: {escaped(p.why)}" for p in check.problems]
    rows = _worth_telling(check)
    if rows:
        lines += ["", *markdown_table(COLUMNS, rows)]
    if any(row.measure in STAGES for row in check.rows):
        lines += ["", f"{_ABOUT_TIMES}."]
    rest = [row for row in check.rows if row.outcome == PASS]
    if rest:
        lines += ["", f"<details><summary>{len(rest)} comparisons passed</summary>", ""]
        lines += [*markdown_table(COLUMNS, rest), "", "</details>"]
    if check.notes:
        lines += ["", "What changed:", "", *(f"- {escaped(note)}" for note in check.notes)]
    if check.omitted:
        lines += ["", "Not compared:", "", *(f"- {escaped(line)}" for line in check.omitted)]
    return "\n".join(lines) + "\n"


def _markdown_standing(standing: Standing) -> list[str]:
    verdict = standing.verdict.removeprefix(f"{standing.family} ")
    details = [f"  - {escaped(detail)}" for detail in standing.details]
    return [f"- **{standing.family}** {escaped(verdict)}", *details]


def _against(check: Check) -> str:
    return f"{check.candidate} against {check.baseline}"


def check_junit(check: Check) -> bytes:
    """One test case per comparison; an undecided one is skipped with its reason. The verdicts of
    the families are properties."""
    failures = len(check.problems) + sum(row.outcome == REGRESSION for row in check.rows)
    undecided = sum(row.outcome == UNDECIDED for row in check.rows)
    total = len(check.rows) + len(check.problems)
    counts = {"tests": str(total), "failures": str(failures), "skipped": str(undecided)}
    suite = ElementTree.Element("testsuite", {"name": "denoisebench", **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for standing in standings(check):
        verdict = "; ".join([standing.verdict, *standing.details])
        ElementTree.SubElement(
            properties, "property", name=standing.family, value=_printable(verdict)
        )
    for problem in check.problems:
        case = ElementTree.SubElement(suite, "testcase", classname=problem.cell, name="cell")
        ElementTree.SubElement(case, "failure", message=_printable(problem.why))
    for row in check.rows:
        case = ElementTree.SubElement(suite, "testcase", classname=row.cell, name=row.measure)
        if row.outcome in (REGRESSION, UNDECIDED):
            kind = "failure" if row.outcome == REGRESSION else "skipped"
            ElementTree.SubElement(case, kind, message=_message(row))
    report: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return report


def _message(row: Comparison) -> str:
    return (
        f"{words.before(row)} before, {words.now(row)} now; worse by {words.loss(row)} "
        f"({words.bounds(row)}), margin {words.margin(row)}: {words.verdict(row)}"
    )


def _printable(text: str) -> str:
    """Control characters, such as colours of a message, may not stand in XML."""
    return "".join(c if c.isprintable() else " " for c in text)


def _worth_telling(check: Check) -> list[Comparison]:
    """What did not just pass, the worst first."""
    return [row for outcome in COLORS for row in check.rows if row.outcome == outcome]


def _plain(check: Check) -> dict[str, Any]:
    rows = [{name: _json(value) for name, value in asdict(row).items()} for row in check.rows]
    return {
        "schema": 2,
        "outcome": check.outcome,
        "baseline": check.baseline,
        "candidate": check.candidate,
        "families": [asdict(standing) for standing in standings(check)],
        "problems": [asdict(problem) for problem in check.problems],
        "notes": [*check.notes, *omitted_lines(check)],
        "comparisons": rows,
    }


def _json(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
