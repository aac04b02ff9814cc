"""One cell of a sweep with all that is needed to run and score it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from denoisebench.bench.inputs.images import InputSet
from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.records.cell import BATCHES, LOADS, Entry, fields_with
from denoisebench.bench.records.guidance import Guidance
from denoisebench.bench.records.packing import Format
from denoisebench.bench.schedulers.reason import Reason
from denoisebench.bench.score.metric import Metric
from denoisebench.bench.settings.job import LatencySettings, Settings


@dataclass(frozen=True)
class Machine:
    """What a job runs on, and how."""

    device: str  # "cpu", "cuda" or "mps"
    threads: int  # of the CPU; 0 leaves torch's choice
    batch_size: int  # images generated at once in the quality pass

    @property
    def scoring_device(self) -> str:
        """Where metrics are computed: in double precision, which GPUs of Apple's lack."""
        return "cpu" if self.device == "mps" else self.device


@dataclass(frozen=True)
class Job:
    """One cell with all that is needed to run and score it.

    Its settings are the plan's alone: what runs a job reads the plain values beside them.
    """

    settings: Settings
    entry: Entry
    model: FoundModel
    guidance: Guidance  # as asked for
    expected_nfe: int
    expected_passes: int  # through the denoiser per image, at most: an interval guides some steps
    base: str  # name in the catalogue of its scheduler, without flags
    scheduler_config: dict[str, Any]  # the model's own with all that is laid over it
    prompts: PromptSet
    inputs: InputSet | None  # of img2img and inpaint
    latents: str | None  # file of the noise that all samples start from; None: each its own
    metrics: dict[str, Metric]  # by column: what is measured of its images
    machine: Machine
    latency: LatencySettings
    # In closed form a flat image can be right: data of one mean, or what too few steps make of
    # them. Random weights show nothing.
    may_be_flat: bool
    pictures: Format  # how the store keeps its images
    margins: dict[str, dict[str, float | None]]  # declared losses, by metric
    unmeasured: tuple[str, ...]  # a sentence for each metric that this machine cannot measure
    reasons: tuple[Reason, ...] = ()  # why it cannot be run
    one_by_one: bool = False  # images: its cache would decide for a batch by all of it
    trajectory: "Job | None" = None  # what convergence is measured against, see trajectory.py
    convergence: dict[str, Metric] = field(default_factory=dict)  # to it, by column

    @property
    def load(self) -> tuple[object, ...]:
        """What jobs share that run on one loaded model."""
        return self.model, *(getattr(self.entry.cell, name) for name in fields_with(LOADS))

    @property
    def depends_on_batch(self) -> bool:
        """Whether an image depends on those it is made with, so that its key names their number."""
        return BATCHES in self.entry.cell.engine and not self.one_by_one

    def units(self, samples: int) -> int:
        """Different prompts of the first samples, or input images where fewer of those differ."""
        inputs = self.inputs.names(samples) if self.inputs else None
        sources = self.prompts.first(samples), inputs or range(samples)
        return min(len({*names}) for names in sources)


def resampled(job: Job, samples: int, *, first: int = 0, columns: Collection[str] = ()) -> Job:
    """The job with other samples, scored from the first on, of which no convergence is measured;
    columns: the metrics that are kept, all for none."""
    kinds = {
        column: metric.estimate_kind(samples, first)
        for column, metric in job.metrics.items()
        if column in (columns or job.metrics)
    }
    entry = replace(job.entry, samples=samples, first=first, metrics=kinds)
    settings = job.settings.model_copy(update={"samples": samples})
    return replace(job, settings=settings, entry=entry, trajectory=None, convergence={})


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Jobs in the order they are run: each reference trajectory once, before cells that need it."""
    distinct: dict[tuple[str, str], Job] = {}
    for job in jobs:
        for part in (job.trajectory, job):
            if part:
                distinct.setdefault((part.entry.cell.key, part.entry.status_kind), part)
    return list(distinct.values())
