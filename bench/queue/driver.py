"""The driver's side: says what is wanted, starts workers, waits for all workers anywhere."""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from rich.console import Console

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import hash_of
from denoisebench.bench.paths.place import is_remote, seen_from
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.queue.crew import Crew, Starter
from denoisebench.bench.queue.here import work_words
from denoisebench.bench.queue.leases import Leases
from denoisebench.bench.queue.order import (
    QUEUE,
    Grid,
    Order,
    Planned,
    Task,
    orders_of,
    task_of,
    tasks_left,
    untimed,
)
from denoisebench.bench.queue.worker import POLL_S
from denoisebench.bench.records.store import Store
from denoisebench.bench.sweep.account import Account
from denoisebench.bench.sweep.live_curves import LiveCurves
from denoisebench.bench.sweep.progress import Listener, SweepProgress
from denoisebench.bench.sweep.sweep import Helpers, result_words

_SAY_AGAIN_S = 600.0  # that nobody works
_LOOK_S = 5.0  # between looks at whether the run is still this driver's


@contextmanager
def helpers_of(
    plan: Plan, console: Console, *, account: Account, listener: Listener | None = None
) -> Iterator[Helpers]:
    """What hands jobs to workers, `plan.workers` of which are started; they end with it. listener:
    called with each cell that they finish.

    Raises UserError when another driver has the run.
    """
    starter = starter_of(plan)  # before anything is written
    store = Store.make(plan.store_root)
    item = f"driver-{hash_of([_run_name(plan).encode()])}"
    with Leases(store.place.under(QUEUE), group=item) as leases:
        if not leases.claim_patiently(item):
            raise UserError(
                f"{plan.run_folder}: another sweep with workers is at it ({leases.holder(item)}); "
                f"wait for it, or help it with `{_helping(plan, store)}`"
            )
        try:
            crew = Crew(plan.workers or 0, starter, partial(_say, console))
            driver = _Driver(
                plan,
                store,
                leases,
                item=item,
                crew=crew,
                console=console,
                account=account,
                listener=listener,
            )
            try:
                yield driver.complete
                driver.close()
            finally:
                driver.crew.stop()
        finally:
            leases.release(item)


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _helping(plan: Plan, store: Store) -> str:
    """The command by which anyone helps a sweep."""
    return shlex.join(["denoisebench", *work_words(plan.run_folder, store.root)])


def _run_name(plan: Plan) -> str:
    """What tells runs of one store apart; folders of different machines have nothing but names."""
    remote = is_remote(plan.store_root)
    return plan.run_folder.name if remote else str(plan.run_folder.resolve())


def starter_of(plan: Plan) -> Starter:
    """What starts a worker, as the plan says. Raises UserError where that cannot be."""
    if plan.launcher == "slurm":
        from denoisebench.bench.queue.slurm import slurm_starter

        return slurm_starter(plan)
    if plan.launcher == "ray":
        from denoisebench.bench.queue.ray import ray_starter

        return ray_starter(plan)
    from denoisebench.bench.queue.here import process_starter

    return process_starter(plan)


def grid_of(plan: Plan) -> Grid:
    """What workers plan anew: with what the model's own files give, which no setting is."""
    configs = []
    for config, job in zip(plan.config, plan.jobs, strict=True):
        model: dict[str, Any] = config["model"]
        own = job.settings.model.call_of_files
        configs.append({**config, "model": {**model, "call_of_files": own}})
    return Grid(tuple(configs), Planned.of(plan.jobs).cells)


class _Driver:
    """Orders of one run, one after the other."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        leases: Leases,
        *,
        item: str,
        crew: Crew,
        console: Console,
        account: Account,
        listener: Listener | None,
    ):
        self.crew = crew
        self._store, self._leases = store, leases
        self._console, self._account, self._listener = console, account, listener
        self._curves = LiveCurves(plan.jobs, store) if console.is_terminal else None
        self._orders = orders_of(plan.run_folder, store.place)
        self._help = _helping(plan, store)
        grid = grid_of(plan)
        leases.forget_troubles(grid.cells)
        self._order = Order(
            number=self._orders.last_number(),
            grid=self._orders.write_grid(grid),
            store=seen_from(plan.run_folder, store.root),
            driver=item,
            tasks=(),
        )

    def close(self) -> None:
        """Says that nothing more is wanted."""
        self._write(replace(self._order, is_open=False))
        self.crew.wait()

    def complete(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Has all but the times of jobs done; a status by the key of the cell."""
        wanted = {task_of(job): job for job in jobs}
        self._write(replace(self._order, number=self._order.number + 1, tasks=tuple(wanted)))
        if not wanted:
            return {}
        self.crew.start()
        statuses: dict[str, str] = {}
        progress = SweepProgress(
            [*wanted.values()],
            self._console,
            account=self._account,
            listener=self._listener,
            curves=self._curves,
        )
        with progress.bar:
            for task, status in self._ending():
                job = wanted[task]
                words = result_words(self._store, untimed(job), status)
                progress.cell_done(job, words, progress.work_done, status=status)
                statuses[task.key] = status
                if status != "done":
                    self._keep_failure(job, task)
        if any(job.entry.latency for job in jobs):
            self.crew.stop()  # their models leave memory, and nothing disturbs the times
        return statuses

    def _write(self, order: Order) -> None:
        """Raises UserError as _check_run."""
        self._check_run()
        self._orders.write(order)
        self._order = order

    def _check_run(self) -> None:
        """Raises UserError when another driver has the run by now: this one was paused."""
        if not self._leases.holds(self._order.driver):
            raise UserError("another sweep has taken this run over meanwhile: it goes on there")

    def _ending(self) -> Iterator[tuple[Task, str]]:
        """Tasks of the order as they end, with their status. Raises UserError as _check_run: the
        tasks of another driver's order are never seen to end here."""
        known: set[Task] = set()
        since = time.monotonic() - _SAY_AGAIN_S
        looked = time.monotonic()
        while True:
            if time.monotonic() - looked > _LOOK_S:
                self._check_run()
                looked = time.monotonic()
            ended = self._orders.ended(self._order)
            fresh = [task for task in ended if task not in known]
            yield from ((task, ended[task]) for task in fresh)
            known |= {*fresh}
            if not tasks_left(self._order, ended):
                return
            if fresh:
                self.crew.forgive()
            is_helped = self._leases.others_alive()
            self.crew.tend(is_helped)
            if not is_helped and not self.crew.size and time.monotonic() - since > _SAY_AGAIN_S:
                _say(self._console, f"waiting for workers: {self._help}")
                since = time.monotonic()
            time.sleep(POLL_S)

    def _keep_failure(self, job: Job, task: Task) -> None:
        """The record of a failure as that of the whole job, which has times too."""
        record = self._store.await_record(task.key, task.status_kind)
        if record is not None:
            self._store.write_record(task.key, job.entry.status_kind, record)
