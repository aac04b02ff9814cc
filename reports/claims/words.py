"""Findings in words, for the page and for Markdown. No statistics."""

from collections.abc import Sequence

from denoisebench.bench.records.run import Run
from denoisebench.metrics.decide.assertion import SUPPORTED
from denoisebench.metrics.estimate import MISSING
from denoisebench.reports.claims.claims import NOT_TESTABLE, NOT_TESTED, Finding
from denoisebench.reports.claims.records import Part
from denoisebench.reports.formats import number, places_of

_NOT = (NOT_TESTED, NOT_TESTABLE)
_TEXTS = ("absent", "second", "unfair")  # of the parts, those that are no names


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
    return f"{side} {part.threshold:.3g}".replace("-", "\N{MINUS SIGN}")


def decisive(finding: Finding) -> Part | None:
    """The first part that has the verdict of its claim; None for a claim that was not tested."""
    parts = finding.judged.parts
    same = [part for part in parts if part.held.verdict == finding.judged.verdict]
    return next(iter([*same, *parts]), None)


def verdict_counts(findings: Sequence[Finding]) -> str:
    """`4 supported, 3 refuted, 1 undecided, 1 not tested`"""
    verdicts = [finding.judged.verdict for finding in findings]
    order = [SUPPORTED, *dict.fromkeys(v for v in verdicts if v not in (SUPPORTED, *_NOT))]
    kinds = [verdict for verdict in [*order, *_NOT] if verdict in verdicts]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in kinds)


def parts_in_words(run: Run) -> dict[str, str]:
    """Who plays which part in the claims of a run, and why nobody plays the others."""
    parts = {name: part for name, part in run.claims.items() if name not in _TEXTS}
    absent = run.claims["absent"]
    return {name: _part(part, absent.get(name, "")) for name, part in parts.items()}


def _part(part: object, reason: str) -> str:
    if isinstance(part, list | tuple):
        part = ", ".join(map(str, part))
    return f"{MISSING} ({reason})" if reason else str(part)


def samples_of(run: Run) -> str:
    """Images a cell: `1024`, or `1024, 2048` where cells differ."""
    return ", ".join(str(n) for n in dict.fromkeys(entry.samples for entry in run.entries))


def _decimals(part: Part) -> int:
    return places_of((part.held.high - part.held.low) / 4)
