"""Image files into a store, as cells that are made: all that is left is to score them."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from denoisebench.bench.imported.pictures import Picture
from denoisebench.bench.imported.plan import Given
from denoisebench.bench.inputs.pictures import read_picture
from denoisebench.bench.paths import write_atomically
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.cell import Cost
from denoisebench.bench.records.store import Store

_UNCOUNTED = {
    "cost": asdict(Cost(None, None)),
    "grid": {"timesteps": [], "sigmas": [], "scheduler_sigmas": None},
    "vendor": {},
}


def import_pictures(given: Given, store: Store, *, begin: Callable[[int], None]) -> None:
    """Stores what the store lacks of all jobs, and beside the run the prompts that images said.
    begin: called once with the number of images of all jobs, where some are to be read.

    Raises UserError for a file that cannot be read; what was read before it is kept.
    """
    _keep_prompts(given)
    has_begun = False
    for job in given.plan.jobs:
        key, files = job.entry.cell.key, given.files[job.entry.cell.key]
        with store.lock(key):
            gaps = store.missing(key, "images", len(files))
            if gaps and not has_begun:
                has_begun = True
                begin(sum(map(len, given.files.values())))
            for first, last in gaps:
                _import(job, files[first:last], store, first=first)
            for kind, record in _UNCOUNTED.items():
                if store.read_record(key, kind) is None:
                    store.write_record(key, kind, record)
            for kind, record in given.records[key].items():
                store.write_record(key, kind, record)


def _keep_prompts(given: Given) -> None:
    """The prompts that images said, as a file of prompts: --like reads it again."""
    for prompts in {job.settings.prompts for job in given.plan.jobs}:
        if prompts.said and prompts.path:
            lines = "".join(f"{json.dumps(text)}\n" for text in prompts.said)
            write_atomically(Path(prompts.path), lines.encode())


def _import(job: Job, files: Sequence[Picture], store: Store, *, first: int) -> None:
    size = job.machine.batch_size
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoders leave the interpreter free
        for start in range(0, len(files), size):
            batch = files[start : start + size]
            images = np.stack([*pool.map(_pixels, batch)])
            store.write(
                job.entry.cell.key,
                "images",
                first + start,
                arrays={"images": images},
                pictures=job.pictures,
            )


def _pixels(picture: Picture) -> npt.NDArray[np.uint8]:
    """[3, H, W]"""
    return np.asarray(read_picture(picture.file, "image"), np.uint8).transpose(2, 0, 1)
