"""The images of a cell as they are made: in batches, counted, and held against those without its
cache."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from denoisebench.bench.inputs.latents import given_latents
from denoisebench.bench.models.vendor import vendor_default
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.cell import IDLE_KIND, NONE, WORK_KIND, Cost
from denoisebench.bench.records.store import Store
from denoisebench.bench.schedulers.catalogue import spec_of
from denoisebench.bench.sweep.memory import in_batches, in_whole_batches
from denoisebench.bench.sweep.pipelines import Pipelines
from denoisebench.bench.sweep.work import WorkBook

COUNTED = ("cost", "grid", "vendor")  # records of what was seen while generating
_log = logging.getLogger(__name__)
Progress = Callable[[int], None]  # called with the number of samples just generated


@dataclass(eq=False)
class Images:
    """Makes images of jobs into a store, with what is counted meanwhile."""

    store: Store
    _pipelines: Pipelines
    _sizes: dict[Any, int] = field(default_factory=dict)  # of batches that memory holds, by load

    def __post_init__(self) -> None:
        self._work = WorkBook(self.store)

    def make(self, job: Job, gaps: Sequence[tuple[int, int]], progress: Progress) -> None:
        """Makes and stores the images of ranges of samples, in batches that memory holds. Raises
        BatchTooLarge where it does not, and smaller ones would change the images."""
        key = job.entry.cell.key

        def make(first: int, last: int) -> None:
            images = self._images(job, first, last)
            kept = {"images": images}
            self.store.write(key, "images", first, arrays=kept, pictures=job.pictures)
            progress(last - first)

        for start, stop in gaps:
            if job.depends_on_batch:
                in_whole_batches(start, stop, job.machine.batch_size, make=make)
            else:
                self._make_as_fits(job, start, stop, make=make)
        if any(self.store.read_record(key, kind) is None for kind in COUNTED):
            self._images(job, 0, 1)  # a record was lost: one sample counts as well as many

    def _make_as_fits(
        self, job: Job, start: int, stop: int, *, make: Callable[[int, int], None]
    ) -> None:
        """Makes samples in batches of the size that the job's load has been seen to fit in."""
        load = _load_of(job)
        size = self._sizes.get(load, job.machine.batch_size)
        self._sizes[load] = in_batches(start, stop, size, make=make)
        if self._sizes[load] < size:
            _say_halved(job.entry.cell.model, self._sizes[load])

    def _images(self, job: Job, first: int, last: int) -> npt.NDArray[np.uint8]:
        """Images of samples first to last - 1; their cost is recorded if it is not yet."""
        images = _joined(partial(self._batch, job), _batches(job, first, last))
        self._record_idle_cache(job, images, first)
        return images

    def _batch(self, job: Job, first: int, last: int) -> npt.NDArray[np.uint8]:
        """Images of samples first to last - 1, made at once."""
        from denoisebench.bench.generate.flops import Inside, flops_of
        from denoisebench.bench.generate.generate import generate
        from denoisebench.bench.generate.work import Work, counted
        from denoisebench.bench.models.denoiser import denoiser_of

        works: list[Work] = []
        given = {**given_to(job, first, last), "ratios": self.ratios(job)}

        def make(inside: Inside) -> npt.NDArray[np.uint8]:
            return generate(pipeline, job.entry.cell, **given, inside=inside)

        @contextmanager
        def counting() -> Iterator[None]:
            if not self._is_to_be_counted(job):
                yield
                return
            with counted(denoiser_of(pipeline)) as work:
                works.append(work)
                yield

        def count_again(patterns: Collection[Any]) -> dict[Any, float]:
            with self._pipelines.watched(job):  # the embeddings are remembered
                return flops_of(denoiser_of(pipeline), patterns, make)

        with self._pipelines.watched(job) as (pipeline, stages):
            images = make(counting)
        _record_work(self.store, job, pipeline, stages=stages, samples=last - first)
        key, samples, load = job.entry.cell.key, last - first, _load_of(job)
        for work in works:
            self._work.keep(key, first, samples, work=work, load=load, again=count_again)
        return images

    def _is_to_be_counted(self, job: Job) -> bool:
        """Whether the next images tell more of what a cell computes. One batch stands for all where
        nothing is cached. A compiled block would be compiled anew if it were wrapped."""
        cell = job.entry.cell
        if cell.compile != "off":
            return False
        return cell.cache != NONE or not self.store.shards(cell.key, WORK_KIND)

    def ratios(self, job: Job) -> list[float] | None:
        """What a cache must know of the model, measured once for a cell, on its first sample; None
        where it need not."""
        from denoisebench.bench.generate.generate import magnitude_ratios, needs_ratios

        cell = job.entry.cell
        if not needs_ratios(cell):
            return None
        record = self.store.read_record(cell.key, "ratios")
        if record is None:
            ratios = magnitude_ratios(self._pipelines.of(job), cell, **given_to(job, 0, 1))
            record = {"ratios": ratios}
            self.store.write_record(cell.key, "ratios", record)
        return list(record["ratios"])

    def _record_idle_cache(self, job: Job, images: npt.NDArray[np.uint8], first: int) -> None:
        """Says whether a cache changes none of the first images that are made: then the cell looks
        one without it, but for its time, and the cautions of its run name it."""
        from denoisebench.bench.generate.generate import generate, without_cache

        cell = job.entry.cell
        if cell.cache == NONE or self.store.read_record(cell.key, IDLE_KIND) is not None:
            return

        def plain(start: int, stop: int) -> npt.NDArray[np.uint8]:
            return generate(pipeline, without_cache(cell), **given_to(job, start, stop))

        with self._pipelines.watched(job) as (pipeline, _):
            same = _joined(plain, _batches(job, first, first + len(images))) == images
        self.store.write_record(cell.key, IDLE_KIND, {"idle": bool(same.all())})


def _load_of(job: Job) -> tuple[Any, ...]:
    """What the size of a batch that fits, and the cost of a call, depend on."""
    cell = job.entry.cell
    return job.load, cell.height, cell.width, cell.task, cell.guidance


def _say_halved(model: str, size: int) -> None:
    _log.warning(
        "%s: out of memory with more than %d images at once; goes on with so many, as "
        "batch_size=%d does from the start",
        model,
        size,
        size,
    )


def _record_work(store: Store, job: Job, pipeline: Any, *, stages: Any, samples: int) -> None:
    """What was seen while generating, where it is not recorded yet."""
    import torch

    from denoisebench.bench.schedulers.grids import executed_grid

    key = job.entry.cell.key
    if store.read_record(key, "cost") is None:
        steps = spec_of(job.base).steps_of(stages.calls)
        cost = Cost(stages.calls, stages.rows // samples, steps)
        store.write_record(key, "cost", asdict(cost))
    if store.read_record(key, "grid") is None:
        visited = [float(t.flatten()[0]) for t in map(torch.as_tensor, stages.timesteps)]
        grid = executed_grid(visited, stages.scheduler)
        store.write_record(key, "grid", asdict(grid))
    if store.read_record(key, "vendor") is None:
        default = vendor_default(pipeline, of_classes=bool(job.prompts.classes))
        store.write_record(key, "vendor", asdict(default))


def _batches(job: Job, first: int, last: int) -> list[tuple[int, int]]:
    """Ranges of the samples first to last - 1 that are made at once."""
    size = 1 if job.one_by_one else last - first
    return [(start, min(start + size, last)) for start in range(first, last, size)]


def _joined(
    make: Callable[[int, int], npt.NDArray[np.uint8]], batches: list[tuple[int, int]]
) -> npt.NDArray[np.uint8]:
    return np.concatenate([make(first, last) for first, last in batches])


def given_to(job: Job, first: int, last: int) -> dict[str, Any]:
    """What samples first to last - 1 are made of, as arguments of generate."""
    return {
        "prompts": job.prompts.for_pipeline(job.entry.samples)[first:last],
        "start": first,
        "inputs": job.inputs.load(first, last) if job.inputs else None,
        "latents": latents_of(job),
    }


def latents_of(job: Job) -> npt.NDArray[np.float32] | None:
    return given_latents(job.latents) if job.latents else None
