"""How each family of a check stands, why, and what would decide it: what a gate says first."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median_high as median

from denoisebench.bench.records.pack import NO_FEATURES
from denoisebench.metrics.decide.regression import IMPROVED, REGRESSION
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.reports.check import words
from denoisebench.reports.check.check import Check, Comparison
from denoisebench.reports.check.families import IMAGES, SPEED

NOT_COMPARED = "not compared"
_NO_FEATURES = "they changed, and no features tell how far"


@dataclass(frozen=True)
class Standing:
    """One family of a check."""

    family: str
    outcome: str  # PASS, REGRESSION, UNDECIDED or NOT_COMPARED
    passed: int  # comparisons that did, those that improved among them
    total: int  # comparisons, and cells that cannot be held against their margins
    reason: str  # why it does not pass, in a few words
    details: tuple[str, ...]  # what is worse, and what would decide the rest

    @property
    def verdict(self) -> str:
        """`quality pass (8 of 8)`, `speed undecided (2 of 16 pass): too noisy here`"""
        if self.outcome == NOT_COMPARED:
            return f"{self.family} {NOT_COMPARED}{self.reason and f': {self.reason}'}"
        count = f"{self.passed} of {self.total}"
        if self.outcome == PASS:
            return f"{self.family} pass ({count})"
        return f"{self.family} {self.outcome.lower()} ({count} pass): {self.reason}"


def standings(check: Check) -> list[Standing]:
    """One of each family that was asked for."""
    return [_standing(check, family) for family in check.families]


def headline(check: Check) -> str:
    """`UNDECIDED: quality pass (8 of 8), images pass (4 of 4), speed undecided (…): …`"""
    verdicts = ", ".join(standing.verdict for standing in standings(check))
    return f"{check.outcome}: {verdicts}"


def _standing(check: Check, family: str) -> Standing:
    rows = [row for row in check.rows if row.family == family]
    problems = [problem for problem in check.problems if family in problem.families]
    unknown = check.open_images if family == IMAGES else 0
    why_unknown, cure = (_NO_FEATURES, (NO_FEATURES,)) if unknown else ("", ())
    if not rows and not problems:
        return Standing(family, NOT_COMPARED, 0, unknown, why_unknown, cure)
    total = len(rows) + len(problems) + unknown
    worse = [row for row in rows if row.outcome == REGRESSION]
    undecided = [row for row in rows if row.outcome == UNDECIDED]
    reasons = [f"{len(worse)} worse"] if worse else []
    reasons += [f"{len(problems)} missing or failed"] if problems else []
    reason = ", ".join(reasons) or (_why_undecided(undecided) if undecided else why_unknown)
    details = [f"worst: {_worst(worse)}"] if worse else []
    details += [*_cures(undecided), *cure]
    passed = sum(row.outcome in (PASS, IMPROVED) for row in rows)
    outcome = check.outcome_of(family)
    return Standing(family, outcome, passed, total, reason, (*details,))


def _worst(rows: Sequence[Comparison]) -> str:
    """The one that is farthest beyond its margin."""
    row = max(rows, key=lambda row: row.loss / row.margin)
    return (
        f"{row.cell}, {words.measure(row)} worse by {words.loss(row)}, margin {words.margin(row)}"
    )


def _why_undecided(rows: Sequence[Comparison]) -> str:
    """A few words: of several reasons the first that can be mended."""
    if rows[0].family == SPEED:
        one = any(row.needed > 0 and not row.further for row in rows)  # whose error is not known
        return "one process of each side is too few" if one else "too noisy here"
    if any(math.isfinite(row.needed) for row in rows):
        return "too few samples"
    if any(math.isnan(row.needed) for row in rows):
        return "unequal numbers of samples"
    return "too near the margin"


def _cures(rows: Sequence[Comparison]) -> Iterator[str]:
    """What would decide these, each with how many of them it is for."""
    numbers = [row.needed for row in rows if math.isfinite(row.needed)]
    if numbers:
        kind = "processes" if rows[0].family == SPEED else "samples"
        most, half = max(numbers), median(numbers)
        few = f", half of these by {half:,.0f}" if most > 2 * half else ""
        yield f"{len(numbers)} would probably be decided by {most:,.0f} {kind} of each side{few}"
    if never := sum(math.isinf(row.needed) for row in rows):
        yield f"{never} cannot be decided in practice: too near the margin"
    notes = [row.note for row in rows if math.isnan(row.needed)]
    for note in dict.fromkeys(notes):
        yield f"{notes.count(note)}: {note}"
