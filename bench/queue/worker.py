"""A worker: takes pieces of a sweep's cells one by one, until nothing is left to do."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.plan.job import Job, in_order
from denoisebench.bench.plan.plan import plan_sweep
from denoisebench.bench.queue.leases import Leases
from denoisebench.bench.queue.order import Order, Orders, Task, driver_item, foreign_cells, job_of
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.run import load_run
from denoisebench.bench.sweep.session import Session

MOST_LOSSES = 5  # members that may end at one piece before its cell is given up
POLL_S = 0.5  # between looks at what others are at
Say = Callable[[str], None]


def work(run_folder: Path, say: Say, *, wait_s: float = 0.0) -> int:
    """Works on a planned sweep until all is done and its driver wants no more; returns how many
    pieces it made and cells it scored.

    wait_s: how long to wait for a sweep to be planned in the folder.
    Raises UserError for what fails every cell, and where this machine would make or measure
    something else than the machine that planned the sweep.
    """
    orders = Orders(run_folder)
    order = _first_order(orders, wait_s)
    planned = _planned(order)
    store = load_run(run_folder).store
    with Leases(store.root / Orders.FOLDER) as leases:
        worker = _Worker(orders, leases, Session(store), planned, say=say)
        while True:
            left = worker.left(order)
            was_busy = worker.turn(order, left)
            latest = orders.read() or order
            if latest.number == order.number and not was_busy:
                if not worker.left(latest) and not _more_may_come(latest, run_folder, leases):
                    return worker.done
                time.sleep(POLL_S)
            order = latest


def _first_order(orders: Orders, wait_s: float) -> Order:
    until = time.monotonic() + wait_s
    while (order := orders.read()) is None:
        if time.monotonic() >= until:
            raise UserError(
                f"{orders.folder.parent}: no sweep with workers is planned there; start one by "
                "`denoisebench sweep … workers=N`, or give --wait=SECONDS"
            )
        time.sleep(POLL_S)
    return order


def _planned(order: Order) -> dict[str, Job]:
    """The jobs of an order's grid by the keys of their cells, planned anew on this machine."""
    if not order.configs:
        return {}
    parts = in_order(plan_sweep(order.configs).jobs)
    planned = {job.entry.cell.key: job for job in parts}
    problems = foreign_cells(order, planned)
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(
            f"this machine would make other images than the sweep: {'; '.join(problems[:3])}{more}"
        )
    return planned


def _more_may_come(order: Order, run_folder: Path, leases: Leases) -> bool:
    driver = leases.holder(driver_item(run_folder))
    return order.is_open and driver is not None and not leases.is_gone(driver)


@dataclass(eq=False)
class _Worker:
    """One process's part of the work."""

    orders: Orders
    leases: Leases
    session: Session
    planned: dict[str, Job]
    say: Say
    done: int = 0
    _jobs: dict[Task, Job] = field(default_factory=dict)
    _model: object = None  # that of the last piece, which is in memory

    def left(self, order: Order) -> list[Task]:
        """Tasks that have not ended."""
        ended = self.orders.ended(order, order.tasks)
        return [task for task in order.tasks if task not in ended]

    def turn(self, order: Order, tasks: Sequence[Task]) -> bool:
        """Goes through tasks once, those of the model in memory first; whether any was advanced.

        Each worker begins at a place of its own, so that many do not ask for the same pieces.
        """
        start = random.Random(self.leases.member).randrange(len(tasks)) if tasks else 0
        turned = [*tasks[start:], *tasks[:start]]
        turned.sort(key=lambda task: self._job(task).model != self._model)
        return any([self._advance(order, task) for task in turned])  # each of them

    def _job(self, task: Task) -> Job:
        if task not in self._jobs:
            self._jobs[task] = job_of(task, self.planned)
        return self._jobs[task]

    def _advance(self, order: Order, task: Task) -> bool:
        job, store = self._job(task), self.session.store
        made = False
        for piece in _pieces(store.unwritten(task.key, "images", job.entry.samples), job):
            if self._ended(order, task):
                return made
            made |= self._make(order, task, piece)
        if store.unwritten(task.key, "images", job.entry.samples) or self._waits(order, job):
            return made
        return made | self._score(order, task)

    def _ended(self, order: Order, task: Task) -> bool:
        return bool(self.orders.ended(order, [task]))

    def _waits(self, order: Order, job: Job) -> bool:
        """Whether the job's reference trajectory is still to be made."""
        ends = job.trajectory
        return ends is not None and any(t.key == ends.entry.cell.key for t in self.left(order))

    def _make(self, order: Order, task: Task, piece: tuple[int, int]) -> bool:
        job, (first, last) = self._job(task), piece

        def make() -> str | None:
            gaps = self.session.store.unwritten(task.key, "images", last)
            if not any(stop > first for _, stop in gaps):
                return "done"  # meanwhile
            self._model = job.model
            return self.session.run_piece(job, first, last)

        status = self._under_lease(f"{task.key}-{first:08d}-{last:08d}", job, make)
        if status == "done":
            self.say(f"{cell_name(job.entry.asked)}: samples {first} to {last - 1}")
        elif status is not None:
            self._end(order, task, status)
        return status is not None

    def _score(self, order: Order, task: Task) -> bool:
        job = self._job(task)

        def score() -> str | None:
            return "" if self._ended(order, task) else self.session.run(job, wait=False)

        status = self._under_lease(f"{task.key}-{task.status_kind}", job, score)
        if status:
            self._end(order, task, status)
        return bool(status)

    def _under_lease(self, item: str, job: Job, act: Callable[[], str | None]) -> str | None:
        """What the act returns; None where another has the item."""
        if not self.leases.claim(item):
            return None
        try:
            losses = self.leases.losses(item)
            if losses >= MOST_LOSSES:
                return self.session.give_up(
                    job, f"{losses} workers ended while they were at it: killed, or out of memory"
                )
            status = act()
            self.done += status is not None
            return status
        finally:
            self.leases.release(item)

    def _end(self, order: Order, task: Task, status: str) -> None:
        self.orders.end(order, task, status)
        self.say(f"{cell_name(self._job(task).entry.asked)}: {status}")


def _pieces(gaps: Sequence[tuple[int, int]], job: Job) -> list[tuple[int, int]]:
    """Gaps cut at multiples of the batch, where one process cuts them too: an image below float32,
    or on an accelerator, depends on the batch it is in."""
    size = job.machine.batch_size
    starts = [range(first - first % size, last, size) for first, last in gaps]
    return [
        (max(start, first), min(start + size, last))
        for (first, last), places in zip(gaps, starts, strict=True)
        for start in places
    ]
