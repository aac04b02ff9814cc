"""Looks at a run again and again: its store, its progress, and who works on it.

What has ended is read once; of the rest a look reads names of files and records alone.
"""

import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import is_running
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.paths.place import is_remote
from denoisebench.bench.queue.leases import process_here
from denoisebench.bench.records import progress as progresses
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.columns import PANEL_FIELDS, WHOLE
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.names import cell_name, describe
from denoisebench.bench.records.progress import CellToDo, Progress, age_s, read_progress
from denoisebench.bench.records.race_words import race_lines
from denoisebench.bench.records.rows import metric_names, read_estimate
from denoisebench.bench.records.run import RECORDS, Run, load_run
from denoisebench.bench.records.store import Shard, Store, covered
from denoisebench.bench.watch.members import Crowd
from denoisebench.bench.watch.sight import (
    DONE,
    LOST,
    MAKING,
    REPORTING,
    RUNNING,
    STOPPED,
    UNKNOWN,
    UNSUPPORTED,
    UNTIMED,
    WAITING,
    Making,
    Score,
    SeenCell,
    SeenMember,
    Sight,
)
from denoisebench.metrics.specs import leading

_LATELY_S = 60.0  # over which images a second are counted, or over so many times that some came
_TRIES, _AGAIN_S = 5, 0.2  # at a run that cannot be read for a moment
_CHANGES = 3  # so many batches that came, where they take longer
_PAGE = "report.html"
_OPEN = ""  # status of a cell that has not ended
_Shards = Mapping[str, list[Shard]]  # of images, by key


class Watcher:
    """Looks at one run. Raises UserError where there is none."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._marks = _marks(folder)
        self._run = load_run(folder, is_watched=True)
        self.is_remote = is_remote(self._run.store.root)
        self._crowd = Crowd(self._run)
        self._ended: dict[tuple[str, str], SeenCell] = {}  # by key and kind of status
        self._pace = Pace()

    def look(self) -> Sight:
        """What can be seen now. Raises UserError where the run is gone."""
        run, progress = self._current(), self._progress()
        members = self._crowd.members(run.entries, progress.process if progress else "")
        open_cells = [cell for cell in progress.cells if not cell.status] if progress else []
        shards = run.store.written("images")
        state = _state(progress, members, is_open=bool(open_cells))
        busy = self._busy(open_cells) if state == RUNNING else set()
        cells = self._cells(run, shards, statuses=_statuses(progress), busy=busy)
        if state == UNKNOWN and all(cell.status != WAITING for cell in cells):
            state = DONE  # by a version that kept no progress
        is_elsewhere = progress is not None and process_here(progress.process) is None
        several = len(run.races) > 1
        return Sight(
            folder=self.folder,
            models=", ".join(dict.fromkeys(entry.cell.model for entry in run.entries)),
            state=state,
            cells=cells,
            making=_making(open_cells, busy, shards),
            metrics=tuple(_leading(run)),
            images_per_s=self._pace.seen(_images(run, progress, shards), time.monotonic()),
            left_s=progress.left_s if progress and state == RUNNING else None,
            heard_s=age_s(self.folder) if is_elsewhere else None,
            lines=tuple(line for race in run.races for line in race_lines(race, several)),
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
        return read_progress(self.folder) if progress and _is_dead(progress) else progress

    def _busy(self, open_cells: Sequence[CellToDo]) -> set[str]:
        """Keys of the cells that someone is at: one process does them in their order."""
        return self._crowd.keys_held() or {cell.key for cell in open_cells[:1]}

    def _cells(
        self, run: Run, shards: _Shards, *, statuses: Mapping[str, str], busy: Collection[str]
    ) -> tuple[SeenCell, ...]:
        """The cells of a run in its order. statuses: as the sweep says them."""
        fields, metrics = _panel_fields(run.entries), _leading(run)
        cells = []
        for entry in run.entries:
            key, kept = entry.cell.key, (entry.cell.key, entry.status_kind)
            stated = statuses.get(key)
            cell = self._ended.get(kept) if stated != _OPEN else None
            if cell is None:
                images = covered(shards.get(key, []), entry.samples)
                scores = _scores(run.store, entry, metrics) if images == entry.samples else {}
                unknown = MAKING if key in busy else WAITING
                if unknown == WAITING and scores.keys() == {*metrics} and entry.latency:
                    unknown = UNTIMED
                status, message = _status(run.store, entry, stated, unknown=unknown)
                cell = SeenCell(
                    key=key,
                    name=cell_name(entry.asked),
                    panel=describe(entry.asked, fields),
                    scheduler=entry.cell.scheduler,
                    steps=entry.cell.steps,
                    status=status,
                    message=message,
                    images=images,
                    samples=entry.samples,
                    scores={} if status in LOST else scores,
                )
            if cell.status in WHOLE:
                self._ended[kept] = cell
            cells.append(cell)
        return tuple(cells)


class Pace:
    """Images a second, of what was seen to come."""

    def __init__(self) -> None:
        self._changes: deque[tuple[float, int]] = deque()  # clock in seconds, and images by then

    def seen(self, images: int, now_s: float) -> float | None:
        """The pace lately; None before images came twice."""
        if not self._changes or self._changes[-1][1] != images:
            self._changes.append((now_s, images))
        while len(self._changes) > _CHANGES and now_s - self._changes[1][0] > _LATELY_S:
            self._changes.popleft()
        came = [*self._changes][1:]  # the first look sees what came at any time before
        if len(came) < 2:
            return None
        (first_s, before), (last_s, after) = came[0], came[-1]
        return (after - before) / (last_s - first_s)


def _leading(run: Run) -> list[str]:
    """The metrics that are shown."""
    names = metric_names(run)
    return leading(names, gates(run.margins, names, {}))


def _marks(folder: Path) -> list[str]:
    """What changes whenever a run is recorded anew."""
    return [Folder(folder).mark(name) for name in RECORDS]


def _read_patiently(folder: Path) -> Run:
    for _ in range(_TRIES - 1):
        with suppress(UserError):
            return load_run(folder, is_watched=True)
        time.sleep(_AGAIN_S)
    return load_run(folder, is_watched=True)


def _state(progress: Progress | None, members: Sequence[SeenMember], *, is_open: bool) -> str:
    """What the sweep is at. Of a process elsewhere nobody knows more than what it said last, unless
    it held a lease."""
    if progress is None:
        return UNKNOWN
    if progress.state != progresses.RUNNING:
        return DONE if progress.state == progresses.DONE else STOPPED
    if _is_dead(progress) or any(member.is_driver and member.is_gone for member in members):
        return STOPPED
    return RUNNING if is_open else REPORTING


def _is_dead(progress: Progress) -> bool:
    """Whether the process of a sweep ran on this machine and has ended."""
    process = process_here(progress.process)
    return process is not None and not is_running(process)


def _statuses(progress: Progress | None) -> dict[str, str]:
    """What the sweep says of its cells, by key: empty while anything of one is open."""
    statuses: dict[str, str] = {}
    for cell in progress.cells if progress else ():
        statuses[cell.key] = cell.status if statuses.get(cell.key, cell.status) else ""
    return statuses


def _status(store: Store, entry: Entry, stated: str | None, *, unknown: str) -> tuple[str, str]:
    """The status of an entry, and why it failed. stated: by the sweep, None where it has nothing to
    do there. An open cell may have a record of an earlier sweep, which counts no more."""
    if entry.unsupported:
        return UNSUPPORTED, "; ".join(entry.unsupported.splitlines())
    record = None if stated == _OPEN else store.read_record(entry.cell.key, entry.status_kind)
    return (record["status"], record["message"]) if record else (unknown, "")


def _scores(store: Store, entry: Entry, metrics: Sequence[str]) -> dict[str, Score]:
    estimates = {
        name: read_estimate(store, entry, name) for name in metrics if name in entry.metrics
    }
    return {name: Score(e.value, e.own_se) for name, e in estimates.items() if e is not None}


def _making(
    open_cells: Sequence[CellToDo], busy: Collection[str], shards: _Shards
) -> tuple[Making, ...]:
    cells = {cell.key: cell for cell in open_cells if cell.key in busy}
    return tuple(
        Making(cell.name, covered(shards.get(key, []), cell.samples), cell.samples)
        for key, cell in cells.items()
    )


def _images(run: Run, progress: Progress | None, shards: _Shards) -> int:
    """All that are stored of the run's cells, and of reference trajectories that it makes."""
    samples = {cell.key: cell.samples for cell in (progress.cells if progress else ())}
    samples |= {entry.cell.key: entry.samples for entry in run.entries}
    return sum(covered(shards.get(key, []), count) for key, count in samples.items())


def _panel_fields(entries: Sequence[Entry]) -> list[str]:
    """Fields that tell the panels of a run apart; guidance where none does."""
    settings = [entry.asked for entry in entries]
    fields = [name for name in PANEL_FIELDS if len({str(values[name]) for values in settings}) > 1]
    return fields or ["guidance"]
