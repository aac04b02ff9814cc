"""The driver's side: says what is wanted, starts workers here, waits for all workers anywhere."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rich.console import Console

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import writing
from denoisebench.bench.plan.job import Job, Machine, in_order
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.queue.leases import PATIENCE_S, Leases
from denoisebench.bench.queue.order import Order, Orders, Task, driver_item, task_of, untimed
from denoisebench.bench.queue.worker import POLL_S
from denoisebench.bench.records.store import Store
from denoisebench.bench.sweep.progress import SweepProgress
from denoisebench.bench.sweep.sweep import Helpers, result_words

_MOST_STARTS = 4  # of a worker that dies
_SAY_AGAIN_S = 600.0  # that nobody works


@contextmanager
def helpers_of(plan: Plan, console: Console) -> Iterator[Helpers]:
    """What hands jobs to workers, `plan.workers` of which are started here; they end with it.

    Raises UserError when another driver has the run.
    """
    _check_devices(plan)
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


def _check_devices(plan: Plan) -> None:
    """Raises UserError for more workers than accelerators, each of which holds one model."""
    if not plan.workers or plan.jobs[0].machine.device != "cuda":
        return
    import torch

    count = torch.cuda.device_count()
    if plan.workers > count:
        raise UserError(
            f"workers={plan.workers}: torch sees {count} CUDA device{'s' * (count != 1)} here, "
            f"and a worker takes one; give workers={count} or fewer"
        )


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
        self.crew = Crew(plan.run_folder, plan.workers or 0, plan.jobs[0].machine)

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


@dataclass(eq=False)
class Crew:
    """Workers on this machine, each a process with its log in the run's folder."""

    run_folder: Path
    size: int
    machine: Machine
    _processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _starts: dict[int, int] = field(default_factory=dict)

    def start(self) -> None:
        """Starts those that were not started yet."""
        for place in range(self.size):
            if place not in self._starts:
                self._start(place)

    def tend(self, is_helped: bool) -> None:
        """Starts those again that died. Raises UserError when all have ended for good, and nobody
        else helps."""
        for place, process in [*self._processes.items()]:
            code = process.poll()
            if code is None:
                continue
            del self._processes[place]
            if code != 2 and self._starts[place] < _MOST_STARTS:  # 2: a user's error, to stay
                self._start(place)
        if self.size and not self._processes and not is_helped:
            raise UserError(f"no worker is left: {self._last_words()}")

    def wait(self) -> None:
        """Waits until all have seen that nothing more is wanted."""
        for process in self._processes.values():
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.terminate()

    def stop(self) -> None:
        """Ends all at once."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, place: int) -> None:
        self._starts[place] = self._starts.get(place, 0) + 1
        with writing(self._log(place)), self._log(place).open("wb") as log:
            self._processes[place] = subprocess.Popen(
                [sys.executable, "-m", "denoisebench", "work", str(self.run_folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment(place)},
            )

    def _environment(self, place: int) -> dict[str, str]:
        """Its share of the processors, or its own accelerator."""
        if self.machine.device == "cuda":
            import torch

            return {"CUDA_VISIBLE_DEVICES": str(place % torch.cuda.device_count())}
        if self.machine.threads or "OMP_NUM_THREADS" in os.environ:
            return {}
        return {"OMP_NUM_THREADS": str(max(len(os.sched_getaffinity(0)) // self.size, 1))}

    def _log(self, place: int) -> Path:
        return self.run_folder / Orders.FOLDER / f"worker-{place}.log"

    def _last_words(self) -> str:
        """What the first of them said last."""
        lines = self._log(0).read_text(errors="replace").strip().splitlines()
        said = lines[-1].removeprefix("denoisebench: ") if lines else "it said nothing"
        return f"{said} ({self._log(0)})"
