"""The driver's side: says what is wanted, starts workers here, waits for all workers anywhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace

from rich.console import Console

from denoisebench.bench.errors import UserError
from denoisebench.bench.plan.job import Job, in_order
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.queue.crew import Crew, Starter
from denoisebench.bench.queue.leases import Leases
from denoisebench.bench.queue.order import Order, Orders, Task, driver_item, task_of, untimed
from denoisebench.bench.queue.worker import POLL_S
from denoisebench.bench.records.store import Store
from denoisebench.bench.sweep.progress import SweepProgress
from denoisebench.bench.sweep.sweep import Helpers, result_words

_SAY_AGAIN_S = 600.0  # that nobody works


@contextmanager
def helpers_of(plan: Plan, console: Console) -> Iterator[Helpers]:
    """What hands jobs to workers, `plan.workers` of which are started here; they end with it.

    Raises UserError when another driver has the run.
    """
    store = Store.make(plan.store_root)
    with Leases(store.root / Orders.FOLDER) as leases:
        item = driver_item(plan.run_folder)
        if not leases.claim(item):
            raise UserError(
                f"{plan.run_folder}: another sweep with workers is at it ({leases.holder(item)}); "
                "wait for it, or help it with `denoisebench work`"
            )
        driver = _Driver(plan, store, leases, console=console)
        try:
            leases.forget_losses()
            yield driver.complete
            driver.close()
        finally:
            driver.crew.stop()
            leases.release(item)


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


class _Driver:
    """Orders of one run, one after the other."""

    def __init__(self, plan: Plan, store: Store, leases: Leases, *, console: Console):
        self._store, self._leases, self._console = store, leases, console
        self._orders = Orders(plan.run_folder)
        earlier = self._orders.read()
        parts = {job.entry.cell.key: job for job in in_order(plan.jobs)}
        self._order = Order(
            number=earlier.number if earlier else 0,
            configs=tuple(plan.config),
            cells={key: asdict(job.entry.cell) for key, job in parts.items()},
            tasks=(),
        )
        self.crew = Crew(plan.workers or 0, starter_of(plan))

    def close(self) -> None:
        """Says that nothing more is wanted."""
        self._orders.write(replace(self._order, is_open=False))
        self.crew.wait()

    def complete(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Has all but the times of jobs done; a status by the key of the cell."""
        wanted = {task_of(job): job for job in jobs}
        self._order = replace(self._order, number=self._order.number + 1, tasks=tuple(wanted))
        self._orders.write(self._order)
        if not wanted:
            return {}
        self.crew.start()
        statuses: dict[str, str] = {}
        progress = SweepProgress([*wanted.values()], self._console)
        with progress.bar:
            for task, status in self._ending(self._order.tasks):
                job = wanted[task]
                said = result_words(self._store, untimed(job), status)
                progress.cell_done(job, said, progress.work_done)
                statuses[task.key] = status
                if status != "done":
                    self._keep_failure(job, task)
        return statuses

    def _ending(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, str]]:
        """Tasks as they end, with their status."""
        ended: dict[Task, str] = {}
        said = time.monotonic() - _SAY_AGAIN_S
        while len(ended) < len(tasks):
            latest = self._orders.ended(self._order, tasks)
            yield from ((task, latest[task]) for task in latest if task not in ended)
            ended = latest
            is_helped = self._leases.others_alive()
            self.crew.tend(is_helped)
            if not is_helped and not self.crew.size and time.monotonic() - said > _SAY_AGAIN_S:
                self._console.print(
                    f"waiting for workers: denoisebench work {self._orders.folder.parent}",
                    soft_wrap=True,
                )
                said = time.monotonic()
            time.sleep(POLL_S)

    def _keep_failure(self, job: Job, task: Task) -> None:
        """The record of a failure as that of the whole job, which has times too."""
        record = self._store.read_record(task.key, task.status_kind)
        if record is not None:
            self._store.write_record(task.key, job.entry.status_kind, record)
