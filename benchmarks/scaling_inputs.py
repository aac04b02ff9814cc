"""Times that the simulation of scaling_law.py starts from, measured on this machine.

All but operations on the folder are seconds of the processor on one thread, which other work on the
machine changes little.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from benchmarks.performance import overheads
from benchmarks.performance.commands import denoisebench, ran
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.plan import plan_sweep
from denoisebench.bench.queue.leases import Leases
from denoisebench.bench.records.store import Store
from denoisebench.bench.sweep.session import Session

BATCH, STEPS = 64, 20
BLOCK = 256  # images that metrics read at once
PIECES, LEASES, CELLS = 12, 300, 200
OPERATIONS = 5  # of a lease taken and given back: link, losses, holder, unlink, and the look before


_START = """
import sys
from denoisebench.__main__ import run
from denoisebench.bench.models.load import load_pipeline
from denoisebench.bench.paths import EMBEDDED
run(sys.argv[1:])
load_pipeline(EMBEDDED / "shapes-ddpm", "float32", "cpu")
"""


@dataclass(frozen=True)
class Measured:
    """Seconds."""

    piece_s: float  # a batch of images made and stored
    block_s: float  # metrics read so many images
    score_s: float  # a batch's share in the estimates of its cell
    operation_s: float  # on a local folder
    start_s: float  # of a worker: imports, planning of a grid of CELLS, loading a model
    end_s: float  # the report of that grid


def measured(folder: Path) -> Measured:
    """What was measured in the folder before, or is now."""
    file = folder / "measured.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(1)
        with TemporaryDirectory() as scratch:
            parts = _parts(Path(scratch))
            times = Measured(*parts, _operation(Path(scratch)), *_start_and_end(Path(scratch)))
        file.write_text(json.dumps(asdict(times)))
    return Measured(**json.loads(file.read_text()))


def _parts(folder: Path) -> tuple[float, float, float]:
    """Median seconds of a piece and of a block by a warm worker; those of estimates by batch."""
    job, first = _job(folder, PIECES * BATCH, seed=0), _job(folder, BATCH, seed=1)
    session = Session(Store.make(folder / "store"), is_shared=True)
    session.run(first)  # loads everything
    starts = range(0, job.entry.samples, BATCH)
    pieces = [_seconds(lambda s=start: session.run_piece(job, s, s + BATCH)) for start in starts]
    session.scoring_parts(job)["look"]()
    blocks = session.scoring_parts(job)
    assert len(blocks) == PIECES * BATCH / BLOCK
    reads = [_seconds(lambda p=part: session.run_part(job, p)) for part in blocks.values()]
    return median(pieces), median(reads), _seconds(lambda: session.run(job)) / len(starts)


def _job(folder: Path, samples: int, *, seed: int) -> Job:
    overrides = [
        f"steps={STEPS}",
        f"samples={samples}",
        f"batch_size={BATCH}",
        f"seed={seed}",
        f"runs={folder}",
        "threads=1",
        "device=cpu",
        "latency.timed_runs=0",
        "hydra/launcher=basic",
        "hydra/sweeper=basic",
    ]
    with initialize_config_module("conf", version_base="1.3"):
        config = OmegaConf.to_container(compose("sweep", overrides), resolve=True)
    return plan_sweep([config]).jobs[0]


def _operation(folder: Path) -> float:
    """Seconds of one operation, from leases taken and given back."""
    with Leases(Folder(folder / "queue")) as leases:

        def take(item: str) -> None:
            leases.claim(item)
            leases.losses(item)
            leases.release(item)

        seconds = []
        for number in range(LEASES):
            start = time.perf_counter()
            take(f"item-{number}")
            seconds.append(time.perf_counter() - start)
        return median(seconds) / OPERATIONS


def _start_and_end(folder: Path) -> tuple[float, float]:
    """Seconds of a process that plans a grid of which answers are known and loads a model, and of a
    report; each of one thread."""
    sweep = ("sweep", *overheads.grid(CELLS), f"runs={folder}", "tracking=none")
    ran(denoisebench(*sweep), folder / "logs", threads=1)
    start = ran([sys.executable, "-c", _START, *sweep, "--dry-run"], folder / "logs", threads=1)
    report = denoisebench("report", str(folder / "overheads"))
    return start.cpu_s, ran(report, folder / "logs", threads=1).cpu_s


def _seconds(act: Callable[[], object]) -> float:
    """Seconds of the processor."""
    start = time.process_time()
    act()
    return time.process_time() - start
