"""What a tracker is told of a run: its curves and a summary, as plain records. Knows no tracker."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from denoisebench.bench.records.cell import TRACKED, Entry, digest, fields_with
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.run import Run
from denoisebench.bench.tracking.defaults import Default, read_tracked
from denoisebench.bench.tracking.values import Point, point_of

FILES = (  # of a run's folder that a summary holds, beside the figures
    "report.html",
    "claims.html",
    "results.csv",
    "results.parquet",
    "defaults.yaml",
    "config.yaml",
    "sweep.json",
)
_DIGITS = 20  # of the hashes by which a tracker knows a curve again
_EMPTY = {"", "None", "()", "[]", "{}"}  # params that say nothing


@dataclass(frozen=True)
class Target:
    """One run of a tracker as it should be."""

    name: str
    identity: str  # hash by which it is found again
    params: dict[str, str]  # none is empty
    tags: dict[str, str]
    span_ms: tuple[int, int]  # Unix times: its first and its last cell finished
    points: Sequence[Point] = ()
    note: str = ""  # Markdown: what the run is
    complete: bool = True  # every cell is finished
    is_summary: bool = False  # the one that holds the files of the report

    @property
    def content(self) -> str:
        """Hash of all that is published but the files."""
        points = [asdict(point) for point in self.points]
        everything = [self.name, self.params, self.tags, self.span_ms, points, self.note]
        return digest([*everything, self.complete], _DIGITS)


@dataclass(frozen=True)
class _Measured:
    """The row of a finished cell and when it was measured."""

    entry: Entry
    row: dict[str, Any] = field(repr=False)
    time_ms: int  # Unix time


def targets(
    run: Run, records: Sequence[dict[str, Any]], cautions: Sequence[str] = ()
) -> list[Target]:
    """One per curve that has a finished cell, then the summary. None when no cell is finished.
    records: the run's rows; cautions: what to know before believing the numbers, a tag of each."""
    measured = _measured(run, records)
    if not measured:
        return []
    wanted = Counter(digest(_shared(entry), _DIGITS) for entry in _runnable(run))
    curves: dict[str, list[_Measured]] = defaultdict(list)
    for cell in measured:
        curves[digest(_shared(cell.entry), _DIGITS)].append(cell)
    varying = _varying(run.entries)
    plain = [
        *(
            _curve(run, cells, varying, complete=len(cells) == wanted[key])
            for key, cells in curves.items()
        ),
        _summary(run, measured),
    ]
    tags = {"sweep_id": _sweep_id(run)}
    tags |= {"cautions": "\n".join(cautions)} if cautions else {}
    return [replace(target, tags=target.tags | tags) for target in plain]


def _runnable(run: Run) -> list[Entry]:
    return [entry for entry in run.entries if not entry.unsupported]


def _measured(run: Run, records: Sequence[dict[str, Any]]) -> list[_Measured]:
    measured = []
    for entry, row in zip(run.entries, records, strict=True):
        status = run.store.read_record(entry.cell.key, entry.status_kind)
        finished = run.store.read_record(entry.cell.key, "finished")
        if finished and status and status["status"] in WHOLE:
            measured.append(_Measured(entry, row, round(1000 * finished["unix_s"])))
    return measured


def _curve(run: Run, cells: list[_Measured], varying: Sequence[str], *, complete: bool) -> Target:
    shared = _shared(cells[0].entry)
    points = [point_of(run.store, cell.entry, cell.row, time_ms=cell.time_ms) for cell in cells]
    return Target(
        name=cell_name(cells[0].entry.asked, without=("steps",), also=varying),
        identity=digest([run.name, shared], _DIGITS),
        params={name: text for name, text in shared.items() if text not in _EMPTY},
        tags={
            "kind": "curve",
            **{name: shared[name] for name in ("model", "task", "scheduler", "guidance", "seed")},
        },
        span_ms=_span_ms(cells),
        points=sorted(points, key=lambda point: point.axes["steps"]),
        complete=complete,
    )


def _summary(run: Run, done: Sequence[_Measured]) -> Target:
    """The run that holds the files and the defaults, known by the cell finished first: resuming
    keeps that one."""
    first = min((cell.time_ms, cell.row["key"]) for cell in done)
    times_ms = {cell.row["key"]: cell.time_ms for cell in done}
    defaults = read_tracked(run.folder)
    points = [_point_of_default(default, times_ms) for default in defaults if default.values]
    return Target(
        name=f"{run.name} summary",
        identity=digest([run.name, "summary", first], _DIGITS),
        params={name: text for default in defaults for name, text in default.params.items()},
        tags={
            "kind": "summary",
            "cells": str(len(run.entries)),
            "cells_done": str(len(done)),
            **{f"environment.{name}": str(text) for name, text in run.environment.items()},
        },
        span_ms=_span_ms(done),
        points=points,
        note="\n\n".join(
            [
                *(default.sentence for default in defaults),
                f"The curves of this sweep: `tags.sweep_id = '{_sweep_id(run)}'`. "
                "The summary has report, figures and tables, where a tracker keeps files.",
            ]
        ),
        complete=len(done) == len(_runnable(run)),
        is_summary=True,
    )


def _span_ms(cells: Sequence[_Measured]) -> tuple[int, int]:
    times_ms = [cell.time_ms for cell in cells]
    return min(times_ms), max(times_ms)


def _point_of_default(default: Default, times_ms: dict[str, int]) -> Point:
    """The numbers of a default, at no step and at the time of its cell."""
    return Point({"steps": 0}, default.values, times_ms.get(default.key, max(times_ms.values())))


def _shared(entry: Entry) -> dict[str, str]:
    """What all points of a curve have in common, as texts. Of images that another program made the
    hashes of the files, and of noise that nobody knows, are of a cell and not of a curve."""
    fields = {**asdict(entry.cell), "samples": entry.asked_samples}
    own = {"steps", "given", *(["latents"] if entry.cell.given else [])}
    return {name: str(value) for name, value in fields.items() if name not in own}


def _varying(entries: Sequence[Entry]) -> list[str]:
    """What a curve's name must say, however usual, to tell it from the others of its sweep."""
    settings = [entry.asked for entry in entries]
    axes = (*fields_with(TRACKED), "asked_samples")
    return [axis for axis in axes if len({values[axis] for values in settings}) > 1]


def _sweep_id(run: Run) -> str:
    """Name of the sweep without quotes: it stands between some in MLflow's filters."""
    name = run.name.replace("'", "_")
    return f"{name}-{digest([asdict(entry) for entry in run.entries], 8)}"
