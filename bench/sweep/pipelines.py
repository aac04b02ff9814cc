"""The pipelines of one process: one model in memory at a time, its tasks sharing its modules."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from denoisebench.bench.plan.job import Job

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Pipelines:
    """Loads what a job runs on; everything heavy is imported when it is first needed."""

    _pipelines: dict[tuple[object, ...], Any] = field(default_factory=dict)
    _embeddings: dict[Any, Any] = field(default_factory=dict)
    _cut: dict[Any, int | None] = field(default_factory=dict)  # prompts that are read in part

    def of(self, job: Job) -> Any:
        """The pipeline that does the job's task."""
        from denoisebench.bench.inputs.tasks import task_pipeline

        cell, model = job.entry.cell, job.load
        if (*model, cell.task) not in self._pipelines:
            if model not in self._pipelines:
                self._load(job, model)
            self._pipelines[*model, cell.task] = task_pipeline(self._pipelines[model], cell.task)
        return self._pipelines[*model, cell.task]

    def cut_prompts(self, job: Job) -> int | None:
        """Prompts of a job whose end has no effect on its images, None where that is not known;
        said once of each set of them."""
        from denoisebench.bench.models.tokens import read_in_part

        cell, samples = job.entry.cell, job.entry.samples
        key = (job.model, job.prompts, samples, cell.call, cell.options)
        if key not in self._cut:
            prompts = job.prompts.first(samples)
            cut, tokens = read_in_part(job.model, prompts, cell.arguments) or (None, 0)
            self._cut[key] = cut
            if cut:
                _log.warning(
                    "%d of %d prompts are longer than the %d tokens that %s reads: their ends have "
                    "no effect",
                    cut,
                    samples,
                    tokens,
                    cell.model,
                )
        return self._cut[key]

    def encode(self, job: Job, images: Any) -> Any:
        """Latents of images, by the model's own VAE."""
        from denoisebench.bench.generate.generate import encode

        return encode(self.of(job), images)

    @contextmanager
    def watched(self, job: Job) -> Iterator[tuple[Any, Any]]:
        """The pipeline and the stages that its hooks see; within, prompts are embedded once."""
        from denoisebench.bench.generate.probes import (
            remembered_embeddings,
            text_encoders_of,
            watched,
        )

        pipeline = self.of(job)
        with (
            remembered_embeddings(text_encoders_of(pipeline), self._embeddings),
            watched(pipeline) as stages,
        ):
            yield pipeline, stages

    def _load(self, job: Job, key: tuple[object, ...]) -> None:
        from denoisebench.bench.generate.compiled import compile_denoiser, forget_compiled
        from denoisebench.bench.models.denoiser import denoiser_of
        from denoisebench.bench.models.load import load_pipeline
        from denoisebench.bench.models.quantised import quantise

        self._pipelines.clear()  # jobs come grouped by model: one at a time in memory
        self._embeddings.clear()
        forget_compiled()
        gc.collect()
        cell = job.entry.cell
        number_format, _, quantiser = cell.dtype.partition("+")
        pipeline = load_pipeline(
            job.model.source, number_format, job.machine.device, loading=job.model.loading
        )
        if quantiser:
            quantise(denoiser_of(pipeline), quantiser)
        if cell.compile != "off":
            compile_denoiser(pipeline, cell.compile)
        self._pipelines[key] = pipeline
