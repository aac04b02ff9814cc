"""What a tracker is told of a run: its curves and a summary, as plain records. Knows no tracker."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from denoisebench.bench.records.cell import TRACKED, Cell, Cost, Entry, digest, fields_with
from denoisebench.bench.records.columns import COLUMNS, WHOLE
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.run import Run

_NO_MEASUREMENT = {
    *Cell.__dataclass_fields__,
    "key",
    "samples",
    "asked_samples",
    "distinct_prompts",
    "status",
    "message",
    "traceback",
    "guidance_weight",
}
_DIGITS = 20  # of the hashes by which a tracker knows a curve again
_WORK = (*Cost.__dataclass_fields__, "passes_per_step")


@dataclass(frozen=True)
class Measured:
    """The row of a finished cell and when it was measured."""

    entry: Entry
    row: dict[str, Any]
    time_ms: int  # Unix time

    @property
    def values(self) -> dict[str, float]:
        """Finite measurements by their grouped names."""
        numbers = {k: v for k, v in self.row.items() if isinstance(v, int | float)}
        return {
            self._grouped(name): value
            for name, value in numbers.items()
            if name not in _NO_MEASUREMENT and math.isfinite(value)
        }

    def _grouped(self, column: str) -> str:
        """The column behind a group: MLflow charts groups as sections, by the alphabet."""
        if column in self.entry.metrics:
            return f"quality/{column}"
        if column not in COLUMNS:
            return f"uncertainty/{column}"
        return f"work/{column}" if column in _WORK else f"speed/{column}"


@dataclass(frozen=True)
class Target:
    """One MLflow run as it should be."""

    name: str
    identity: str  # hash by which it is found again
    params: dict[str, str]
    tags: dict[str, str]
    points: Sequence[Measured] = ()
    complete: bool = True  # every cell is finished

    @property
    def content(self) -> str:
        """Hash of all that is published but the files."""
        points = [(point.entry.cell.steps, point.time_ms, point.values) for point in self.points]
        return digest([self.name, self.params, self.tags, points, self.complete], _DIGITS)


def targets(
    run: Run, records: Sequence[dict[str, Any]], cautions: Sequence[str] = ()
) -> list[Target]:
    """One per curve that has a finished cell, then the summary. None when no cell is finished.
    records: the run's rows; cautions: what to know before believing the numbers, a tag of each."""
    measured = _measured(run, records)
    if not measured:
        return []
    wanted = Counter(digest(_shared(entry), _DIGITS) for entry in _runnable(run))
    curves: dict[str, list[Measured]] = defaultdict(list)
    for point in measured:
        curves[digest(_shared(point.entry), _DIGITS)].append(point)
    varying = _varying(run.entries)
    plain = [
        *(
            _curve(run, points, varying, complete=len(points) == wanted[key])
            for key, points in curves.items()
        ),
        _summary(run, measured),
    ]
    tags = {"sweep_id": _sweep_id(run)}
    tags |= {"cautions": "\n".join(cautions)} if cautions else {}
    return [replace(target, tags=target.tags | tags) for target in plain]


def _runnable(run: Run) -> list[Entry]:
    return [entry for entry in run.entries if not entry.unsupported]


def _measured(run: Run, records: Sequence[dict[str, Any]]) -> list[Measured]:
    measured = []
    for entry, row in zip(run.entries, records, strict=True):
        status = run.store.read_record(entry.cell.key, entry.status_kind)
        finished = run.store.read_record(entry.cell.key, "finished")
        if finished and status and status["status"] in WHOLE:
            measured.append(Measured(entry, row, round(1000 * finished["unix_s"])))
    return measured


def _curve(run: Run, points: list[Measured], varying: Sequence[str], *, complete: bool) -> Target:
    params = _shared(points[0].entry)
    return Target(
        name=cell_name(points[0].entry.asked, without=("steps",), also=varying),
        identity=digest([run.name, params], _DIGITS),
        params=params,
        tags={
            "kind": "curve",
            **{name: params[name] for name in ("model", "task", "scheduler", "guidance", "seed")},
        },
        points=points,
        complete=complete,
    )


def _summary(run: Run, done: Sequence[Measured]) -> Target:
    """The run that holds the files, known by the cell finished first: resuming keeps that one."""
    first = min((point.time_ms, point.row["key"]) for point in done)
    return Target(
        name=f"{run.name} summary",
        identity=digest([run.name, "summary", first], _DIGITS),
        params={},
        tags={
            "kind": "summary",
            "cells": str(len(run.entries)),
            "cells_done": str(len(done)),
            **{f"environment.{name}": str(text) for name, text in run.environment.items()},
            "mlflow.note.content": "The curves of this sweep: "
            f"`tags.sweep_id = '{_sweep_id(run)}'`. "
            "Report, figures and tables are among the artifacts.",
        },
        complete=len(done) == len(_runnable(run)),
    )


def _shared(entry: Entry) -> dict[str, str]:
    """What all points of a curve have in common, as MLflow params."""
    fields = {**asdict(entry.cell), "samples": entry.asked_samples}
    return {name: str(value) for name, value in fields.items() if name != "steps"}


def _varying(entries: Sequence[Entry]) -> list[str]:
    """What a curve's name must say, however usual, to tell it from the others of its sweep."""
    settings = [entry.asked for entry in entries]
    axes = (*fields_with(TRACKED), "asked_samples")
    return [axis for axis in axes if len({values[axis] for values in settings}) > 1]


def _sweep_id(run: Run) -> str:
    """Name of the sweep without quotes: it stands between some in MLflow's filters."""
    name = run.name.replace("'", "_")
    return f"{name}-{digest([asdict(entry) for entry in run.entries], 8)}"
