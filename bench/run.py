"""A run folder: which entries a sweep has, and where their store is.

runs/<name>/sweep.json          the entries, the environment, the store's path
runs/<name>/config.yaml         the resolved config
runs/<name>/race.json           of a race, how it went: which cells stopped when and why
runs/<name>/store.json, cells/  the store, unless the sweep was told to use another
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.cell import Cell, Entry
from bench.errors import UserError
from bench.settings import Margin
from bench.store import SCHEMA, Store, write_atomically
from metrics.decide import Verdict
from metrics.racing import Design

_RACES = "race.json"
_UNREADABLE = "cannot be read: run the sweep again, its store is kept"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError)  # of content of other shape
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
        races = tuple(json.loads(path.read_text()))
        whole = races and all(_is_race(race, entries) for race in races)
    except _DAMAGED as error:
        raise UserError(f"{path} {_UNREADABLE}") from error
    if not whole:
        raise UserError(f"{path} {_UNREADABLE}")
    return races


def _is_race(race: dict, entries: Sequence[Entry]) -> bool:
    """Whether it is of these cells and has what reports read, see bench/race.py. Raises one of
    _DAMAGED for most of what has another shape."""
    Design(**race["design"])
    cells, choice, panel = race["cells"], race["choice"], race["panel"]
    ours = {entry.cell.key for entry in entries if entry.asked_samples == panel["asked_samples"]}
    places = [choice["chosen"], choice["runner_up"], *(each["winner"] for each in race["trials"])]
    for rung in race["rungs"]:
        places += [*rung["live"], *map(int, rung["stopped"])]
    for standing in choice["standings"]:
        places += standing["rivals"].values()
        for verdict in standing["worst"].values():
            Verdict(**verdict)
    return (
        all(part.keys() >= names for part, names in _parts(race))
        and len(race["rungs"]) > 0
        and len(cells) == len(race["drawn"]) == len(choice["standings"])
        and ours.issuperset(cell["key"] for cell in cells)
        and all(place is None or 0 <= place < len(cells) for place in places)
    )


def _parts(race: dict) -> Iterator[tuple[dict, set[str]]]:
    """Its parts, and what each has."""
    yield race, {"over"}
    yield race["panel"], {"model", "guidance"}
    yield race["choice"], {"outcome"}
    for cell in race["cells"]:
        yield cell, {"curve", "steps"}
    for standing in race["choice"]["standings"]:
        yield standing, {"outcome"}
    for rung in race["rungs"]:
        yield rung, {"samples"}
    for trial in race["trials"]:
        yield trial, {"first", "last", "outcome"}


def _entry(record: dict) -> Entry:
    return Entry(**{**record, "cell": Cell(**record["cell"])})
