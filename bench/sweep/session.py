"""One warm process: models, embeddings, extractors and references are loaded once."""

import logging
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from denoisebench.bench.errors import CannotBeLaid, UserError, first_line
from denoisebench.bench.inputs.latents import given_latents
from denoisebench.bench.models.vendor import vendor_default
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.cell import IDLE_KIND, NONE, WORK_KIND, Cost, Entry, cut_kind
from denoisebench.bench.records.columns import UNSCORED, WHOLE
from denoisebench.bench.records.store import Store
from denoisebench.bench.schedulers.catalogue import spec_of
from denoisebench.bench.score.own import OwnMetricError
from denoisebench.bench.sweep.memory import NO_ROOM, in_batches, is_out_of_memory
from denoisebench.bench.sweep.pipelines import Pipelines
from denoisebench.bench.sweep.scoring import (
    Act,
    JobScoring,
    degenerate_words,
    has_features,
    own_metrics,
)
from denoisebench.bench.sweep.work import WorkBook

_COUNTED = ("cost", "grid", "vendor")  # records of what was seen while generating
_log = logging.getLogger(__name__)
Progress = Callable[[int], None]  # called with the number of samples just generated


def _unseen(samples: int) -> None:
    """The progress that nobody looks at."""


@dataclass(eq=False)
class Session:
    """Runs jobs on one store. Everything heavy is imported and loaded when first needed."""

    store: Store
    is_shared: bool = False  # with workers, whom leases keep apart: a paused one holds nobody up
    _pipelines: Pipelines = field(default_factory=Pipelines)
    _sizes: dict[Any, int] = field(default_factory=dict)  # of batches that memory holds, by load

    def __post_init__(self) -> None:
        self._scoring = JobScoring(self.store, self._pipelines)
        self._work = WorkBook(self.store)

    def is_done(self, job: Job) -> bool:
        """Nothing of the job is missing, down to the features its estimates were made from."""
        key, entry, ends = job.entry.cell.key, job.entry, job.trajectory
        status = self.store.read_record(key, entry.status_kind)
        kinds = ["cell", cut_kind(entry.samples), *_COUNTED, "finished", *entry.metrics.values()]
        kinds += [entry.latency] if entry.latency else []
        return (
            status is not None
            and status["status"] == "done"
            and all(self.store.read_record(key, kind) is not None for kind in kinds)
            and not self.store.missing(key, "images", entry.samples)
            and has_features(self.store, entry, own_metrics(job), samples=entry.samples)
            and (
                ends is None
                or has_features(self.store, entry, job.convergence, samples=ends.entry.samples)
            )
        )

    def run(self, job: Job, progress: Progress = _unseen, *, wait: bool = True) -> str | None:
        """Does what is missing of a job; returns its status. A failure becomes the cell's record.

        Returns None when another process works on the cell and wait is False. Raises UserError for
        what would fail every cell: a full disk, weights that are not there.
        """
        ends = job.trajectory
        if ends and not self.is_done(ends) and self.run(ends, wait=wait) is None:
            return None  # before the lock: no process ever waits for one while it holds another
        return self._holding(job, lambda: self._whole(job, progress), wait=wait)

    def run_piece(self, job: Job, first: int, last: int) -> str | None:
        """Makes the images of samples first to last - 1 alone; `run` does the rest once all are
        there. Returns None when a process has the whole cell, "failed" where its record says why.

        Raises UserError as `run` does.
        """
        return self._holding(job, lambda: self._piece(job, first, last))

    def scoring_parts(self, job: Job) -> dict[str, Act]:
        """What can be done by itself of the scoring of a job whose images are all there, by name;
        nothing where `run` does the rest."""
        return self._scoring.parts(job)

    def run_part(self, job: Job, part: Act) -> str | None:
        """Does a part of a job's scoring. Returns and raises what `run_piece` does; "lost" where
        images were damaged, which are to be made again first."""

        def work() -> str:
            try:
                part()
            except LookupError:
                if not self.store.unwritten(job.entry.cell.key, "images", job.entry.samples):
                    raise
                return "lost"
            return "done"

        return self._holding(job, work)

    def _holding(self, job: Job, work: Callable[[], str], *, wait: bool = False) -> str | None:
        """Works on a cell that is held, in a shared store beside others that hold it too."""
        with self.store.lock(job.entry.cell.key, wait=wait, shared=self.is_shared) as held:
            return self._recorded(job, work) if held else None

    def _piece(self, job: Job, first: int, last: int) -> str:
        """Makes a piece. One that another made meanwhile is done, even if it fails here."""
        try:
            return self._begin(job, [(first, last)])
        except Exception:
            gaps = self.store.unwritten(job.entry.cell.key, "images", last)
            if any(stop > first for _, stop in gaps):
                raise
            return "done"

    def give_up(self, job: Job, message: str) -> str:
        """Records that a job cannot be done; returns its status."""
        return _finish(self.store, job.entry, "failed", message=message)

    def _begin(self, job: Job, gaps: list[tuple[int, int]], progress: Progress = _unseen) -> str:
        """Records the cell and makes images of it."""
        key = job.entry.cell.key
        if self.store.read_record(key, "cell") is None:
            self.store.write_record(key, "cell", asdict(job.entry.cell))
        self._record_cut_prompts(job)
        self._generate(job, gaps, progress)
        return "done"

    def _whole(self, job: Job, progress: Progress) -> str:
        """Does what is missing of a job whose cell is held."""
        self._begin(
            job, self.store.missing(job.entry.cell.key, "images", job.entry.samples), progress
        )
        degenerate = degenerate_words(self.store, job)
        if degenerate:
            return _finish(self.store, job.entry, "degenerate", message=degenerate)
        self._measure_latency(job)
        self._scoring.score(job)
        return _finish(self.store, job.entry, "done")

    def _recorded(self, job: Job, work: Callable[[], str]) -> str:
        """What the work returns; an error of it becomes the cell's record."""
        _use_threads(job.machine.threads)
        try:
            return work()
        except CannotBeLaid as error:
            trace = traceback.format_exc()
            return _finish(self.store, job.entry, "failed", message=str(error), trace=trace)
        except UserError:
            raise
        except OwnMetricError as error:  # after all else was done
            message, trace = first_line(error), traceback.format_exc()
            return _finish(self.store, job.entry, UNSCORED, message=message, trace=trace)
        except Exception as error:
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            message = NO_ROOM if is_out_of_memory(error) else message
            trace = traceback.format_exc()
            return _finish(self.store, job.entry, "failed", message=message, trace=trace)

    def _generate(self, job: Job, gaps: list[tuple[int, int]], progress: Progress) -> None:
        """Makes the images of ranges of samples."""
        key, load = job.entry.cell.key, _load_of(job)

        def make(first: int, last: int) -> None:
            images = self._images(job, first, last)
            kept = {"images": images}
            self.store.write(key, "images", first, arrays=kept, pictures=job.pictures)
            progress(last - first)

        for start, stop in gaps:
            size = self._sizes.get(load, job.machine.batch_size)
            self._sizes[load] = in_batches(start, stop, size, make=make)
            if self._sizes[load] < size:
                _say_halved(job.entry.cell.model, self._sizes[load])
        if any(self.store.read_record(key, kind) is None for kind in _COUNTED):
            self._images(job, 0, 1)  # a record was lost: one sample counts as well as many

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
        given = {**_given(job, first, last), "ratios": self._ratios(job)}

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

    def _ratios(self, job: Job) -> list[float] | None:
        """What a cache must know of the model, measured once for a cell, on its first sample; None
        where it need not."""
        from denoisebench.bench.generate.generate import magnitude_ratios, needs_ratios

        cell = job.entry.cell
        if not needs_ratios(cell):
            return None
        record = self.store.read_record(cell.key, "ratios")
        if record is None:
            ratios = magnitude_ratios(self._pipelines.of(job), cell, **_given(job, 0, 1))
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
            return generate(pipeline, without_cache(cell), **_given(job, start, stop))

        with self._pipelines.watched(job) as (pipeline, _):
            same = _joined(plain, _batches(job, first, first + len(images))) == images
        self.store.write_record(cell.key, IDLE_KIND, {"idle": bool(same.all())})

    def _record_cut_prompts(self, job: Job) -> None:
        """Says how many prompts were read in part: a page is made from the store alone."""
        key, kind = job.entry.cell.key, cut_kind(job.entry.samples)
        if self.store.read_record(key, kind) is None:
            # Nobody knows what another program reads of a prompt.
            cut = None if job.entry.cell.given else self._pipelines.cut_prompts(job)
            self.store.write_record(key, kind, {"cut": cut})

    def _measure_latency(self, job: Job) -> None:
        kind, count = job.entry.latency, job.latency.batch_size
        if not kind or self.store.read_record(job.entry.cell.key, kind) is not None:
            return
        from denoisebench.bench.timing.latency import measure_latency

        pipeline, ratios = self._pipelines.of(job), self._ratios(job)
        self._scoring.warm_up(job)
        prompts = job.prompts.for_pipeline(job.entry.samples)
        latency = measure_latency(
            pipeline,
            job.entry.cell,
            (prompts * -(-count // len(prompts)))[:count],
            inputs=job.inputs.load(0, count) if job.inputs else None,
            latents=_latents(job),
            ratios=ratios,
            warmup_runs=job.latency.warmup_runs,
            timed_runs=job.latency.timed_runs,
        )
        self.store.write_record(job.entry.cell.key, kind, asdict(latency))


def _load_of(job: Job) -> tuple[Any, ...]:
    """What the size of a batch that fits, and the cost of a call, depend on."""
    cell = job.entry.cell
    return job.load, cell.height, cell.width, cell.task, cell.guidance


def _use_threads(threads: int) -> None:
    """Has torch compute with so many threads of the processor; 0 leaves it its choice."""
    if threads:
        import torch

        torch.set_num_threads(threads)


def _say_halved(model: str, size: int) -> None:
    _log.warning(
        "%s: out of memory with more than %d images at once; goes on with so many, as "
        "batch_size=%d does from the start",
        model,
        size,
        size,
    )


def _finish(store: Store, entry: Entry, status: str, *, message: str = "", trace: str = "") -> str:
    """Records once when a cell was first finished, then how the entry ended."""
    key = entry.cell.key
    if status in WHOLE and store.read_record(key, "finished") is None:
        store.write_record(key, "finished", {"unix_s": time.time()})
    record = {"status": status, "message": message, "traceback": trace}
    store.write_record(key, entry.status_kind, record)
    return status


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


def _given(job: Job, first: int, last: int) -> dict[str, Any]:
    """What samples first to last - 1 are made of, as arguments of generate."""
    return {
        "prompts": job.prompts.for_pipeline(job.entry.samples)[first:last],
        "start": first,
        "inputs": job.inputs.load(first, last) if job.inputs else None,
        "latents": _latents(job),
    }


def _latents(job: Job) -> npt.NDArray[np.float32] | None:
    return given_latents(job.latents) if job.latents else None
