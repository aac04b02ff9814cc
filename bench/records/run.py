"""A run folder: which entries a sweep has, and where their store is.

runs/<name>/sweep.json          the entries, the environment, the store's path
runs/<name>/config.yaml         the resolved config
runs/<name>/race.json           of a race, how it went: which cells stopped when and why
runs/<name>/store.json, cells/  the store, unless the sweep was told to use another
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import write_atomically
from denoisebench.bench.records.cell import Cell, Entry
from denoisebench.bench.records.store import SCHEMA, Store
from denoisebench.bench.settings.margins import Margin
from denoisebench.metrics.decide.choose import Choice
from denoisebench.metrics.decide.racing import Design, Rung, Trial

_RACES = "race.json"
_UNREADABLE = "cannot be read: run the sweep again, its store is kept"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError)  # by content of other shape
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
    margins: dict[str, dict] = field(default_factory=dict)  # declared; see bench/records/margins.py
    races: tuple[dict, ...] = ()  # of each group of a race, see bench/sweep/race.py
    claims: dict[str, Any] = field(default_factory=dict)  # parts in them; empty when none is tested

    @property
    def name(self) -> str:
        return self.folder.name


@dataclass(frozen=True)
class _Panel:
    model: str
    guidance: float
    asked_samples: int


@dataclass(frozen=True)
class _Racer:
    key: str
    curve: str
    steps: int


@dataclass(frozen=True)
class _Race:
    """What reports read of a race as bench/sweep/race.py records it."""

    panel: _Panel
    design: Design
    cells: list[_Racer]
    over: bool
    choice: Choice
    rungs: list[Rung]
    trials: list[Trial]
    drawn: list[int]


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


def load_run(folder: str | Path) -> Run:
    """Raises UserError when folder is not a run that this version can read."""
    folder = Path(folder)
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
            told = (warned, marks, _margins(record.get("margins", {})))
            raced = _races(folder / _RACES, entries)
            parts = (raced, record.get("claims", {}))
            return Run(folder, store, entries, record["environment"], *told, *parts)
    except _DAMAGED as error:
        raise UserError(f"{path} {_UNREADABLE}") from error
    raise UserError(
        f"{path} has schema {record['schema']}, this version reads {SCHEMA}: "
        "use the version that wrote it, or sweep again"
    )


def _margins(record: dict) -> dict[str, dict]:
    """Raises one of _DAMAGED for what is not as margins are declared."""
    for margin in record.values():
        Margin.model_validate(margin, strict=True)
    return record


def _races(path: Path, entries: Sequence[Entry]) -> tuple[dict, ...]:
    """Raises UserError for what no race of the entries has recorded."""
    if not path.exists():
        return ()
    try:
        content = path.read_bytes()
        races = TypeAdapter(tuple[_Race, ...]).validate_json(content)
    except _DAMAGED as error:
        raise UserError(f"{path} {_UNREADABLE}") from error
    if not races or not all(_is_of(entries, race) for race in races):
        raise UserError(f"{path} {_UNREADABLE}")
    return tuple(json.loads(content))


def _is_of(entries: Sequence[Entry], race: _Race) -> bool:
    """Whether it is of cells of the run, and speaks of its own cells alone."""
    asked = race.panel.asked_samples
    ours = {entry.cell.key for entry in entries if entry.asked_samples == asked}
    places = [trial.winner for trial in race.trials]
    for rung in race.rungs:
        places += [*rung.live, *rung.stopped]
    for standing in race.choice.standings:
        places += standing.rivals.values()
    places += [i for i in (race.choice.chosen, race.choice.runner_up) if i is not None]
    return (
        len(race.rungs) > 0
        and len(race.cells) == len(race.drawn) == len(race.choice.standings)
        and ours.issuperset(cell.key for cell in race.cells)
        and all(0 <= place < len(race.cells) for place in places)
    )


def _entry(record: dict) -> Entry:
    return Entry(**{**record, "cell": Cell(**record["cell"])})
