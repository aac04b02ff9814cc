"""What a driver wants done: written by it, read by all workers of a run.

    RUN/queue/order.json        the grid as composed, and the tasks of now: replaced as a whole
    RUN/queue/ended/<number>/   a file for each task of that order that ended, with its status

A task is a cell with a number of samples and metrics, the same thing that one process does at a
time; workers cut it into pieces. Times are no part of it: the driver measures them, alone.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import hash_of, write_atomically
from denoisebench.bench.paths.guarded import Unreadable, read_mapping
from denoisebench.bench.plan.job import Job, resampled
from denoisebench.bench.plan.trajectory import with_convergence
from denoisebench.bench.records.cell import Cell

SCHEMA = 1


@dataclass(frozen=True)
class Task:
    """A job, as far as others than the driver do it."""

    key: str  # of its cell
    samples: int
    first: int  # sample from which on it is scored
    columns: tuple[str, ...]  # metrics of its own images
    converges: bool  # whether its images are compared with its reference trajectory
    status_kind: str  # says the same and the networks that read the images

    @property
    def name(self) -> str:
        """What its file among the ended ones is called."""
        return hash_of([json.dumps(asdict(self)).encode()])


@dataclass(frozen=True)
class Order:
    """What is wanted now. A driver raises the number whenever it wants something else."""

    number: int
    configs: tuple[dict[str, Any], ...]  # settings of every job of the plan, as JSON holds them
    cells: dict[str, dict[str, Any]]  # by key, as the driver planned them
    tasks: tuple[Task, ...]
    is_open: bool = True  # more may be wanted later


def driver_item(run_folder: Path) -> str:
    """What a run's only driver holds a lease of."""
    return f"driver-{run_folder.name}"


def task_of(job: Job) -> Task:
    """What is left to others of a job."""
    entry = untimed(job).entry
    own = tuple(name for name in job.metrics if name in entry.metrics)
    return Task(
        key=entry.cell.key,
        samples=entry.samples,
        first=entry.first,
        columns=own,
        converges=job.trajectory is not None,
        status_kind=entry.status_kind,
    )


def untimed(job: Job) -> Job:
    """The job without its latency."""
    return replace(job, entry=replace(job.entry, latency=""))


def job_of(task: Task, planned: Mapping[str, Job]) -> Job:
    """The job of a task, of which `planned` holds the one of its cell, by key.

    Raises UserError when this machine would measure something else.
    """
    job = untimed(planned[task.key])
    if (task.samples, task.first) != (job.entry.samples, job.entry.first) or (
        task.columns != tuple(name for name in job.metrics if name in job.entry.metrics)
    ):
        job = resampled(job, task.samples, first=task.first, columns=task.columns)
    if task.converges and job.trajectory is None:
        job = with_convergence(job)
    if job.entry.status_kind != task.status_kind:
        raise UserError(
            f"{job.entry.cell.model}: the sweep measures {', '.join(task.columns)} otherwise than "
            "this machine would: its metric networks or references are others; put the same ones "
            "here"
        )
    return job


def foreign_cells(order: Order, planned: Mapping[str, Job]) -> list[str]:
    """How cells that are made here differ from those of the order; empty when they are equal."""
    if order.cells.keys() <= planned.keys():
        return []
    mine = [asdict(job.entry.cell) for job in planned.values()]
    problems: dict[str, None] = {}
    for key in order.cells.keys() - planned.keys():
        theirs = asdict(Cell(**order.cells[key]))
        nearest = max(mine, key=lambda cell: sum(theirs[name] == cell[name] for name in theirs))
        for name, value in theirs.items():
            if nearest[name] != value:
                problems[f"{name} is {nearest[name]} here, {value} in the sweep"] = None
    return list(problems)


class Orders:
    """The orders of a run folder. Raises UserError for a disk that is full or closed."""

    FOLDER = "queue"  # in the run's folder; leases lie in the one of this name in its store

    def __init__(self, run_folder: Path):
        self.folder = run_folder / self.FOLDER

    def read(self) -> Order | None:
        """The order of now; None when there is none. Raises UserError when it cannot be read."""
        path = self.folder / "order.json"
        if not path.exists():
            return None
        try:
            record = read_mapping(path)
            if record.pop("schema") != SCHEMA:
                raise UserError(f"{path}: another version of denoisebench wrote it; use that one")
            tasks = [Task(**{**t, "columns": (*t["columns"],)}) for t in record.pop("tasks")]
            configs = tuple(record.pop("configs"))
            return Order(**record, tasks=tuple(tasks), configs=configs)
        except (Unreadable, KeyError, TypeError) as error:
            raise UserError(f"{path} cannot be read: run the sweep again") from error

    def write(self, order: Order) -> None:
        """Replaces the order; what ended of others is forgotten."""
        for old in (self.folder / "ended").glob("*"):
            if old.name != str(order.number):
                shutil.rmtree(old, ignore_errors=True)
        record = {"schema": SCHEMA, **asdict(order)}
        write_atomically(self.folder / "order.json", json.dumps(record).encode())

    def end(self, order: Order, task: Task, status: str) -> None:
        """Says that a task of an order ended, and how."""
        write_atomically(self._ended(order) / task.name, status.encode())

    def ended(self, order: Order, tasks: Sequence[Task]) -> dict[Task, str]:
        """The tasks that ended, with their status."""
        folder = self._ended(order)
        names = {path.name for path in folder.glob("*")} if folder.is_dir() else set()
        return {task: (folder / task.name).read_text() for task in tasks if task.name in names}

    def _ended(self, order: Order) -> Path:
        return self.folder / "ended" / str(order.number)
