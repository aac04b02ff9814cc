"""What to know of a sweep before it is run: defects that it will meet, options without effect."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from denoisebench.bench.models.files import read_json
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.remarks import warnings_of
from denoisebench.bench.plan.trajectory import left_out as without_convergence
from denoisebench.bench.records.guidance import FORMS
from denoisebench.bench.score.kinds import left_out


def notices(jobs: Sequence[Job]) -> list[str]:
    """A sentence for each thing that a sweep will meet, with the schedulers and steps that do."""
    without = dict.fromkeys(line for job in jobs for line in left_out(job.settings))
    return [
        *warnings_of(jobs),
        *_task_defects(jobs),
        *_vain_options(jobs),
        *without,
        *without_convergence(jobs),
        *_without_weights(jobs),
    ]


def _task_defects(jobs: Sequence[Job]) -> Iterator[str]:
    """Of diffusers 0.42's pipelines that start from an image, as tests/bench/inputs/ shows."""
    lagging = {job.entry.cell.scheduler for job in jobs if _lags(job)}
    if lagging:
        yield (
            f"{', '.join(sorted(lagging))}: below strength 1 its state is a step noisier than the "
            "denoiser is told; use another scheduler"
        )
    shifted = {job.entry.cell.model for job in jobs if _forgets_shift(job)}
    if shifted:
        yield (
            f"{', '.join(sorted(shifted))}: the inpaint pipeline decodes without the VAE's "
            "shift_factor, so colours are off"
        )


def _lags(job: Job) -> bool:
    cell = job.entry.cell
    return bool(cell.inputs) and cell.strength < 1 and cell.scheduler_class == "PNDMScheduler"


def _forgets_shift(job: Job) -> bool:
    if job.entry.cell.task != "inpaint" or "StableDiffusion3" not in job.model.pipeline_class:
        return False
    folder = job.model.loading.config or job.model.source
    return bool(read_json(Path(folder) / "vae" / "config.json", "VAE config").get("shift_factor"))


def _vain_options(jobs: Sequence[Job]) -> Iterator[str]:
    """Options of guidance that have no effect where guidance is no second pass."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for job in jobs:
        asked = job.guidance
        if FORMS[asked.form].off is None:
            for option in asked.left_out():
                found[option, asked.form].add(job.settings.model.name)
    for (option, form), models in found.items():
        yield f"{', '.join(sorted(models))}: guidance is {form}, so {option} is left out"


def _without_weights(jobs: Sequence[Job]) -> Iterator[str]:
    names = sorted({job.entry.cell.model for job in jobs if job.entry.cell.is_random})
    if names:
        yield f"{', '.join(names)}: random weights, for latency alone; quality is not measured"
