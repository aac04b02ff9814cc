"""Looks at a run again and again: its store, its progress, and who works on it.

What has ended is read once; of the rest a look reads names of files and records alone.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.paths.place import is_remote
from denoisebench.bench.queue.leases import process_here
from denoisebench.bench.records import progress as progresses
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.progress import CellToDo, Progress, age_s, is_dead, read_progress
from denoisebench.bench.records.race_words import race_lines
from denoisebench.bench.records.rows import panel_of
from denoisebench.bench.records.run import RECORDS, Run, load_run
from denoisebench.bench.sweep.pace import Pace
from denoisebench.bench.watch.cells import Cells, making, stored_images
from denoisebench.bench.watch.members import Crowd
from denoisebench.bench.watch.sight import (
    DONE,
    REPORTING,
    RUNNING,
    STARTING,
    STOPPED,
    UNKNOWN,
    WAITING,
    SeenMember,
    Sight,
)

_TRIES, _AGAIN_S = 5, 0.2  # at a run that cannot be read for a moment
_PAGE = "report.html"


class Watcher:
    """Looks at one run. Raises UserError where there is none."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._marks = _marks(folder)
        self._run = _read_first(folder)
        self.is_remote = is_remote(self._run.store.root)
        self._crowd, self._cells, self._pace = Crowd(self._run), Cells(), Pace()

    def look(self) -> Sight:
        """What can be seen now. Raises UserError where the run is gone."""
        run, progress = self._current(), self._progress()
        todo = progress.cells if progress else ()
        members = self._crowd.members(run.entries, progress.process if progress else "")
        shards = run.store.written("images")
        state = _state(progress, members, is_racing=_is_racing(run))
        busy = self._busy(todo) if state == RUNNING else set()
        cells = self._cells.seen(run, shards, todo, busy=busy)
        if state == UNKNOWN and all(cell.status != WAITING for cell in cells):
            state = DONE  # by a version that kept no progress
        is_elsewhere = progress is not None and process_here(progress.process) is None
        return Sight(
            folder=self.folder,
            models=", ".join(dict.fromkeys(entry.cell.model for entry in run.entries)),
            state=state,
            cells=cells,
            making=making(todo, busy, shards),
            metrics=self._cells.labels(run).metrics,
            images_per_s=self._pace.seen(stored_images(run, todo, shards), time.monotonic()),
            left_s=progress.left_s if progress and state == RUNNING else None,
            heard_s=age_s(self.folder) if is_elsewhere else None,
            is_race=_is_race(run, todo),
            lines=_race_lines(run) if run.races else (),
            members=members,
            command=progress.command if progress else "",
            called_in=progress.folder if progress else "",
            has_page=(self.folder / _PAGE).is_file(),
        )

    def _current(self) -> Run:
        """The run as recorded, read again when that has changed. Its files are replaced one after
        the other: they may be looked at between."""
        marks = _marks(self.folder)
        if marks != self._marks:
            self._run = _read_patiently(self.folder)
            self._marks = marks
        return self._run

    def _progress(self) -> Progress | None:
        """What the sweep says now, or said last: it may end between a look at both."""
        progress = read_progress(self.folder)
        return read_progress(self.folder) if progress and is_dead(progress) else progress

    def _busy(self, todo: Sequence[CellToDo]) -> set[str]:
        """Keys of the cells that someone is at: one process does them in their order."""
        first = [cell.key for cell in todo if not cell.status][:1]
        return self._crowd.keys_held() or {*first}


def _marks(folder: Path) -> list[str]:
    """What changes whenever a run is recorded anew."""
    return [Folder(folder).mark(name) for name in RECORDS]


def _read_first(folder: Path) -> Run:
    """The run. One that a sweep has only just begun is waited for: it says that it starts before
    it records what it is to do."""
    while (progress := read_progress(folder)) and progress.state == progresses.STARTING:
        with suppress(UserError):
            return load_run(folder, is_watched=True)
        if is_dead(progress):
            break
        time.sleep(_AGAIN_S)
    return load_run(folder, is_watched=True)


def _read_patiently(folder: Path) -> Run:
    for _ in range(_TRIES - 1):
        with suppress(UserError):
            return load_run(folder, is_watched=True)
        time.sleep(_AGAIN_S)
    return load_run(folder, is_watched=True)


def _state(progress: Progress | None, members: Sequence[SeenMember], *, is_racing: bool) -> str:
    """What the sweep is at. Of a process elsewhere nobody knows more than what it said last, unless
    it held a lease."""
    if progress is None:
        return UNKNOWN
    if progress.state not in (progresses.STARTING, progresses.RUNNING):
        return DONE if progress.state == progresses.DONE else STOPPED
    if is_dead(progress) or any(member.is_driver and member.is_gone for member in members):
        return STOPPED
    if progress.state == progresses.STARTING:
        return STARTING
    is_open = is_racing or any(not cell.status for cell in progress.cells)
    return RUNNING if is_open else REPORTING


def _is_race(run: Run, todo: Sequence[CellToDo]) -> bool:
    """Whether cells are asked for more samples rung by rung. Before the first rung has ended that
    is seen by the fewer samples that are wanted."""
    samples = {entry.cell.key: entry.samples for entry in run.entries}
    is_fewer = any(cell.samples < samples.get(cell.key, 0) for cell in todo)
    return is_fewer or any(entry.cap is not None for entry in run.entries)


def _is_racing(run: Run) -> bool:
    """Whether a race goes on, or is still to come."""
    over = {cell.key for race in run.races if race.over for cell in race.cells}
    return any(entry.cap is not None and entry.cell.key not in over for entry in run.entries)


def _race_lines(run: Run) -> tuple[str, ...]:
    """How each race stands; a line names its group where there are several."""
    several = len({cell_name(panel_of(entry)) for entry in run.entries}) > 1
    return tuple(line for race in run.races for line in race_lines(race, several))
