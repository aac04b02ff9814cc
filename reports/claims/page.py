"""claims.html and claims.md: the claims of a run with their verdicts and evidence. No statistics.

Names and prompts come from users: all goes through Jinja's autoescape, and the page has no script.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoisebench.bench.paths import write_atomically
from denoisebench.bench.records.rows import read_inputs
from denoisebench.bench.records.run import SAMPLES_SHOWN, Run
from denoisebench.metrics.decide.assertion import SUPPORTED
from denoisebench.reports.claims.claims import NOT_TESTED, Finding
from denoisebench.reports.claims.records import Part, Shown
from denoisebench.reports.formats import number, places_of
from denoisebench.reports.page.gallery import caption
from denoisebench.reports.page.html import page_environment

_HERE = Path(__file__).parent
_ROOM = 0.12  # of an axis, kept free at both ends


@dataclass(frozen=True)
class Drawn:
    """An interval and its threshold as shares of an axis's width, from the left."""

    low: float
    high: float
    value: float
    threshold: float
    start: float  # of the claimed side
    width: float  # of the claimed side


def write_claims(run: Run, findings: Sequence[Finding]) -> None:
    """Writes both files into the run's folder."""
    write_atomically(run.folder / "claims.html", render_claims(run, findings).encode())
    write_atomically(run.folder / "claims.md", claims_markdown(run, findings).encode())


def render_claims(run: Run, findings: Sequence[Finding]) -> str:
    environment = page_environment(_HERE)
    environment.globals |= {
        "measured_text": measured_text,
        "claimed_text": claimed_text,
        "drawn": drawn,
        "decisive": decisive,
    }
    return environment.get_template("claims.html.j2").render(
        name=run.name,
        findings=findings,
        strips=[[*_strip(run, finding.judged.shown)] for finding in findings],
        captions=_captions(run, findings),
        counts=verdict_counts(findings),
        parts=run.claims,
        environment=run.environment,
        samples=_samples(run),
    )


def claims_markdown(run: Run, findings: Sequence[Finding]) -> str:
    """The findings as Markdown, without pictures."""
    lines = [
        "# Claims, measured",
        "",
        "Written by `make claims` (`denoisebench sweep experiment=claims`), "
        f"{_samples(run)} images a cell, with {_versions(run)}. Do not edit: make it again.",
        "",
        "Verdicts hold for the models and cells named here. A claim is wrongly supported with a "
        "probability of at most 2.5 %, and wrongly refuted with the same. A claim of several parts "
        "is supported when all are, and refuted when one is. The bounds are those that decide; "
        "estimates are paired by prompt and noise. To test other models: `denoisebench sweep "
        "experiment=claims claims.diffusion=MODEL claims.flow=MODEL claims.distilled=MODEL`.",
        "",
        f"Parts: {_markdown_text(_parts(run))}.",
        "",
        "| claim | verdict | the number that decides | bounds | claimed |",
        "| --- | --- | --- | --- | --- |",
        *map(_markdown_line, findings),
        "",
    ]
    for finding in findings:
        lines += _markdown_section(finding)
    return "\n".join(lines)


def measured_text(part: Part) -> str:
    """`0.62 ΔC* (0.51 to 0.73)`"""
    held = part.held
    decimals = _decimals(part)
    value, low, high = (number(x, decimals) for x in (held.value, held.low, held.high))
    unit = f" {part.unit}" if part.unit else ""
    return f"{value}{unit} ({low} to {high})"


def claimed_text(part: Part) -> str:
    """`above 0.5`"""
    side = "above" if part.above else "below"
    return f"{side} {part.threshold:.3g}"


def decisive(finding: Finding) -> Part | None:
    """The first part that has the verdict of its claim; None for a claim that was not tested."""
    parts = finding.judged.parts
    same = [part for part in parts if part.held.verdict == finding.judged.verdict]
    return next(iter([*same, *parts]), None)


def drawn(part: Part) -> Drawn | None:
    """The interval of a part as shares of an axis; None where there is none to draw."""
    held, ends = part.held, (part.held.low, part.held.high, part.threshold)
    if not all(map(math.isfinite, ends)):
        return None
    left, right = min(ends), max(ends)
    room = _ROOM * (right - left) or 1.0
    left, width = left - room, right - left + 2 * room

    def place(x: float) -> float:
        return (x - left) / width

    threshold = place(part.threshold)
    start, claimed = (threshold, 1 - threshold) if part.above else (0.0, threshold)
    low, high = place(held.low), place(held.high)
    return Drawn(low, high, place(held.value), threshold, start, claimed)


def verdict_counts(findings: Sequence[Finding]) -> str:
    """`4 supported, 3 refuted, 1 undecided, 1 not tested`"""
    verdicts = [finding.judged.verdict for finding in findings]
    order = [SUPPORTED, *dict.fromkeys(v for v in verdicts if v not in (SUPPORTED, NOT_TESTED))]
    kinds = [verdict for verdict in [*order, NOT_TESTED] if verdict in verdicts]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in kinds)


def _decimals(part: Part) -> int:
    return places_of((part.held.high - part.held.low) / 4)


def _strip(run: Run, shown: Sequence[Shown]) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Words and the first images [3, H, W] of each cell that has some."""
    for cell in shown:
        images = _images(run, cell)
        if images is not None:
            yield cell.words, list(images[:SAMPLES_SHOWN])


def _images(run: Run, shown: Shown) -> np.ndarray | None:
    entry = run.entries[shown.row]
    if shown.given:
        return read_inputs(run.store, entry.cell).get("images")
    try:
        wanted = min(SAMPLES_SHOWN, entry.samples)
        return run.store.read(entry.cell.key, "images", wanted)["images"]
    except LookupError:
        return None


def _captions(run: Run, findings: Sequence[Finding]) -> list[str]:
    """Prompts of the images shown, from left to right."""
    rows = [shown.row for finding in findings for shown in finding.judged.shown]
    if not rows:
        return []
    entry = run.entries[rows[0]]
    count = min(SAMPLES_SHOWN, entry.samples)
    return [caption(run, entry.cell.prompts, i) for i in range(count)]


def _samples(run: Run) -> str:
    return ", ".join(str(n) for n in dict.fromkeys(entry.samples for entry in run.entries))


def _versions(run: Run) -> str:
    """`torch 2.15.0, diffusers 0.42.1, Python 3.11.7, on 2 x AMD EPYC`"""
    versions = run.environment
    libraries = [f"{name} {versions[name]}" for name in ("torch", "diffusers") if name in versions]
    machine = f", on {versions['processor']}" if versions.get("processor") else ""
    return f"{', '.join(libraries)}, Python {versions['python']}{machine}"


def _parts(run: Run) -> str:
    return ", ".join(f"{name} {part}" for name, part in run.claims.items())


def _markdown_line(finding: Finding) -> str:
    part = decisive(finding)
    cells = [finding.statement, f"**{finding.judged.verdict}**"]
    measured = [part.words, measured_text(part), claimed_text(part)] if part else None
    cells += measured or [finding.note, "", ""]
    return f"| {' | '.join(map(_markdown_text, cells))} |"


def _markdown_section(finding: Finding) -> list[str]:
    """The texts of a finding, a table of the parts that decide, and a list of other numbers."""
    judged = finding.judged
    lines = [f"## {finding.statement}", "", f"**{judged.verdict.capitalize()}.** {finding.note}"]
    lines += ["", f"Rule: {finding.rule} {finding.reason}", ""]
    if judged.parts:
        lines += ["| part | measured | claimed | verdict |", "| --- | --- | --- | --- |"]
        for part in judged.parts:
            cells = (part.words, measured_text(part), claimed_text(part), part.held.verdict)
            lines.append(f"| {' | '.join(map(_markdown_text, cells))} |")
        lines.append("")
    lines += [f"- {_markdown_text(words)}: {text}" for words, text in judged.beside]
    return [line.rstrip() for line in [*lines, *([""] if judged.beside else [])]]


def _markdown_text(text: str) -> str:
    """Text that is safe in a cell of a table."""
    return text.replace("|", r"\|").replace("<", "&lt;")
