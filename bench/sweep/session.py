"""One warm process: models, embeddings, extractors and references are loaded once."""

import gc
import inspect
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.generate.flat import MOST_FLAT, count_flat, overflow_hint
from denoisebench.bench.inputs.images import Inputs, load_inputs
from denoisebench.bench.inputs.latents import given_latents
from denoisebench.bench.inputs.prompts import load_prompts
from denoisebench.bench.machine import device_of
from denoisebench.bench.models.vendor import vendor_default
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.cell import Cost, Entry
from denoisebench.bench.records.store import Store
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.score.kinds import (
    converged_kind,
    convergence_columns,
    features_kind,
    measured,
)
from denoisebench.bench.settings.job import ModelSettings
from denoisebench.bench.settings.metrics import Metric

_COUNTED = ("cost", "grid", "vendor")  # records of what was seen while generating
_log = logging.getLogger(__name__)
Progress = Callable[[int], None]  # called with the number of samples just generated


class Session:
    """Runs jobs on one store. Everything heavy is imported and loaded when first needed."""

    def __init__(self, store: Store):
        self.store = store
        self._pipelines: dict[tuple, Any] = {}
        self._embeddings: dict = {}
        self._scorer: Any = None

    def is_done(self, job: Job) -> bool:
        """Nothing of the job is missing, down to the features its estimates were made from."""
        key, entry = job.entry.cell.key, job.entry
        status = self.store.read_record(key, entry.status_kind)
        kinds = ["cell", *_COUNTED, "finished", *entry.metrics.values()]
        kinds += [entry.latency] if entry.latency else []
        shards = [("images", entry.samples)]
        shards += [(features_kind(metric), entry.samples) for metric in _scored(job).values()]
        if job.trajectory:
            shards.append(_converged(job, job.trajectory))
        return (
            status is not None
            and status["status"] == "done"
            and all(self.store.read_record(key, kind) is not None for kind in kinds)
            and not any(self.store.missing(key, *shard) for shard in shards)
        )

    def run(
        self, job: Job, progress: Progress = lambda samples: None, *, wait: bool = True
    ) -> str | None:
        """Does what is missing of a job; returns its status. A failure becomes the cell's record.

        Returns None when another process works on the cell and wait is False. Raises UserError for
        what would fail every cell: a full disk, weights that are not there.
        """
        key, ends = job.entry.cell.key, job.trajectory
        if ends and not self.is_done(ends) and self.run(ends, wait=wait) is None:
            return None  # before the lock: no process ever waits for one while it holds another
        with self.store.lock(key, wait=wait) as held:
            if not held:
                return None
            try:
                if self.store.read_record(key, "cell") is None:
                    self.store.write_record(key, "cell", asdict(job.entry.cell))
                self._generate(job, progress)
                flat = self._flat_images(job)
                if flat > MOST_FLAT * job.entry.samples:
                    return self._finish(job.entry, "degenerate", _told(job, flat), "")
                self._measure_latency(job)
                self._score(job)
                if job.trajectory:
                    self._converge(job, job.trajectory)
                return self._finish(job.entry, "done", "", "")
            except UserError:
                raise
            except Exception as error:
                message = f"{type(error).__name__}: {error}".splitlines()[0]
                return self._finish(job.entry, "failed", message, traceback.format_exc())

    def _finish(self, entry: Entry, status: str, message: str, trace: str) -> str:
        """Records once when a cell was first finished, then how the entry ended."""
        key = entry.cell.key
        if status == "done" and self.store.read_record(key, "finished") is None:
            self.store.write_record(key, "finished", {"unix_s": time.time()})
        record = {"status": status, "message": message, "traceback": trace}
        self.store.write_record(key, entry.status_kind, record)
        return status

    def _generate(self, job: Job, progress: Progress) -> None:
        entry, size = job.entry, job.settings.batch_size
        for start, stop in self.store.missing(entry.cell.key, "images", entry.samples):
            for first in range(start, stop, size):
                last = min(first + size, stop)
                images = self._images(job, first, last)
                self.store.write(entry.cell.key, "images", first, {"images": images})
                progress(last - first)
        if any(self.store.read_record(entry.cell.key, kind) is None for kind in _COUNTED):
            self._images(job, 0, 1)  # a record was lost: one sample counts as well as many

    def _flat_images(self, job: Job) -> int:
        """How many of the images show nothing; counted once. In closed form a flat image can be
        right: data of one mean, or what too few steps make of them. Random weights show nothing."""
        if job.settings.model.path.startswith(CLOSED_FORM) or job.entry.cell.is_random:
            return 0
        key, samples = job.entry.cell.key, job.entry.samples
        record = self.store.read_record(key, "flat")
        if record is None or record["samples"] != samples:
            size = job.settings.batch_size
            ranges = [(first, min(first + size, samples)) for first in range(0, samples, size)]
            read = (self.store.read(key, "images", stop, start) for start, stop in ranges)
            flat = sum(count_flat(arrays["images"]) for arrays in read)
            record = {"samples": samples, "flat": flat}
            self.store.write_record(key, "flat", record)
        return record["flat"]

    def _images(self, job: Job, first: int, last: int) -> np.ndarray:
        """Images of samples first to last - 1; their cost is recorded if it is not yet."""
        import torch

        from denoisebench.bench.generate.embeddings import remembered_embeddings
        from denoisebench.bench.generate.generate import generate
        from denoisebench.bench.generate.probes import text_encoders_of, watched
        from denoisebench.bench.schedulers.grids import executed_grid

        pipeline, cell = self._pipeline(job), job.entry.cell
        prompts = _prompts(job)[first:last]
        with (
            remembered_embeddings(text_encoders_of(pipeline), self._embeddings),
            watched(pipeline) as stages,
        ):
            given = _inputs(job, first, last), _latents(job)
            images = generate(pipeline, cell, prompts, first, *given)
        if self.store.read_record(cell.key, "cost") is None:
            steps = SCHEDULERS[job.base].steps_of(stages.calls)
            cost = Cost(stages.calls, stages.rows // len(prompts), steps)
            self.store.write_record(cell.key, "cost", asdict(cost))
        if self.store.read_record(cell.key, "grid") is None:
            visited = [float(t.flatten()[0]) for t in map(torch.as_tensor, stages.timesteps)]
            grid = executed_grid(visited, stages.scheduler)
            self.store.write_record(cell.key, "grid", asdict(grid))
        if self.store.read_record(cell.key, "vendor") is None:
            self.store.write_record(cell.key, "vendor", asdict(vendor_default(pipeline)))
        return images

    def _measure_latency(self, job: Job) -> None:
        kind, settings = job.entry.latency, job.settings.latency
        if not kind or self.store.read_record(job.entry.cell.key, kind) is not None:
            return
        from denoisebench.bench.timing.latency import measure_latency

        pipeline = self._pipeline(job)
        self._scorer_of(job).warm_up(measured(job.settings).values())
        prompts = _prompts(job)
        latency = measure_latency(
            pipeline,
            job.entry.cell,
            [prompts[i % len(prompts)] for i in range(settings.batch_size)],
            _inputs(job, 0, settings.batch_size),
            _latents(job),
            warmup_runs=settings.warmup_runs,
            timed_runs=settings.timed_runs,
        )
        self.store.write_record(job.entry.cell.key, kind, asdict(latency))

    def _score(self, job: Job) -> None:
        key, entry = job.entry.cell.key, job.entry
        for name, metric in _scored(job).items():
            complete = not self.store.missing(key, features_kind(metric), entry.samples)
            if not complete or self.store.read_record(key, entry.metrics[name]) is None:
                scorer = self._scorer_of(job)
                scorer.score(entry, metric, job.settings, _prompts(job), partial(self._encode, job))

    def _converge(self, job: Job, trajectory: Job) -> None:
        key, entry = job.entry.cell.key, job.entry
        ended = self.store.read_record(trajectory.entry.cell.key, trajectory.entry.status_kind)
        if ended is None or ended["status"] != "done":
            steps, why = trajectory.settings.steps, ended["message"] if ended else "it is missing"
            raise RuntimeError(f"the reference trajectory of {steps} steps: {why}")
        kinds = [entry.metrics[name] for name in convergence_columns(job.settings)]
        complete = not self.store.missing(key, *_converged(job, trajectory))
        if not complete or any(self.store.read_record(key, kind) is None for kind in kinds):
            self._scorer_of(job).converge(
                entry, trajectory.entry, job.settings, _prompts(job), partial(self._encode, job)
            )

    def _encode(self, job: Job, images: Any) -> Any:
        """Latents of images, by the model's own VAE."""
        from denoisebench.bench.generate.generate import encode

        return encode(self._pipeline(job), images)

    def _scorer_of(self, job: Job) -> Any:
        from denoisebench.bench.score.scorer import Scorer

        if self._scorer is None:
            self._scorer = Scorer(self.store, device_of(job.settings.device))
        return self._scorer

    def _pipeline(self, job: Job) -> Any:
        """The one that does the job's task; all of a model share its modules."""
        from denoisebench.bench.inputs.tasks import task_pipeline

        model = (job.model, job.settings.model.dtype)
        key = (*model, job.entry.cell.task)
        if key not in self._pipelines:
            if model not in self._pipelines:
                self._load(job, model)
            self._pipelines[key] = task_pipeline(self._pipelines[model], job.entry.cell.task)
        return self._pipelines[key]

    def _load(self, job: Job, key: tuple) -> None:
        from denoisebench.bench.models.load import load_pipeline

        self._pipelines.clear()  # jobs come grouped by model: one at a time in memory
        self._embeddings.clear()
        gc.collect()
        _use_threads(job.settings.threads)
        device = device_of(job.settings.device)
        dtype = job.settings.model.dtype
        pipeline = load_pipeline(job.model.source, dtype, device, job.model.loading)
        _warn_of_long_prompts(job.settings.model, pipeline, _prompts(job))
        self._pipelines[key] = pipeline


def _converged(job: Job, trajectory: Job) -> tuple[str, int]:
    """Kind of the shards that tell how close the samples are to their trajectory, and how many."""
    return converged_kind(job.settings, trajectory.entry.cell), trajectory.entry.samples


def _scored(job: Job) -> dict[str, Metric]:
    """What the entry asks for of all that its settings would measure of its images."""
    found = measured(job.settings).items()
    return {name: metric for name, metric in found if name in job.entry.metrics}


def _inputs(job: Job, first: int, last: int) -> Inputs | None:
    return load_inputs(job.settings, first, last) if job.entry.cell.inputs else None


def _prompts(job: Job) -> tuple[str, ...]:
    return load_prompts(**job.settings.prompts.source, samples=job.entry.samples)


def _latents(job: Job) -> np.ndarray | None:
    path = job.settings.latents
    return given_latents(path) if path else None


def _warn_of_long_prompts(settings: ModelSettings, pipeline: Any, prompts: Sequence[str]) -> None:
    """Text encoders ignore what exceeds their context, and diffusers' own warning is silenced."""
    parts = sorted(pipeline.components.items())
    tokenizers = [part for name, part in parts if name.startswith("tokenizer") and part is not None]
    if not tokenizers:
        return
    limits = [(_tokens_read(each, settings, pipeline), each) for each in tokenizers]
    most, widest = max(limits, key=lambda pair: pair[0])
    cut = sum(len(tokens) > most for tokens in widest(list(prompts)).input_ids)
    if cut:
        _log.warning(
            "%d of %d prompts exceed the %d tokens that %s reads: what follows is ignored",
            cut,
            len(prompts),
            most,
            settings.name,
        )


def _tokens_read(tokenizer: Any, settings: ModelSettings, pipeline: Any) -> int:
    """The pipeline's own limit holds for all encoders but CLIP, whose context is its own."""
    if type(tokenizer).__name__.startswith("CLIP"):
        return tokenizer.model_max_length
    limit = inspect.signature(pipeline.__call__).parameters.get("max_sequence_length")
    asked = settings.call.get("max_sequence_length", limit.default if limit else None)
    return min(tokenizer.model_max_length, asked or tokenizer.model_max_length)


def _use_threads(threads: int) -> None:
    import torch

    if threads:
        torch.set_num_threads(threads)


def _told(job: Job, flat: int) -> str:
    said = (
        f"{flat} of {job.entry.samples} images are black, of one colour or not finite: not scored"
    )
    return said + overflow_hint(job.entry.cell.dtype)
