"""Measured deviations against the listed defects: which are new, and which are gone."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from denoisebench.bench.schedulers.known import Known
from denoisebench.bench.verify.judge import Check
from denoisebench.bench.verify.verify import VerifiedCase

Names = Collection[str]


@dataclass(frozen=True)
class Finding:
    """A check that is not met, with the listed defect that expects it, if there is one."""

    row: VerifiedCase
    check: Check
    known: Known | None


@dataclass(frozen=True)
class Gone:
    """A listed defect that a scheduler no longer shows."""

    scheduler: str
    known: Known


def findings(
    rows: Iterable[VerifiedCase], aliases: Mapping[str, Names], table: Iterable[Known]
) -> list[Finding]:
    """Every check that is not met, with its entry of the table. aliases: names by scheduler."""
    table = tuple(table)
    return [
        Finding(row, check, _entry(row, check, aliases[row.scheduler], table=table))
        for row in rows
        for check in row.checks
        if check.bad
    ]


def gone(
    rows: Sequence[VerifiedCase],
    measured: Iterable[Finding],
    aliases: Mapping[str, Names],
    *,
    table: Iterable[Known],
) -> list[Gone]:
    """Entries of the table that a scheduler no longer shows, though it was verified where they
    say."""
    seen = {(finding.row.scheduler, finding.known.name) for finding in measured if finding.known}
    return [
        Gone(scheduler, known)
        for known in table
        for scheduler in dict.fromkeys(row.scheduler for row in rows)
        if known.is_about(aliases[scheduler])
        and (scheduler, known.name) not in seen
        and _was_looked_at(known, [row for row in rows if row.scheduler == scheduler])
    ]


def _entry(
    row: VerifiedCase, check: Check, names: Names, *, table: tuple[Known, ...]
) -> Known | None:
    """The first entry that expects a check: its name, a value no worse than listed, its row and its
    steps."""
    fits = (
        known
        for known in table
        if known.is_about(names)
        and check.value <= known.checks.get(check.name, -1)
        and known.covers(row.grid, row.path)
        and re.search(known.says, check.note)
        and all(known.hits_at(row.config, n) for n in check.steps)
    )
    return next(fits, None)


def _was_looked_at(known: Known, rows: list[VerifiedCase]) -> bool:
    return any(
        check.name in known.checks
        for row in rows
        if known.covers(row.grid, row.path)
        for check in row.checks
    )
