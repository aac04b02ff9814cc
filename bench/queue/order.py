"""What a driver wants done: written by it, read by all workers of a run.

    grid-<hash>.json  the grid as composed, and its cells as the driver planned them
    order.json        the tasks of now: replaced as a whole
    ended/<number>/   a file for each task of that order that ended, with its status

They lie in the folder `queue` of the run's folder; where the store is a bucket, which workers may
see alone, below its `queue/runs/<name of the run>`.

A task is a cell with a number of samples and metrics, the same thing that one process does at a
time; workers cut it into pieces. Times are no part of it: the driver measures them, alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import hash_of
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.paths.guarded import Unreadable, mapping_of
from denoisebench.bench.paths.place import Place, is_remote
from denoisebench.bench.plan.job import Job, resampled
from denoisebench.bench.plan.trajectory import with_convergence

SCHEMA = 1
_ORDER, _ENDED = "order.json", "ended"


@dataclass(frozen=True)
class Task:
    """A job, as far as others than the driver do it."""

    key: str  # of its cell
    samples: int
    first: int  # sample from which on it is scored
    columns: tuple[str, ...]  # metrics of its own images
    converges: bool  # whether its images are compared with its reference trajectory
    status_kind: str  # says the same and the networks that read the images

    @cached_property
    def name(self) -> str:
        """What its file among the ended ones is called."""
        return hash_of([json.dumps(asdict(self)).encode()])


@dataclass(frozen=True)
class Grid:
    """What a sweep was planned from."""

    configs: tuple[dict[str, Any], ...]  # settings of every job, as JSON holds them
    cells: dict[str, dict[str, Any]]  # by key


@dataclass(frozen=True)
class Order:
    """What is wanted now. A driver raises the number whenever it wants something else."""

    number: int
    grid: str  # hash of the grid
    store: str  # its path from the run's folder
    driver: str  # the item that the run's driver holds a lease of
    tasks: tuple[Task, ...]
    is_open: bool = True  # more may be wanted later


def task_of(job: Job) -> Task:
    """What is left to others of a job."""
    entry = untimed(job).entry
    return Task(
        key=entry.cell.key,
        samples=entry.samples,
        first=entry.first,
        columns=_own_columns(job),
        converges=job.trajectory is not None,
        status_kind=entry.status_kind,
    )


def _own_columns(job: Job) -> tuple[str, ...]:
    return tuple(name for name in job.metrics if name in job.entry.metrics)


def untimed(job: Job) -> Job:
    """The job without its latency."""
    return replace(job, entry=replace(job.entry, latency=""))


@dataclass(frozen=True, eq=False)
class Planned:
    """Jobs of a grid by the keys of their cells; a cell can be another's trajectory too."""

    jobs: dict[str, Job]
    trajectories: dict[str, Job]

    @classmethod
    def of(cls, jobs: Iterable[Job]) -> "Planned":
        own = {job.entry.cell.key: job for job in jobs}
        ends = [job.trajectory for job in own.values() if job.trajectory]
        return cls(own, {end.entry.cell.key: end for end in ends})

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """The fields of every cell, by key."""
        return {
            key: asdict(job.entry.cell) for key, job in {**self.trajectories, **self.jobs}.items()
        }

    def job_of(self, task: Task) -> Job:
        """The job of a task. Raises UserError when this machine would measure something else."""
        end = self.trajectories.get(task.key)
        if end is not None and task_of(end) == task:
            return end
        job = untimed(self.jobs[task.key])
        if task_of(job) != task:
            job = resampled(job, task.samples, first=task.first, columns=task.columns)
            job = with_convergence(job) if task.converges else job
        if job.entry.status_kind != task.status_kind:
            raise UserError(
                f"{job.entry.cell.model}: the sweep measures {', '.join(task.columns)} otherwise "
                "than this machine would: its metric networks or references are others; put the "
                "same ones here"
            )
        return job


_COMPARED = 3  # cells, to say how they differ: one reason differs from cell to cell, if at all


def foreign_cells(theirs: Mapping[str, Mapping[str, Any]], mine: Mapping[str, Any]) -> list[str]:
    """How cells that are made here differ from those of a grid; empty when they are equal."""
    problems: dict[str, None] = {}
    for key in sorted(theirs.keys() - mine.keys())[:_COMPARED]:
        cell = theirs[key]
        nearest = max(
            mine.values(), key=lambda other: sum(other.get(name) == cell[name] for name in cell)
        )
        for name, value in cell.items():
            if nearest.get(name) != value:
                problems[f"{name} is {nearest.get(name)} here, {value} in the sweep"] = None
    return list(problems)


QUEUE = "queue"  # a folder of the run's folder, and one of its store


def orders_of(run_folder: Path, store: Place | None = None) -> "Orders":
    """Returns the orders of a run, beside its report, or in its store where that is remote."""
    if store is not None and is_remote(store.address):
        return Orders(store.under(f"{QUEUE}/runs/{run_folder.resolve().name}"))
    return Orders(Folder(run_folder / QUEUE))


class Orders:
    """The orders of a run. Raises UserError for a disk that is full or closed."""

    def __init__(self, place: Place):
        self.place = place
        self._ended: tuple[int, dict[str, str]] = (0, {})  # number of an order, statuses by name

    def read(self) -> Order | None:
        """The order of now; None when there is none. Raises UserError when it cannot be read."""
        try:
            record = self._read(_ORDER)
            if record is None:
                return None
            tasks = [Task(**{**t, "columns": (*t["columns"],)}) for t in record.pop("tasks")]
            return Order(**record, tasks=tuple(tasks))
        except (Unreadable, KeyError, TypeError) as error:
            raise self._unreadable(_ORDER) from error

    def grid(self, order: Order) -> Grid:
        """The grid of an order. Raises UserError when it cannot be read."""
        name = _grid_name(order.grid)
        try:
            record = self._read(name) or {}
            return Grid(tuple(record["configs"]), record["cells"])
        except (Unreadable, KeyError, TypeError) as error:
            raise self._unreadable(name) from error

    def mark(self) -> str:
        """What changes whenever the order is replaced."""
        return self.place.mark(_ORDER)

    def write_grid(self, grid: Grid) -> str:
        """Writes a grid; returns its hash."""
        content = json.dumps({"schema": SCHEMA, **vars(grid)}).encode()
        name = hash_of([content])
        self.place.write(_grid_name(name), content)
        return name

    def write(self, order: Order) -> None:
        """Replaces the order; then what ended of others is forgotten, and other grids are."""
        record = {"schema": SCHEMA, **asdict(order)}
        self.place.write(_ORDER, json.dumps(record).encode())
        for old in self.place.files("", "grid-*.json"):
            if old.base != _grid_name(order.grid):
                self.place.delete(old.name)
        for number in self._numbers() - {str(order.number)}:
            self.place.delete(f"{_ENDED}/{number}/")

    def last_number(self) -> int:
        """The highest number of an order that may be known to a worker; 0 when there was none."""
        numbers = [int(number) for number in self._numbers() if number.isdecimal()]
        with suppress(UserError):
            order = self.read()
            numbers += [order.number] if order else []
        return max(numbers, default=0)

    def end(self, order: Order, task: Task, status: str) -> None:
        """Says that a task of an order ended, and how."""
        self.place.write(f"{_ENDED}/{order.number}/{task.name}", status.encode())

    def has_ended(self, order: Order, task: Task) -> bool:
        return self.place.read(f"{_ENDED}/{order.number}/{task.name}") is not None

    def ended(self, order: Order) -> dict[Task, str]:
        """The tasks that ended, with their status. Each file is read once."""
        number, known = self._ended
        known = known if number == order.number else {}
        for file in self.place.files(f"{_ENDED}/{order.number}", "*"):
            if file.base not in known:
                status = self.place.read(file.name)
                if status is not None:  # else of an order of before: taken away
                    known[file.base] = status.decode()
        self._ended = order.number, known
        return {task: known[task.name] for task in order.tasks if task.name in known}

    def _numbers(self) -> set[str]:
        """Numbers of orders of which something ended."""
        return {PurePosixPath(file.name).parts[-2] for file in self.place.files(_ENDED, "*/*")}

    def _read(self, name: str) -> dict[str, Any] | None:
        """Raises UserError for what another version wrote, Unreadable or KeyError for damage."""
        content = self.place.read(name)
        if content is None:
            return None
        record = mapping_of(content)
        if record.pop("schema") != SCHEMA:
            raise UserError(
                f"{self.place.address}/{name}: another version of denoisebench wrote it; use that "
                "one"
            )
        return record

    def _unreadable(self, name: str) -> UserError:
        return UserError(f"{self.place.address}/{name} cannot be read: run the sweep again")


def _grid_name(grid: str) -> str:
    return f"grid-{grid}.json"


def tasks_left(order: Order, ended: Mapping[Task, str]) -> Sequence[Task]:
    return [task for task in order.tasks if task not in ended]
