"""What a sweep would cost, said before it runs: time as earlier sweeps took it, disk, memory."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.files import size_words, weights_bytes
from denoisebench.bench.paths import cache_folder, write_atomically
from denoisebench.bench.paths.guarded import Unreadable, read_mapping
from denoisebench.bench.plan.job import Job, in_order
from denoisebench.bench.records.cell import LOADS, digest, fields_with
from denoisebench.bench.sweep.progress import job_work

_PACES = "paces"  # folder of the user's cache


def timed(job: Job, act: Callable[[], str | None], work_done: Callable[[], float]) -> str | None:
    """What the act returns. Where it made all images of the job, its time is kept for later."""
    before, start = work_done(), time.monotonic()
    status = act()
    if status == "done" and work_done() - before >= job.expected_passes * job.entry.samples:
        _keep_pace(job, (time.monotonic() - start) / job_work(job))
    return status


def cost_lines(jobs: Sequence[Job]) -> list[str]:
    """What jobs would take, a line for each kind of cost."""
    jobs = in_order(jobs)
    images = sum(job.entry.samples * 3 * _pixels(job) for job in jobs)
    weights = {job.model.source: _weights(job) for job in jobs}
    largest = max(weights.values(), default=0)
    lines = [_time_line(jobs), f"disk: images of {size_words(images)} as they are, less as PNG"]
    if largest:
        lines.append(f"memory: weights of {size_words(largest)} in files, and what a batch takes")
    return lines


def _time_line(jobs: Sequence[Job]) -> str:
    paces = {job.entry.cell.key: _pace(job) for job in jobs}
    new = dict.fromkeys(j.entry.cell.model for j in jobs if paces[j.entry.cell.key] is None)
    if new:
        return f"time: not known before a first sweep of {', '.join(new)} of this kind here"
    seconds = sum(job_work(job) * (paces[job.entry.cell.key] or 0.0) for job in jobs)
    return f"time: about {_duration(seconds)}, as cells of earlier sweeps took here"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _pixels(job: Job) -> int:
    return job.entry.cell.width * job.entry.cell.height


def _weights(job: Job) -> int:
    source = job.model.source
    return weights_bytes(source, job.model.loading) if isinstance(source, Path) else 0


def _pace(job: Job) -> float | None:
    """Seconds a pass of one sample took, where a cell of this kind was made here."""
    with suppress(OSError, Unreadable, KeyError, TypeError, ValueError):
        return float(read_mapping(_file(job))["seconds"])
    return None


def _keep_pace(job: Job, seconds: float) -> None:
    """One that cannot be kept is none."""
    with suppress(OSError, UserError):
        write_atomically(_file(job), json.dumps({"seconds": seconds}).encode())


def _file(job: Job) -> Path:
    """The file of a pace, named by what decides it but the number of steps."""
    cell, machine = job.entry.cell, job.machine
    loaded = [getattr(cell, name) for name in fields_with(LOADS)]
    made_of = [cell.weights, cell.width, cell.height, *loaded, cell.task]
    made_by = [machine.device, machine.threads, machine.batch_size]
    return cache_folder() / _PACES / f"{digest([*made_of, *made_by], 16)}.json"
