"""claims.html: the claims of a run with their verdicts and evidence. No statistics.

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
from denoisebench.reports.claims.claims import Finding
from denoisebench.reports.claims.markdown import claims_markdown
from denoisebench.reports.claims.records import Part, Shown
from denoisebench.reports.claims.together import World
from denoisebench.reports.claims.words import (
    claimed_text,
    decisive,
    measured_text,
    parts_in_words,
    samples_of,
    verdict_counts,
)
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
    """Writes claims.html, and claims.md of this world alone, into the run's folder."""
    write_atomically(run.folder / "claims.html", render_claims(run, findings).encode())
    write_atomically(run.folder / "claims.md", claims_markdown([World(run, findings)]).encode())


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
        parts=parts_in_words(run),
        environment=run.environment,
        samples=samples_of(run),
    )


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
