"""The cells of a run as they are seen: in the store, and by what the sweep says of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.columns import LOST, WHOLE
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.progress import CellToDo
from denoisebench.bench.records.rows import metric_names, read_estimate
from denoisebench.bench.records.run import Run
from denoisebench.bench.records.store import Shard, Store, covered
from denoisebench.bench.sweep.sparkline import Score, panel_names
from denoisebench.bench.watch.sight import (
    MAKING,
    UNSUPPORTED,
    UNTIMED,
    WAITING,
    Making,
    SeenCell,
)
from denoisebench.metrics.specs import leading

Shards = Mapping[str, list[Shard]]  # of images, by key


@dataclass(frozen=True)
class Labels:
    """What cells of a run are called, as it is recorded; each is in the order of its entries."""

    names: tuple[str, ...]
    panels: tuple[str, ...]
    metrics: tuple[str, ...]  # whose scores are shown: those that the run's lines speak of

    @classmethod
    def of(cls, run: Run) -> "Labels":
        settings = [entry.asked for entry in run.entries]
        metrics = metric_names(run)
        return cls(
            tuple(map(cell_name, settings)),
            panel_names(settings),
            tuple(leading(metrics, gates(run.margins, metrics, {}))),
        )


class Cells:
    """Looks at cells again and again; those that are whole are read once."""

    def __init__(self) -> None:
        self._whole: dict[tuple[str, str], SeenCell] = {}  # by key and kind of status
        self._labels: tuple[Run, Labels] | None = None  # of a run as it was recorded last

    def labels(self, run: Run) -> Labels:
        """What the run's cells are called; made once for each record of it."""
        if self._labels is None or self._labels[0] is not run:
            self._labels = run, Labels.of(run)
        return self._labels[1]

    def seen(
        self, run: Run, shards: Shards, todo: Sequence[CellToDo], *, busy: Collection[str]
    ) -> tuple[SeenCell, ...]:
        """The cells of a run in its order. todo: as the sweep says them. busy: keys of those that
        someone is at."""
        wanted: dict[str, list[CellToDo]] = {}
        for part in todo:
            wanted.setdefault(part.key, []).append(part)
        labels, cells = self.labels(run), []
        described = zip(run.entries, labels.names, labels.panels, strict=True)
        for entry, name, panel in described:
            key = entry.cell.key
            kept, goal = (key, entry.status_kind), _goal(entry, wanted.get(key, []))
            is_open = goal is not None and not goal.status
            cell = None if is_open else self._whole.get(kept)
            if cell is None:
                made = shards.get(key, [])
                cell = _cell(run.store, entry, goal, made=made, metrics=labels.metrics)
                cell = replace(cell, name=name, panel=panel)
                if is_open and key in busy:
                    cell = replace(cell, status=MAKING)
            if cell.status in WHOLE and cell.samples == entry.samples:
                self._whole[kept] = cell
            cells.append(cell)
        return tuple(cells)


def _cell(
    store: Store,
    entry: Entry,
    goal: CellToDo | None,
    *,
    made: Sequence[Shard],
    metrics: Sequence[str],
) -> SeenCell:
    """A cell as its store has it, but for its name and panel; who is at it is not looked at."""
    has_images = covered(made, entry.samples) == entry.samples
    scores = _scores(store, entry, metrics) if has_images else {}
    is_scored = has_images and scores.keys() == {*metrics}
    status, message = _status(store, entry, goal, is_scored=is_scored)
    samples = goal.samples if goal else entry.samples
    return SeenCell(
        key=entry.cell.key,
        name="",
        panel="",
        scheduler=entry.cell.scheduler,
        steps=entry.cell.steps,
        status=status,
        message=message,
        images=covered(made, samples),
        samples=samples,
        scored=entry.scored if scores else 0,
        scores={} if status in LOST else scores,
    )


def making(todo: Sequence[CellToDo], busy: Collection[str], shards: Shards) -> tuple[Making, ...]:
    """Cells that someone is at, and reference trajectories."""
    cells = {cell.key: cell for cell in todo if cell.key in busy and not cell.status}
    return tuple(
        Making(cell.name, covered(shards.get(key, []), cell.samples), cell.samples)
        for key, cell in cells.items()
    )


def stored_images(run: Run, todo: Sequence[CellToDo], shards: Shards) -> int:
    """All that are stored of the run's cells, and of reference trajectories that it makes."""
    samples = {cell.key: cell.samples for cell in todo}
    samples |= {entry.cell.key: entry.samples for entry in run.entries}
    return sum(covered(shards.get(key, []), count) for key, count in samples.items())


def _goal(entry: Entry, todo: Sequence[CellToDo]) -> CellToDo | None:
    """What the sweep wants of an entry's cell, which may be another's reference trajectory too: a
    part that is open, or else the one of as many samples."""
    still = [cell for cell in todo if not cell.status] or todo
    return next((cell for cell in still if cell.samples == entry.samples), next(iter(still), None))


def _status(
    store: Store, entry: Entry, goal: CellToDo | None, *, is_scored: bool
) -> tuple[str, str]:
    """The status of an entry, and why it failed. Of an open cell the record of an earlier sweep
    counts no more; of one that has ended there may be none yet: times and rungs come last."""
    if entry.unsupported:
        return UNSUPPORTED, "; ".join(entry.unsupported.splitlines())
    is_of_entry = goal is None or goal.samples == entry.samples
    awaits_times = bool(entry.latency) and is_of_entry
    if goal is not None and not goal.status:
        return (UNTIMED if awaits_times and is_scored else WAITING), ""
    record = store.read_record(entry.cell.key, entry.status_kind)
    if record is not None and is_of_entry:
        return record["status"], record["message"]
    if goal is None:
        return WAITING, ""
    return (UNTIMED if awaits_times and goal.status in WHOLE else goal.status), ""


def _scores(store: Store, entry: Entry, metrics: Sequence[str]) -> dict[str, Score]:
    estimates = {
        name: read_estimate(store, entry, name) for name in metrics if name in entry.metrics
    }
    return {name: Score(e.value, e.own_se) for name, e in estimates.items() if e is not None}
