"""What fits each job but not the sweep as a whole."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import yaml

from denoisebench.bench.errors import UserError, nearest, suggestion
from denoisebench.bench.paths import CLOSED_FORM, conf_group
from denoisebench.bench.paths.place import is_remote
from denoisebench.bench.plan.instead import Cell, with_cure
from denoisebench.bench.plan.job import Job, in_order
from denoisebench.bench.records.cell import PAIRED, fields_with
from denoisebench.bench.records.names import counted
from denoisebench.bench.schedulers.flags import asked
from denoisebench.bench.schedulers.own import dotted_name, is_own
from denoisebench.bench.schedulers.reason import Reason
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
    "images",
    "dry_run",
    "device",
    "threads",
    "workers",
    "launcher",
    "slurm",
    "ray",
    "batch_size",
    "latents",
)


def misfits(grid: Sequence[Job], jobs: Sequence[Job]) -> Iterator[str]:
    """Why cells cannot be run of which a value, such as the scheduler or a flag, fits nowhere, with
    what to give instead.

    A cell whose values all run in other cells is just a corner of the grid.
    """
    fitting = {value for job in jobs for value in _axes(job)}
    cells: dict[Reason, list[Cell]] = defaultdict(list)
    for job in grid:
        if not _axes(job) <= fitting:
            for reason in job.reasons:
                cells[reason].append((job.model, job.settings))
    for reason, alike in cells.items():
        yield with_cure(reason, alike)


def _axes(job: Job) -> set[tuple[str, object]]:
    scheduler, cell = job.settings.scheduler, job.entry.cell
    values = {name: getattr(cell, name) for name in fields_with(PAIRED)}
    values |= {"scheduler": scheduler.name, "guidance": job.settings.guidance}
    return {*values.items(), *((f"flag {name}", value) for name, value in scheduler.flags.items())}


def idle_margins(grid: Sequence[Job]) -> Iterator[str]:
    """Margins that no measured metric has: misspelt, so that a family's margin would decide in
    silence. Names in the files of conf/margins are no mistakes, as they name more metrics than a
    sweep has."""
    measured = sorted({metric for job in grid for metric in job.entry.metrics})
    given = dict.fromkeys(name for job in grid for name in job.settings.margins.gating)
    if not measured:  # nothing is decided then
        return
    for name in given:
        if name in _ready_made() or any(f"{metric}_".startswith(f"{name}_") for metric in measured):
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
    """The jobs, of several that do the same the first alone."""
    first: dict[tuple[str, int], Job] = {}
    for job in jobs:
        first.setdefault(_work(job), job)
    return list(first.values())


def _work(job: Job) -> tuple[str, int]:
    """What a job does, whatever its scheduler is called."""
    config = json.dumps(job.scheduler_config, sort_keys=True)
    alike = replace(job.entry.cell, scheduler="", scheduler_flags=config)
    return alike.key, job.entry.samples


def renamed(jobs: Sequence[Job]) -> Iterator[str]:
    """A sentence for each scheduler that runs as another one does: their cells are run once."""
    names = {_work(job): job.entry.cell.scheduler for job in distinct(jobs)}
    places: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for job in jobs:
        alias, name = asked(job.settings.scheduler).name, names[_work(job)]
        if alias != name:
            cell = job.entry.cell
            grid = "" if cell.grid == "native" else f" with {cell.grid} grid"
            places[alias, name][f"{cell.model}{grid}"] = None
    for (alias, name), where in places.items():
        yield f"{alias} is {name} on {', '.join(where)}: one cell, under that name"


def conflicts(jobs: Sequence[Job]) -> Iterator[str]:
    """Settings that differ between jobs where a sweep has one, or names that mean two things."""
    for name in _SHARED:
        if len({json.dumps(_shared(job.settings, name)) for job in jobs}) > 1:
            own = _own_metrics_of_all(jobs) if name == "metrics" else ""
            yield own or f"{name}: a sweep has one; run a sweep for each value"
    identities, given = defaultdict(set), defaultdict(set)
    for job in jobs:
        cell = job.entry.cell
        identities["model", cell.model].add(cell.weights)
        identities["prompt set", cell.prompts].add(cell.prompts_hash)
        if cell.inputs:
            given[cell.task, cell.prompts].add(cell.inputs)
        if job.settings.scheduler.class_:
            identities["scheduler", job.base].add(cell.scheduler_class)
        if job.settings.scheduler.base:
            choice = asked(job.settings.scheduler)
            identities["scheduler", choice.name].add(json.dumps([choice.base, choice.flags]))
    for (kind, name), hashes in identities.items():
        if len(hashes) > 1:
            cure = "give each its own name"
            if kind == "scheduler" and all(map(is_own, hashes)):
                cure = _cure_of_classes(sorted(hashes))
            yield f"{kind} {name}: names {len(hashes)} different ones; {cure}"
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


def _cure_of_classes(classes: Sequence[str]) -> str:
    """How classes of the user's own that are called alike run in one sweep."""
    names = {dotted: re.sub(r"\W", "_", dotted) for dotted in map(dotted_name, classes)}
    grids = (f"{{scheduler.class: {of}, scheduler.name: {name}}}" for of, name in names.items())
    return (
        "give each its own scheduler.name, in a file of --config-dir or as a grid: "
        f"'hydra.sweeper.grids=[{', '.join(grids)}]'"
    )


def _own_metrics_of_all(jobs: Sequence[Job]) -> str:
    """What to say of jobs that differ in metrics of the user's own alone; else empty."""
    measured = [job.settings.metrics for job in jobs]
    if len({m.model_copy(update={"own": ()}).model_dump_json() for m in measured}) > 1:
        return ""
    names = dict.fromkeys(own.function for metrics in measured for own in metrics.own)
    return f"metrics.own: a sweep has one list, for all its cells: metrics.own=[{','.join(names)}]"


def check_workers(jobs: Sequence[Job]) -> None:
    """Raises UserError where there are more workers than pieces for them, or none to launch."""
    settings = jobs[0].settings
    if settings.launcher != "here" and not settings.workers:
        raise UserError(f"launcher={settings.launcher}: starts no worker; give workers=N too")
    if settings.launcher != "here" and is_remote(settings.store or ""):
        raise UserError(
            f"launcher={settings.launcher}: starts workers that share a folder; where the store is "
            "a bucket give workers=0, and start `denoisebench work RUN --store=s3://…` by hand"
        )
    pieces = sum(-(-job.entry.samples // job.machine.batch_size) for job in in_order(jobs))
    if settings.workers and settings.workers > pieces:
        raise UserError(
            f"workers={settings.workers}: the work has {counted(pieces, 'piece')}, batches of "
            f"{counted(settings.batch_size, 'sample')} of a cell; give workers={pieces} or fewer"
        )


def _shared(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    plain = value.model_dump() if hasattr(value, "model_dump") else value
    if name == "metrics" and settings.metrics.reference.startswith(CLOSED_FORM):
        plain["reference"] = CLOSED_FORM  # each closed-form model has its own exact statistics
    return plain
