"""A worker: takes pieces of a sweep's cells one by one, until nothing is left to do."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths.place import named_from
from denoisebench.bench.paths.places import place_of
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.plan import plan_sweep
from denoisebench.bench.queue.leases import Leases
from denoisebench.bench.queue.order import (
    QUEUE,
    Order,
    Orders,
    Planned,
    Task,
    foreign_cells,
    orders_of,
    task_of,
    tasks_left,
)
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.store import Store
from denoisebench.bench.sweep.scoring import Act
from denoisebench.bench.sweep.session import Holds, Session

MOST_LOSSES = 5  # members that may end at one piece before its cell is given up
POLL_S, LONGEST_POLL_S = 0.5, 5.0  # between looks at what others are at: the longer, the later
_MEANWHILE = ""  # the status of a piece that another has made
Say = Callable[[str], None]


def work(run_folder: Path, say: Say, *, bucket: str | None = None, wait_s: float = 0.0) -> int:
    """Works on a planned sweep until all is done and its driver wants no more; returns how many
    pieces it made and cells it scored.

    bucket: the address of the run's store, where it is one; then only the folder's name counts.
    wait_s: how long to wait for a sweep to be planned in the folder.
    Raises UserError for what fails every cell, and where this machine would make or measure
    something else than the machine that planned the sweep.
    """
    orders = orders_of(run_folder, place_of(bucket) if bucket else None)
    order = _first_order(orders, wait_s)
    store = Store(named_from(run_folder, order.store))
    with Leases(store.place.under(QUEUE), group=order.driver) as leases:
        worker = _Worker(orders, leases, Session(store, is_shared=True), say=say)
        pause_s = POLL_S
        while True:
            was_busy = worker.turn(order)
            latest = orders.read() or order
            if latest.number == order.number and not was_busy:
                is_over = not tasks_left(latest, orders.ended(latest))
                if is_over and not _more_may_come(latest, leases):
                    return worker.done
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_POLL_S)
            else:
                pause_s = POLL_S
            order = latest


def _first_order(orders: Orders, wait_s: float) -> Order:
    """The order of a sweep that is not over, where one is planned in time, or else the last one."""
    until = time.monotonic() + wait_s
    while True:
        order = orders.read()
        is_wanted = order and (order.is_open or tasks_left(order, orders.ended(order)))
        if order and (is_wanted or time.monotonic() >= until):
            return order
        if time.monotonic() >= until:
            if isinstance(orders.place.address, Path) and not orders.place.address.parent.exists():
                raise UserError(f"{orders.place.address.parent}: there is no such folder")
            raise UserError(
                f"{orders.place.address}: no sweep with workers is planned there; start one by "
                "`denoisebench sweep … workers=N`, or give --wait=SECONDS, or --store=s3://… where "
                "the sweep's store is a bucket"
            )
        time.sleep(POLL_S)


def _more_may_come(order: Order, leases: Leases) -> bool:
    driver = leases.holder(order.driver)
    return order.is_open and driver is not None and not leases.is_gone(driver)


@dataclass(eq=False)
class _Worker:
    """One process's part of the work."""

    orders: Orders
    leases: Leases
    session: Session
    say: Say
    done: int = 0  # pieces and scores
    _grid: str = ""  # hash of the one that was planned last
    _planned: Planned = field(default_factory=lambda: Planned({}, {}))
    _jobs: dict[Task, Job] = field(default_factory=dict)
    _model: object = None  # that of the last piece, which is in memory
    _failed: set[tuple[int, Task]] = field(default_factory=set)  # here, by number of the order

    def turn(self, order: Order) -> bool:
        """Goes through the tasks that are left once, those of the model in memory first; whether
        anything was done. Ends early when the driver wants something else.

        Each worker begins at a place of its own, so that many do not ask for the same pieces.
        """
        try:
            self._plan(order)
        except UserError:
            latest = self.orders.read()
            if latest and latest.number != order.number:  # its grid is gone with it
                return True
            raise
        tasks = tasks_left(order, self.orders.ended(order))
        start = random.Random(self.leases.member).randrange(len(tasks)) if tasks else 0
        turned = [*tasks[start:], *tasks[:start]]
        turned.sort(key=lambda task: self._job(task).model != self._model)
        mark, was_busy = self.orders.mark(), False
        for task in turned:
            if self.orders.mark() != mark:
                return True
            if not self.orders.has_ended(order, task):
                was_busy |= self._advance(order, task)
        return was_busy

    def _plan(self, order: Order) -> None:
        """Plans the order's grid on this machine, once."""
        if order.grid == self._grid:
            return
        grid = self.orders.grid(order)
        self._planned = Planned.of(plan_sweep(grid.configs).jobs)
        problems = foreign_cells(grid.cells, self._planned.cells)
        if problems:
            more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
            raise UserError(
                "this machine would make other images than the sweep: "
                f"{'; '.join(problems[:3])}{more}"
            )
        self._grid, self._jobs = order.grid, {}

    def _job(self, task: Task) -> Job:
        if task not in self._jobs:
            self._jobs[task] = self._planned.job_of(task)
        return self._jobs[task]

    def _advance(self, order: Order, task: Task) -> bool:
        """Makes what is free of a task, scores it when all is there; whether it did anything."""
        if (order.number, task) in self._failed:
            return self._end_failed(order, task)
        job, store = self._job(task), self.session.store
        was_busy = False
        for piece in _pieces(store.unwritten(task.key, "images", job.entry.samples), job):
            if self.orders.has_ended(order, task) or (order.number, task) in self._failed:
                return was_busy
            was_busy |= self._make(order, task, piece)
        if store.unwritten(task.key, "images", job.entry.samples) or self._waits(order, job):
            return was_busy
        parts = self.session.scoring_parts(job)
        if not parts:
            return self._score(order, task) or was_busy
        for name, part in parts.items():
            if (order.number, task) not in self._failed:
                was_busy |= self._do_part(order, task, name, part=part)
        return was_busy

    def _waits(self, order: Order, job: Job) -> bool:
        """Whether the job's reference trajectory is still to be made."""
        if job.trajectory is None:
            return False
        end = task_of(job.trajectory)
        return end in order.tasks and not self.orders.has_ended(order, end)

    def _make(self, order: Order, task: Task, piece: tuple[int, int]) -> bool:
        job, (first, last) = self._job(task), piece

        def make(holds: Holds) -> str | None:
            gaps = self.session.store.unwritten(task.key, "images", last)
            if not any(stop > first for _, stop in gaps):
                return _MEANWHILE
            self._model = job.model
            return self.session.run_piece(job, first, last, holds=holds)

        status = self._under_lease(f"{task.key}-{first:08d}-{last:08d}", job, make)
        if status == "done":
            self.say(f"{cell_name(job.entry.asked)}: samples {first} to {last - 1}")
        elif status:
            self._end(order, task, status)
        return bool(status)

    def _do_part(self, order: Order, task: Task, name: str, *, part: Act) -> bool:
        job = self._job(task)

        def act(holds: Holds) -> str | None:
            is_left = name in self.session.scoring_parts(job)
            return self.session.run_part(job, part, holds=holds) if is_left else _MEANWHILE

        status = self._under_lease(f"{task.key}-{name}", job, act)
        if status == "failed":
            self._end(order, task, status)
        return bool(status)

    def _score(self, order: Order, task: Task) -> bool:
        job = self._job(task)

        def score(holds: Holds) -> str | None:
            is_over = self.orders.has_ended(order, task)
            return _MEANWHILE if is_over else self.session.run(job, wait=False, holds=holds)

        status = self._under_lease(_whole(task), job, score)
        if status:
            self._end(order, task, status)
        return bool(status)

    def _under_lease(self, item: str, job: Job, act: Callable[[Holds], str | None]) -> str | None:
        """What the act returns, which can ask for the lease; None where another has the item."""
        if not self.leases.claim(item):
            return None
        try:
            losses = self.leases.losses(item)
            if losses >= MOST_LOSSES:
                return self.session.give_up(
                    job, f"{losses} workers ended while they were at it: killed, or out of memory"
                )
            status = act(partial(self.leases.holds, item))
            self.done += bool(status)
            return status
        finally:
            self.leases.release(item)

    def _end(self, order: Order, task: Task, status: str) -> None:
        if status == "failed":
            self._failed.add((order.number, task))
            self.leases.give_up(_whole(task))
            self._end_failed(order, task)
        else:
            self._say_ended(order, task, status)

    def _end_failed(self, order: Order, task: Task) -> bool:
        """Ends a task that failed here, if it failed at another member, too, or there is none: one
        machine that is broken takes no cell from others, who can do it. Whether it ended it."""
        others = self.leases.given_up_by(_whole(task)) - {self.leases.member}
        driver = self.leases.holder(order.driver)
        if not others and self.leases.others_alive(besides={driver or ""}):
            return False
        self._say_ended(order, task, "failed")
        return True

    def _say_ended(self, order: Order, task: Task, status: str) -> None:
        self.orders.end(order, task, status)
        self.say(f"{cell_name(self._job(task).entry.asked)}: {status}")


def _whole(task: Task) -> str:
    """What a task as a whole is called among leases."""
    return f"{task.key}-{task.status_kind}"


def _pieces(gaps: Sequence[tuple[int, int]], job: Job) -> list[tuple[int, int]]:
    """Gaps cut into batches as one process cuts them: an image below float32, or on an accelerator,
    depends on the batch it is in. What several have made begins and ends with whole batches."""
    size = job.machine.batch_size
    return [
        (first, min(first + size, stop))
        for start, stop in gaps
        for first in range(start, stop, size)
    ]
