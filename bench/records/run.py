"""A run folder: which entries a sweep has, and where their store is.

runs/<name>/sweep.json          the entries, the environment, the store's path
runs/<name>/config.yaml         the resolved config
runs/<name>/race.json           of a race, how it went: which cells stopped when and why
runs/<name>/store.json, cells/  the store, unless the sweep was told to use another
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import path_of, write_atomically
from denoisebench.bench.paths.place import named_from, seen_from
from denoisebench.bench.records.cell import Cell, Entry
from denoisebench.bench.records.own_metrics import declare_recorded, facts_of
from denoisebench.bench.records.race import RaceRecord, races_from_json, races_to_json
from denoisebench.bench.records.store import SCHEMA, Store
from denoisebench.bench.settings.budget import JOULES as JOULES
from denoisebench.bench.settings.budget import SECONDS as SECONDS
from denoisebench.bench.settings.budget import Budget as Budget
from denoisebench.bench.settings.budget import budget_from
from denoisebench.bench.settings.budget import budget_of as budget_of
from denoisebench.bench.settings.margins import Margin

_RACES = "race.json"
RECORDS = ("sweep.json", _RACES)  # files that a report is made from, beside the store
_UNREADABLE = "cannot be read: run the sweep again, its store is kept"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError)  # by content of other shape
SAMPLES_SHOWN = 4  # whose images are in a report; their inputs are kept for it


@dataclass(frozen=True)
class CurveNote:
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
    curve_notes: tuple[CurveNote, ...] = ()  # the same defects, by curve
    # Declared; see bench/records/margins.py.
    margins: dict[str, dict[str, Any]] = field(default_factory=dict)
    races: tuple[RaceRecord, ...] = ()  # of each group of a race
    claims: dict[str, Any] = field(default_factory=dict)  # parts in them; empty when none is tested
    # Facts of metrics from outside the package, by column.
    own_metrics: dict[str, dict[str, str]] = field(default_factory=dict)
    budget: Budget | None = None  # at which its best cells are chosen too

    @property
    def name(self) -> str:
        return self.folder.name


def save_run(run: Run) -> None:
    record = {
        "schema": SCHEMA,
        "store": seen_from(run.folder, run.store.root),
        "entries": [asdict(entry) for entry in run.entries],
        "environment": run.environment,
        "warnings": run.warnings,
        "marks": [asdict(note) for note in run.curve_notes],
        "margins": run.margins,
        "claims": run.claims,
    }
    if run.budget:
        record["budget"] = run.budget.record
    if own := facts_of(name for entry in run.entries for name in entry.metrics):
        record["own_metrics"] = own
    if run.races:
        _keep(run.folder / _RACES, races_to_json(run.races))
    else:
        (run.folder / _RACES).unlink(missing_ok=True)
    _keep(run.folder / RECORDS[0], json.dumps(record, indent=1).encode())


def _keep(path: Path, content: bytes) -> None:
    """Leaves an equal file as old as it is: what was made from it is still of it."""
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run."""
    return (folder / RECORDS[0]).is_file()


def ways_on(folder: Path) -> str:
    """What to do with the folder of a run where something else was meant to stand."""
    name = shlex.quote(str(folder))
    return (
        f"it is a run: `denoisebench report {name}` shows it, `denoisebench check "
        f"--baseline={name} --candidate=RUN` holds another one against it, and the same "
        "`denoisebench sweep` that began it goes on with it"
    )


def load_run(folder: str | Path, *, is_watched: bool = False) -> Run:
    """The run of a folder: its cells, margins, environment and notes; no images, no numbers.

    What was measured is in the folder's results.parquet. is_watched: a sweep may be at it, and the
    store is read alone: nothing is written there or put aside. Raises UserError when the folder is
    not a run that this version can read.
    """
    folder = path_of(folder, "folder")
    path = folder / RECORDS[0]
    if not is_run(folder):
        raise UserError(
            f"{folder} is not a run: it has no sweep.json; `denoisebench list runs` names the runs"
        )
    try:
        record = json.loads(path.read_text())
        if record["schema"] == SCHEMA:
            entries = [_entry(entry) for entry in record["entries"]]
            own_metrics = record.get("own_metrics", {})
            declare_recorded(own_metrics)
            return Run(
                folder,
                Store(named_from(folder, record["store"]), is_watched=is_watched),
                entries,
                record["environment"],
                warnings=tuple(record.get("warnings", ())),
                curve_notes=tuple(CurveNote(**note) for note in record.get("marks", ())),
                margins=_checked_margins(record.get("margins", {})),
                races=_read_races(folder / _RACES, entries),
                claims=record.get("claims", {}),
                own_metrics=own_metrics,
                budget=budget_from(record.get("budget")),
            )
    except _DAMAGED as error:
        raise UserError(f"{path} {_UNREADABLE}") from error
    raise UserError(
        f"{path} has schema {record['schema']}, this version reads {SCHEMA}: "
        "use the version that wrote it, or sweep again"
    )


def _checked_margins(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Raises one of _DAMAGED for what is not as margins are declared."""
    for margin in record.values():
        Margin.model_validate(margin, strict=True)
    return record


def _read_races(path: Path, entries: Sequence[Entry]) -> tuple[RaceRecord, ...]:
    """Raises UserError for what no race of the entries has recorded."""
    if not path.exists():
        return ()
    try:
        return races_from_json(path.read_bytes(), entries)
    except _DAMAGED as error:
        raise UserError(f"{path} {_UNREADABLE}") from error


def _entry(record: dict[str, Any]) -> Entry:
    return Entry(**{**record, "cell": Cell(**record["cell"])})
