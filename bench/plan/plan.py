"""From composed configs to a checked plan: every problem is found before anything loads."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.images import inputs_identity
from denoisebench.bench.inputs.latents import check_latents
from denoisebench.bench.inputs.prompts import load_prompts, prompts_identity
from denoisebench.bench.inputs.tasks import WITH_INPUTS
from denoisebench.bench.machine import device_of
from denoisebench.bench.models.load import FoundModel, find_model
from denoisebench.bench.paths import content_hash, resolve
from denoisebench.bench.plan.fits import expected_nfe, unfit, unsupported
from denoisebench.bench.plan.job import Job, guidance_of
from denoisebench.bench.plan.notices import marks_of, notices
from denoisebench.bench.plan.race import check_race, is_race, race_notices
from denoisebench.bench.plan.trajectory import with_convergence
from denoisebench.bench.plan.whole import _conflicts, _distinct, _idle_margins, _misfits, _renamed
from denoisebench.bench.records.cell import Cell, Entry, kept
from denoisebench.bench.records.run import Mark
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.flags import Choice, asked, chosen, flag_problems
from denoisebench.bench.score.kinds import estimate_kinds, latency_kind
from denoisebench.bench.score.references import check_compared_images, check_reference
from denoisebench.bench.settings.job import Settings, check_settings
from denoisebench.bench.shapes.language import asked_for

GENERATION = 2  # raise it when images come out differently: stored ones are then made anew


@dataclass(frozen=True)
class Plan:
    """A sweep: its jobs, those of one model next to each other, and where it is kept."""

    jobs: list[Job]
    entries: list[Entry]  # of the jobs, and of the cells of the grid that cannot be run
    run_folder: Path
    store_root: Path
    settings: Settings  # of the first job; what a sweep has one of is read from it
    warnings: list[str]  # known defects of schedulers that its cells hit, and equal cells
    marks: list[Mark]  # the same defects, by curve


def plan_sweep(configs: Iterable[dict], known_problems: Iterable[str] = ()) -> Plan:
    """Raises UserError that lists every problem of the grid, one a line."""
    problems = dict.fromkeys(known_problems)  # in order, each once
    if problems:  # names that there are not: what they were to fit with cannot be judged
        more = chain.from_iterable(check_settings(config)[1] for config in configs)
        raise UserError("\n".join(problems | dict.fromkeys(more)))
    grid = []
    for config in configs:
        job, found = _job(config)
        problems |= dict.fromkeys(found)
        if job:
            grid.append(job)
    jobs = [job for job in grid if not job.entry.unsupported]
    if not problems:  # else part of what is measured may be unknown
        problems |= dict.fromkeys(_idle_margins(grid))
    problems |= dict.fromkeys(_misfits(grid, jobs))
    problems |= dict.fromkeys(_conflicts(jobs))
    if problems:
        raise UserError("\n".join(problems))
    renamed = list(_renamed(jobs))
    jobs, grid = _grouped(_distinct(jobs)), _grouped(_distinct(grid))
    raced = is_race(jobs[0].settings)
    if raced:
        check_race(jobs)
    told = [*notices(jobs), *renamed, *(race_notices(jobs) if raced else ())]
    settings = jobs[0].settings
    models = dict.fromkeys(job.entry.cell.model for job in jobs)
    folder = Path(settings.runs) / (settings.run or "+".join(models))
    store = Path(settings.store) if settings.store else folder
    return Plan(jobs, [job.entry for job in grid], folder, store, settings, told, marks_of(jobs))


def _job(config: dict) -> tuple[Job | None, list[str]]:
    settings, problems = check_settings(config)
    if settings is None:
        return None, problems
    problems = list(unfit(settings))
    try:
        model = find_model(settings.model)
        check_reference(settings.metrics)
        check_compared_images(settings)
        if settings.metrics.accuracy:
            asked_for(load_prompts(**settings.prompts.source, samples=settings.samples))
        if settings.latents:
            check_latents(settings.latents, model, settings.model.height, settings.model.width)
        if problems:
            return None, problems
        choice, reasons = _choice(settings, model)
        entry = replace(_entry(settings, model, choice), unsupported="\n".join(reasons))
        job = Job(settings, entry, model, expected_nfe(model, settings), choice.base)
        return with_convergence(job), []
    except UserError as error:
        return None, [*problems, *str(error).splitlines()]


def _choice(settings: Settings, model: FoundModel) -> tuple[Choice, list[str]]:
    """The scheduler to run, or the one asked for and why it cannot be run."""
    scheduler, config = settings.scheduler, json.loads(model.scheduler_config)
    reasons = list(unsupported(model, settings)) or list(
        flag_problems(scheduler, config, settings.steps, settings.grid)
    )
    return (asked(scheduler) if reasons else chosen(scheduler, config)), reasons


def _entry(settings: Settings, found: FoundModel, choice: Choice) -> Entry:
    device = device_of(settings.device)
    model, prompts = settings.model, settings.prompts
    load_prompts(**prompts.source, samples=settings.samples)  # a bad file is found here
    guidance = guidance_of(found, settings).settled()
    with_inputs = settings.task.name in WITH_INPUTS
    cell = Cell(
        model=model.name,
        weights=found.weights,
        task=settings.task.name,
        scheduler=choice.name,
        scheduler_class=SCHEDULERS[choice.base].class_name,
        scheduler_flags=json.dumps(choice.flags, sort_keys=True),
        steps=settings.steps,
        seed=settings.seed,
        prompts=prompts.label,
        prompts_hash=prompts_identity(**prompts.source),
        height=model.height,
        width=model.width,
        dtype=model.dtype,
        engine=_engine(settings, device),
        call=kept("call", model.call),
        strength=settings.strength if with_inputs else 1.0,
        inputs=inputs_identity(settings),
        latents=content_hash(resolve(settings.latents)) if settings.latents else "",
        grid=settings.grid,
        **guidance.fields(),
    )
    if cell.is_random:  # one sample, to count evaluations and see the grid
        return Entry(cell, 1, {}, latency_kind(settings, device))
    asked = settings.guidance if settings.guidance != guidance.weight else None
    kinds = estimate_kinds(settings), latency_kind(settings, device)
    return Entry(cell, settings.samples, *kinds, asked_guidance=asked)


def _engine(settings: Settings, device: str) -> str:
    """What computes an image. Below float32, and on accelerators, which multiply in less, an image
    depends on the batch it is in."""
    parts = [f"diffusers {version('diffusers')}", f"torch {version('torch')}", device]
    if settings.model.dtype != "float32" or device != "cpu":
        parts.append(f"batches of {settings.batch_size}")
    return ", ".join([*parts, f"generation {GENERATION}"])


def _grouped(jobs: list[Job]) -> list[Job]:
    """Jobs of one model and precision next to each other, in the order they came."""
    loads = [(job.model, job.settings.model.dtype) for job in jobs]
    order = {load: place for place, load in reversed(list(enumerate(loads)))}
    return sorted(jobs, key=lambda job: order[job.model, job.settings.model.dtype])
