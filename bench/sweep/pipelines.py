"""The pipelines of one process: one model in memory at a time, its tasks sharing its modules."""

import gc
import inspect
import logging
from collections.abc import Iterator, Sequence
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
    _cut: dict[Any, int] = field(default_factory=dict)  # prompts that are read in part

    def of(self, job: Job) -> Any:
        """The pipeline that does the job's task."""
        from denoisebench.bench.inputs.tasks import task_pipeline

        cell = job.entry.cell
        model = (job.model, cell.dtype)
        if (*model, cell.task) not in self._pipelines:
            if model not in self._pipelines:
                self._load(job, model)
            self._pipelines[*model, cell.task] = task_pipeline(self._pipelines[model], cell.task)
        return self._pipelines[*model, cell.task]

    def cut_prompts(self, job: Job) -> int:
        """Prompts of a job whose end has no effect on its images; said once of each set of them."""
        cell = job.entry.cell
        key = (job.model, job.prompts, job.entry.samples, cell.call, cell.options)
        if key not in self._cut:
            cut, tokens = _read_in_part(job, self.of(job))
            self._cut[key] = cut
            if cut:
                _log.warning(
                    "%d of %d prompts are longer than the %d tokens that %s reads: their ends have "
                    "no effect",
                    cut,
                    job.entry.samples,
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
        import torch

        from denoisebench.bench.models.load import load_pipeline

        self._pipelines.clear()  # jobs come grouped by model: one at a time in memory
        self._embeddings.clear()
        gc.collect()
        if job.machine.threads:
            torch.set_num_threads(job.machine.threads)
        pipeline = load_pipeline(
            job.model.source, job.entry.cell.dtype, job.machine.device, loading=job.model.loading
        )
        self._pipelines[key] = pipeline


def _read_in_part(job: Job, pipeline: Any) -> tuple[int, int]:
    """Prompts whose end no text encoder reads, and the tokens that are read of each: encoders
    ignore what exceeds their context, and diffusers' own warning is silenced."""
    parts = sorted(pipeline.components.items())
    tokenizers = [part for name, part in parts if name.startswith("tokenizer") and part is not None]
    if not tokenizers:
        return 0, 0
    prompts: Sequence[str] = job.prompts.first(job.entry.samples)
    limits = [(_tokens_read(tokenizer, job, pipeline), tokenizer) for tokenizer in tokenizers]
    most, widest = max(limits, key=lambda pair: pair[0])
    return sum(len(tokens) > most for tokens in widest(list(prompts)).input_ids), most


def _tokens_read(tokenizer: Any, job: Job, pipeline: Any) -> int:
    """The pipeline's own limit holds for all encoders but CLIP, whose context is its own."""
    context: int = tokenizer.model_max_length
    if type(tokenizer).__name__.startswith("CLIP"):
        return context
    limit = inspect.signature(pipeline.__call__).parameters.get("max_sequence_length")
    call = job.entry.cell.arguments
    wanted = call.get("max_sequence_length", limit.default if limit else None)
    return min(context, wanted or context)
