"""A run folder: which entries a sweep has, and where their store is.

runs/<name>/sweep.json          the entries, the environment, the store's path
runs/<name>/config.yaml         the resolved config
runs/<name>/race.json           of a race, how it went: which cells stopped when and why
runs/<name>/store.json, cells/  the store, unless the sweep was told to use another
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.cell import Cell, Entry
from bench.errors import UserError
from bench.store import SCHEMA, Store, write_atomically

_RACES = "race.json"
SAMPLES_SHOWN = 4  # whose images are in a report; their inputs are kept for it


@dataclass(frozen=True)
class Mark:
    """What to know of a curve that the scheduler, not the steps, makes: a few words."""

    model: str
    scheduler: str
    grid: str
    text: str


@dataclass(frozen=True)
class Run:
    """A sweep as recorded in its folder."""

    folder: Path
    store: Store
    entries: list[Entry]
    environment: dict[str, str]
    warnings: tuple[str, ...] = ()  # known defects of schedulers that its cells hit, equal cells
    marks: tuple[Mark, ...] = ()  # the same defects, by curve
    margins: dict[str, dict] = field(default_factory=dict)  # declared; see bench/margins.py
    races: tuple[dict, ...] = ()  # of each group of a race, see bench/race.py
    claims: dict[str, Any] = field(default_factory=dict)  # parts in them; empty when none is tested

    @property
    def name(self) -> str:
        return self.folder.name


def save_run(run: Run) -> None:
    record = {
        "schema": SCHEMA,
        "store": os.path.relpath(run.store.root, run.folder),
        "entries": [asdict(entry) for entry in run.entries],
        "environment": run.environment,
        "warnings": run.warnings,
        "marks": [asdict(mark) for mark in run.marks],
        "margins": run.margins,
        "claims": run.claims,
    }
    if run.races:
        _keep(run.folder / _RACES, json.dumps(run.races, indent=1).encode())
    else:
        (run.folder / _RACES).unlink(missing_ok=True)
    _keep(run.folder / "sweep.json", json.dumps(record, indent=1).encode())


def records_of(folder: Path) -> list[Path]:
    """The files of a run that a report is made from, beside the store."""
    return [path for path in (folder / "sweep.json", folder / _RACES) if path.exists()]


def _keep(path: Path, content: bytes) -> None:
    """Leaves an equal file as old as it is: what was made from it is still of it."""
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)


def load_run(folder: Path) -> Run:
    """Raises UserError when folder is not a run that this version can read."""
    path = folder / "sweep.json"
    if not path.exists():
        raise UserError(
            f"{folder} is not a run: it has no sweep.json; `denoisebench list runs` names the runs"
        )
    try:
        record = json.loads(path.read_text())
        if record["schema"] == SCHEMA:
            entries = [_entry(entry) for entry in record["entries"]]
            store, warned = Store(folder / record["store"]), tuple(record.get("warnings", ()))
            marks = tuple(Mark(**mark) for mark in record.get("marks", ()))
            told = (warned, marks, record.get("margins", {}))
            races = folder / _RACES
            raced = tuple(json.loads(races.read_text())) if races.exists() else ()
            parts = (raced, record.get("claims", {}))
            return Run(folder, store, entries, record["environment"], *told, *parts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: run the sweep again, its store is kept") from error
    raise UserError(
        f"{path} has schema {record['schema']}, this version reads {SCHEMA}: "
        "use the version that wrote it, or sweep again"
    )


def _entry(record: dict) -> Entry:
    return Entry(**{**record, "cell": Cell(**record["cell"])})
