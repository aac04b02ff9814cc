"""The record of `denoisebench verify cache=…`: a table in a terminal, Markdown, a page."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from denoisebench.bench.paths import write_atomically
from denoisebench.reports.formats import MISSING
from denoisebench.reports.page.html import page_environment

_HERE = Path(__file__).parent
_MARKS = {"conforms": "✓", "deviates": "~", "defect": "✗"}
_STYLES = {"conforms": "green", "deviates": "yellow", "defect": "red"}


def write_caches(record: dict[str, Any], folder: Path) -> Path:
    """Writes caches.md and caches.html; returns the path of the page."""
    write_atomically(folder / "caches.md", markdown(record).encode())
    page = folder / "caches.html"
    environment = page_environment(_HERE)
    environment.globals |= {"where": where, "number_text": number_text, "marks": _MARKS}
    rendered = environment.get_template("caches.html.j2").render(
        nonce=secrets.token_urlsafe(16),
        record=record,
        columns=_columns(record),
        lines=[(trial, _cells(record, trial["name"])) for trial in record["trials"]],
        counts=_counts(record),
        reading=_READING,
    )
    write_atomically(page, rendered.encode())
    return page


def caches_text(record: dict[str, Any]) -> RenderableType:
    """The record as a table and its conclusions, for the terminal."""
    table = Table(title=Text(_title(record)), title_justify="left")
    table.add_column("cache", overflow="fold")
    for pipeline in record["pipelines"]:
        table.add_column(pipeline["name"], overflow="fold")
    for trial in record["trials"]:
        cells = _cells(record, trial["name"])
        by_pipeline = [
            Text("\n").join(Text(c["text"], style=_STYLES.get(c["verdict"], "")) for c in group)
            for group in _by_pipeline(record, cells)
        ]
        table.add_row(trial["name"], *by_pipeline)
    return Group(table, *(Text(text, style=style) for text, style in _conclusions(record)))


def where(finding: dict[str, Any]) -> str:
    return f"{finding['trial']} on {finding['pipeline']} ({finding['scheduler']})"


def number_text(finding: dict[str, Any], limits: dict[str, Any]) -> str:
    """`states 0.34, limit 1e-06`."""
    note = f" ({finding['note']})" if finding["note"] else ""
    limit = limits[finding["name"]]["conforms"]
    return f"{finding['name']} {finding['value']:.3g}{note}, limit {limit:g}"


def markdown(record: dict[str, Any]) -> str:
    """The text of docs/caches.md."""
    return "\n".join(_markdown_lines(record)) + "\n"


def _title(record: dict[str, Any]) -> str:
    return (
        f"caches of diffusers {record['diffusers']} at {record['steps']} steps: one line a "
        "scheduler, work left of none's, checks not met"
    )


def _columns(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(p["name"], scheduler) for p in record["pipelines"] for scheduler in p["schedulers"]]


def _cells(record: dict[str, Any], trial: str) -> list[dict[str, str]]:
    """A cell for each pipeline and scheduler, in the order of the columns."""
    rows = {(r["pipeline"], r["scheduler"]): r for r in record["rows"] if r["trial"] == trial}
    return [_cell(rows.get(column)) for column in _columns(record)]


def _cell(row: dict[str, Any] | None) -> dict[str, str]:
    """`✓ 38%`: the mark and the least work of none's; after a colon, checks that are not met."""
    if row is None:
        return {"verdict": "", "text": "", "title": "not verified"}
    if "unsupported" in row["numbers"]:
        return {"verdict": "", "text": MISSING, "title": row["numbers"]["unsupported"]}
    works = row["numbers"].get("works")
    bad = [check for check in row["checks"] if check["verdict"] != "conforms"]
    names = ", ".join(check["name"] for check in bad)
    mark = f"{_MARKS[row['verdict']]}{f' {min(works):.0%}' if works else ''}"
    title = "; ".join(f"{c['name']} {c['value']:.3g} {c['note']}".strip() for c in bad)
    return {
        "verdict": row["verdict"],
        "text": f"{mark}: {names}" if names else mark,
        "title": title or "conforms",
    }


def _by_pipeline(record: dict[str, Any], cells: list[Any]) -> Iterator[list[Any]]:
    start = 0
    for pipeline in record["pipelines"]:
        end = start + len(pipeline["schedulers"])
        yield cells[start:end]
        start = end


def _counts(record: dict[str, Any]) -> dict[str, int]:
    verdicts = [row["verdict"] for row in record["rows"] if "unsupported" not in row["numbers"]]
    return {verdict: verdicts.count(verdict) for verdict in _MARKS}


def _conclusions(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"{len(record['rows'])} cases measured in {record['seconds']:.1f} s", ""
    if record["table"] != record["diffusers"]:
        yield f"no table for this diffusers yet: compared with {record['table']}'s", "yellow"
    for finding in record["new"]:
        number = number_text(finding, record["limits"])
        yield f"not listed: {where(finding)}: {finding['verdict']}: {number}", "red"
    for lost in record["gone"]:
        place = f"{lost['trial']} on {lost['network']}"
        yield f"listed, but gone: {place}: {lost['name']}", "red"
    if not record["new"] and not record["gone"]:
        listed = ", ".join(known["name"] for known in record["known"]) or "none"
        yield f"all that deviates is listed for this version: {listed}", "green"


def _markdown_lines(record: dict[str, Any]) -> Iterator[str]:
    environment = record["environment"]
    yield "# Step caches, measured"
    yield ""
    yield (
        f"Made by `make caches` (`denoisebench verify cache=all`, {record['seconds']:.0f} s) with "
        f"diffusers {record['diffusers']}, torch {environment['torch']}, Python "
        f"{environment['python']}, on {environment['processor']}. Do not edit: make it again."
    )
    yield from ("", *_READING.splitlines(), "")
    columns = [f"{name}, {scheduler}" for name, scheduler in _columns(record)]
    cells = [
        [trial["name"], *(cell["text"] for cell in _cells(record, trial["name"]))]
        for trial in record["trials"]
    ]
    yield from _table(["cache", *columns], cells)
    yield from ("", "## What was verified", "")
    yield from _table(["cache", "what it does"], [[t["name"], t["what"]] for t in record["trials"]])
    yield ""
    yield from _table(
        ["pipeline", "class", "denoiser", "guidance"],
        [[p["name"], p["class_name"], p["network"], p["guidance"]] for p in record["pipelines"]],
    )
    yield from ("", "## Known defects, and what to do", "")
    yield "Each script is plain diffusers and ends in the error that it is about."
    yield ""
    for known in record["known"]:
        yield from _markdown_defect(known, record["limits"])
    yield from _refused(record)
    yield from ("## Limits", "")
    limits = [
        [name, limit["what"], f"{limit['conforms']:g}", f"{limit['deviates']:g}"]
        for name, limit in record["limits"].items()
    ]
    yield from _table(["check", "of what", "conforms up to", "deviates up to"], limits)


def _markdown_defect(known: dict[str, Any], limits: dict[str, Any]) -> Iterator[str]:
    yield f"### {known['name']}"
    yield ""
    yield f"{_sentence(known['effect'])} **{_sentence(known['advice'])}**"
    yield ""
    yield f"- Seen in: {', '.join(known['where'])}."
    yield f"- Measured: {where(known['worst'])}: {number_text(known['worst'], limits)}."
    yield from ("", "```python", *known["script"].rstrip().splitlines(), "```", "")


def _refused(record: dict[str, Any]) -> Iterator[str]:
    """What diffusers itself refuses, each reason once."""
    reasons = [row["numbers"].get("unsupported") for row in record["rows"]]
    if any(reasons):
        yield from ("## Refused by diffusers", "")
        yield from (f"- {reason}" for reason in dict.fromkeys(filter(None, reasons)))
        yield ""


def _table(names: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'|'.join(' --- ' for _ in names)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


_READING = f"""\
Each cache is laid on tiny pipelines with random weights, and compared with the same network without
one. ✓ conforms, ~ deviates, ✗ has a defect; {MISSING} diffusers refuses the cache. The share is the
least work that was left of none's: blocks and layers that really ran, counted below the cache's
hooks, under the most generous option. After it stand the checks that are not met, explained under
Limits.

The state of a cache is emptied after each call of a pipeline, and a context is set for each side of
guidance, by denoisebench: SD3, Sana, PixArt and Z-Image of diffusers do neither. SeaCache is told
the latents, the step and the noise level of pipelines that are not videos in the same way."""
