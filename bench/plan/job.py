"""One cell of a sweep with all that is needed to run and score it."""

import json
from dataclasses import dataclass

from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.records.cell import STEERING, Entry
from denoisebench.bench.records.guidance import Guidance
from denoisebench.bench.schedulers.grids import grid_flags
from denoisebench.bench.settings.job import Settings


@dataclass(frozen=True)
class Job:
    """One cell with all that is needed to run and score it."""

    settings: Settings
    entry: Entry
    model: FoundModel
    expected_nfe: int
    base: str  # name in the catalogue of its scheduler, without flags
    trajectory: "Job | None" = None  # what convergence is measured against, see convergence.py

    @property
    def expected_passes(self) -> int:
        """Samples through the denoiser per image, at most: an interval guides only some steps."""
        return self.expected_nfe * self.guidance.passes

    @property
    def guidance(self) -> Guidance:
        return guidance_of(self.model, self.settings)


def guidance_of(model: FoundModel, settings: Settings) -> Guidance:
    """As asked for, in the model's form."""
    return Guidance(
        settings.model.guidance_form or model.guidance_form,
        settings.guidance,
        settings.negative_prompt,
        {name: getattr(settings, name) for name in STEERING},
    )


def scheduler_config(job: Job) -> dict:
    """The model's own with all that is laid over it."""
    cell = job.entry.cell
    laid = {**cell.flags, **grid_flags(cell.scheduler_class, cell.flags, cell.grid)}
    return {**json.loads(job.model.scheduler_config), **laid}
