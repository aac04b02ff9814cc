"""Workers on this machine: a process each, with its log in the run's folder."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import writing
from denoisebench.bench.paths.place import Address, is_remote
from denoisebench.bench.plan.job import Machine
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.queue.crew import Starter
from denoisebench.bench.queue.order import QUEUE

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def work_command(run_folder: Path, store: Address = "") -> list[str]:
    """The command line of a worker on this machine."""
    return [sys.executable, "-m", "denoisebench", *work_words(run_folder, store)]


def work_words(run_folder: Path, store: Address = "") -> list[str]:
    """What `denoisebench` is given to help with a run."""
    return ["work", str(run_folder), *([f"--store={store}"] if is_remote(store) else ())]


def last_line_of(log: str, where: Path) -> str:
    """The last line of what a worker said, with the place of all of it."""
    lines = log.strip().splitlines()
    said = lines[-1].removeprefix("denoisebench: ") if lines else "it said nothing"
    return f"{said} ({where})"


def process_starter(plan: Plan) -> Starter:
    """Raises UserError for more workers than accelerators, each of which holds one model."""
    machine, size = plan.jobs[0].machine, plan.workers or 0
    devices = _devices(machine)
    if devices is not None and size > len(devices):
        raise UserError(
            f"workers={size}: torch sees {len(devices)} CUDA device{'s' * (len(devices) != 1)} "
            f"here, and a worker takes one; give workers={len(devices)} or fewer"
        )

    def start(place: int) -> _Process:
        log = plan.run_folder / QUEUE / f"worker-{place}.log"
        share = {_VISIBLE: devices[place]} if devices else _processors(machine, size)
        with writing(log):
            log.parent.mkdir(parents=True, exist_ok=True)
        with writing(log), log.open("ab") as out:
            process = subprocess.Popen(
                work_command(plan.run_folder, plan.store_root),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **share},
            )
        return _Process(process, log)

    return start


def _devices(machine: Machine) -> list[str] | None:
    """Names of the accelerators as CUDA takes them; None on a processor."""
    if machine.device != "cuda":
        return None
    import torch

    shown = os.environ.get(_VISIBLE, "").split(",")
    count = torch.cuda.device_count()
    return shown[:count] if shown != [""] else [str(number) for number in range(count)]


def _processors(machine: Machine, size: int) -> dict[str, str]:
    """An even share of them, unless it is said how many threads each takes."""
    if machine.threads or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(_processors_here() // size, 1))}


def _processors_here() -> int:
    """Those that this process may use; where the system does not say, as macOS, all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class _Process:
    process: subprocess.Popen[bytes]
    log: Path

    def poll(self) -> int | None:
        return self.process.poll()

    def ends_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ask_to_end(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def last_line(self) -> str:
        return last_line_of(self.log.read_text(errors="replace"), self.log)
