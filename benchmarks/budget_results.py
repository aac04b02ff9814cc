"""The tables of docs/results/budget.md, from runs that were swept with a budget: `make budget`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.performance.rows import write_between
from denoisebench.bench.records.defaults_file import read_budgets, read_equal_cost
from denoisebench.bench.records.run import load_run
from denoisebench.bench.settings.budget import budget_of
from denoisebench.reports.decide.budget_words import budget_row
from denoisebench.reports.decide.equal_cost_words import equal_cost_rows

_BUDGETS = {
    "budget": "budget",
    "model": "about",
    "best cell that it pays for": "setting",
    "which costs": "price",
    "verdict": "outcome",
    "proof, or what would decide": "why",
}
_EQUAL = {
    "cells": "about",
    "switched on": "switched_on",
    "verdict": "verdict",
    "its cells": "cells",
    "its best cell": "best_case",
}


def main(page: Path, *folders: Path) -> None:
    write_between(page, "budget", "\n".join(line for folder in folders for line in _tables(folder)))


def _tables(folder: Path) -> Iterator[str]:
    """Lines of a run: its conditions, what each budget pays for, and what is said at equal cost."""
    run, file = load_run(folder), folder / "defaults.yaml"
    versions = ", ".join(f"{name} {run.environment[name]}" for name in ("torch", "diffusers"))
    cells = f"{len(run.entries)} cells of {run.entries[0].samples} images"
    yield f"### {run.name}\n\n{cells}, {versions}, {run.environment['processor']}.\n"
    yield from _table(_BUDGETS, [budget_row(r, budget_of(r["budget"])) for r in read_budgets(file)])
    yield ""
    if said := read_equal_cost(file):
        yield from _table(_EQUAL, equal_cost_rows(said))
        yield ""


def _table(columns: dict[str, str], rows: Sequence[dict[str, str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row[name] for name in columns.values())} |"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
