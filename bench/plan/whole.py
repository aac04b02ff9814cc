"""What fits each job but not the sweep as a whole."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import yaml

from denoisebench.bench.errors import nearest, suggestion
from denoisebench.bench.paths import CLOSED_FORM, conf_group
from denoisebench.bench.plan.job import Job, scheduler_config
from denoisebench.bench.records.cell import fields_with
from denoisebench.bench.records.facts import PAIRED
from denoisebench.bench.schedulers.flags import asked
from denoisebench.bench.settings.job import Settings

# What a sweep has one of; all else may be a list.
_SHARED = (
    "metrics",
    "latency",
    "margins",
    "sampling",
    "claims",
    "tracking",
    "runs",
    "run",
    "store",
    "dry_run",
    "device",
    "threads",
    "batch_size",
    "latents",
)


def misfits(grid: Sequence[Job], jobs: Sequence[Job]) -> Iterator[str]:
    """Reasons of cells that cannot be run and are not just a corner of the grid: their scheduler,
    one of its flags, their model, grid or number of steps fits nowhere."""
    fitting = {value for job in jobs for value in _axes(job)}
    for job in grid:
        if not _axes(job) <= fitting:
            yield from job.entry.unsupported.splitlines()


def _axes(job: Job) -> set[tuple[str, object]]:
    scheduler, cell = job.settings.scheduler, job.entry.cell
    values = {name: getattr(cell, name) for name in fields_with(PAIRED)}
    values |= {"scheduler": scheduler.name, "guidance": job.settings.guidance}
    return {*values.items(), *((f"flag {name}", value) for name, value in scheduler.flags.items())}


def idle_margins(grid: Sequence[Job]) -> Iterator[str]:
    """Margins of no metric that is measured: misspelt ones, for which that of a family would decide
    in silence. The files of conf/margins name more metrics than a sweep has."""
    measured = sorted({metric for job in grid for metric in job.entry.metrics})
    given = dict.fromkeys(name for job in grid for name in job.settings.margins.gating)
    if not measured:  # nothing is decided then
        return
    for name in given:
        if name in _ready_made() or any(f"{one}_".startswith(f"{name}_") for one in measured):
            continue
        cure = f"; {suggestion(name, measured)}" if nearest(name, measured) else ""
        yield (
            f"margins.gating.{name}: no metric of this sweep is called so; it measures "
            f"{', '.join(measured)}{cure}"
        )


@cache
def _ready_made() -> frozenset[str]:
    """Names in the files of conf/margins."""
    options = conf_group("margins").iterdir()
    texts = [option.read_text() for option in options if option.name.endswith(".yaml")]
    return frozenset(name for text in texts for name in yaml.safe_load(text)["gating"])


def distinct(jobs: Sequence[Job]) -> list[Job]:
    """The first of those that do the same."""
    found: dict[tuple[str, int], Job] = {}
    for job in jobs:
        found.setdefault(_work(job), job)
    return list(found.values())


def _work(job: Job) -> tuple[str, int]:
    """What a job does, whatever its scheduler is called."""
    config = json.dumps(scheduler_config(job), sort_keys=True)
    alike = replace(job.entry.cell, scheduler="", scheduler_flags=config)
    return alike.key, job.entry.samples


def renamed(jobs: Sequence[Job]) -> Iterator[str]:
    """Cells that are another one under a second name: they are run once, and that is said."""
    names = {_work(job): job.entry.cell.scheduler for job in distinct(jobs)}
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for job in jobs:
        own, name = asked(job.settings.scheduler).name, names[_work(job)]
        if own != name:
            cell = job.entry.cell
            grid = "" if cell.grid == "native" else f" with grid={cell.grid}"
            found[own, name][f"{cell.model}{grid}"] = None
    for (own, name), where in found.items():
        yield f"{own} is {name} on {', '.join(where)}: one cell, under that name"


def conflicts(jobs: Sequence[Job]) -> Iterator[str]:
    """What fits each job but not the sweep as a whole."""
    for name in _SHARED:
        if len({json.dumps(_shared(job.settings, name)) for job in jobs}) > 1:
            yield f"{name}: a sweep has one; run a sweep for each value"
    identities, given = defaultdict(set), defaultdict(set)
    for job in jobs:
        cell = job.entry.cell
        identities["model", cell.model].add(cell.weights)
        identities["prompt set", cell.prompts].add(cell.prompts_hash)
        if cell.inputs:
            given[cell.task, cell.prompts].add(cell.inputs)
        if job.settings.scheduler.base:
            own = asked(job.settings.scheduler)
            identities["scheduler", own.name].add(json.dumps([own.base, own.flags]))
    for (what, name), hashes in identities.items():
        if len(hashes) > 1:
            yield f"{what} {name}: names {len(hashes)} different ones; give each its own name"
    for (task, prompts), hashes in given.items():
        if len(hashes) > 1:
            yield (
                f"task.images, task.masks: task={task} has one choice of them with prompts="
                f"{prompts}; run a sweep for each"
            )
    strengths = sorted({job.settings.strength for job in jobs} - {1.0})
    if strengths and not any(job.entry.cell.inputs for job in jobs):
        yield (
            f"strength={strengths[0]:g}: task=txt2img starts from noise alone; choose task=img2img "
            "or inpaint, or leave strength out"
        )


def _shared(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    plain = value.model_dump() if hasattr(value, "model_dump") else value
    if name == "metrics" and settings.metrics.reference.startswith(CLOSED_FORM):
        plain["reference"] = CLOSED_FORM  # each closed-form model has its own exact statistics
    return plain
