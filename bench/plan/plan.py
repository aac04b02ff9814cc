"""From composed configs to a checked plan: every problem is found before anything loads."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.images import InputSet, input_set
from denoisebench.bench.inputs.latents import check_latents
from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.machine import device_of
from denoisebench.bench.models.hub import NotHere
from denoisebench.bench.models.load import FoundModel, find_model
from denoisebench.bench.paths import CLOSED_FORM, content_hash, resolve
from denoisebench.bench.paths.place import Address
from denoisebench.bench.plan.completed import completed
from denoisebench.bench.plan.execution import (
    decides_by_batch,
    engine_of,
    idle_cache_options,
    same_fields,
)
from denoisebench.bench.plan.fits import expected_nfe, unfit
from denoisebench.bench.plan.job import Job, Machine
from denoisebench.bench.plan.measures import asked_metrics, check_measures, left_out
from denoisebench.bench.plan.notices import curve_notes_of, notices
from denoisebench.bench.plan.options import own_and_options
from denoisebench.bench.plan.own_scheduler import with_own_class
from denoisebench.bench.plan.race import RaceRules, check_race, race_notices, race_rules
from denoisebench.bench.plan.training import cell_problems
from denoisebench.bench.plan.trajectory import with_convergence
from denoisebench.bench.plan.wanted import fetch_command
from denoisebench.bench.plan.whole import (
    check_workers,
    conflicts,
    distinct,
    idle_margins,
    misfits,
    renamed,
)
from denoisebench.bench.records.cell import Cell, Entry, kept
from denoisebench.bench.records.guidance import guidance_of
from denoisebench.bench.records.run import SAMPLES_SHOWN, CurveNote
from denoisebench.bench.schedulers.catalogue import spec_of
from denoisebench.bench.schedulers.flags import FlaggedScheduler, asked, chosen
from denoisebench.bench.schedulers.grids import grid_flags
from denoisebench.bench.score.metric import Metric
from denoisebench.bench.score.registry import measured
from denoisebench.bench.settings.budget import Budget
from denoisebench.bench.settings.job import (
    ClaimsSettings,
    RaySettings,
    Settings,
    SlurmSettings,
    TrackingSettings,
    check_settings,
)
from denoisebench.bench.tracking.trackers import check_installed


@dataclass(frozen=True)
class Plan:
    """A sweep: its jobs, those of one model next to each other, and where it is kept."""

    jobs: list[Job]
    entries: list[Entry]  # of the jobs, and of the cells of the grid that cannot be run
    run_folder: Path
    store_root: Address
    race: RaceRules | None  # None: every cell gets all its samples
    margins: dict[str, dict[str, float | None]]  # declared losses, by metric
    claims: dict[str, Any]  # parts in them; empty when none is tested
    budget: Budget | None  # at which its best cells are chosen too
    config: list[dict[str, Any]]  # settings of every job, as JSON holds them
    tracking: TrackingSettings
    is_dry_run: bool
    workers: int | None  # processes that share the work; None: the sweep's own does it
    launcher: str  # where they are started: here, slurm or ray
    slurm: SlurmSettings
    ray: RaySettings
    warnings: list[str]  # known defects of schedulers that its cells hit, and equal cells
    curve_notes: list[CurveNote]  # the same defects, by curve


def plan_sweep(configs: Iterable[dict[str, Any]], known_problems: Iterable[str] = ()) -> Plan:
    """Raises UserError that lists every problem of the grid, one a line."""
    problems = dict.fromkeys(known_problems)  # in order, each once
    if problems:  # names that there are not: what they were to fit with cannot be judged
        more = chain.from_iterable(check_settings(config)[1] for config in configs)
        raise UserError("\n".join(problems | dict.fromkeys(more)))
    grid = []
    finder = _Models()
    for config in configs:
        job, reasons = _job(config, finder)
        problems |= dict.fromkeys(reasons)
        if job:
            grid.append(job)
    jobs = [job for job in grid if not job.entry.unsupported]
    if not problems:  # else part of what is measured may be unknown
        problems |= dict.fromkeys(idle_margins(grid))
    problems |= dict.fromkeys(misfits(grid, jobs))
    problems |= dict.fromkeys(idle_cache_options(grid))
    problems |= dict.fromkeys(conflicts(jobs))
    if problems:
        raise UserError("\n".join(problems))
    second_names = list(renamed(jobs))
    jobs, grid = _grouped(distinct(jobs)), _grouped(distinct(grid))
    settings = jobs[0].settings
    check_workers(jobs)
    check_installed(settings.tracking)
    race = race_rules(settings) if settings.sampling.name == "race" else None
    if race:
        check_race(jobs, race)
    models = dict.fromkeys(job.entry.cell.model for job in jobs)
    folder = Path(settings.runs) / (settings.run or "+".join(models))
    return Plan(
        jobs=jobs,
        entries=[job.entry for job in grid],
        run_folder=folder,
        store_root=settings.store or folder,
        race=race,
        margins=settings.margins.model_dump()["gating"],
        claims=_parts(settings.claims),
        budget=settings.spending,
        config=[job.settings.model_dump(mode="json") for job in jobs],
        tracking=settings.tracking,
        is_dry_run=settings.dry_run,
        workers=settings.workers,
        launcher=settings.launcher,
        slurm=settings.slurm,
        ray=settings.ray,
        warnings=[*notices(jobs), *second_names, *(race_notices(jobs, race) if race else ())],
        curve_notes=curve_notes_of(jobs),
    )


class _Models:
    """The models of a grid, each looked for once."""

    def __init__(self) -> None:
        self._found: dict[str, FoundModel] = {}

    def find(self, settings: Settings) -> FoundModel:
        """Raises UserError as find_model does; the cure of files that the hub has is a command that
        gets all that the job wants."""
        key = settings.model.model_dump_json()
        if key not in self._found:
            try:
                self._found[key] = find_model(settings.model)
            except NotHere as error:
                raise error.cured_by(fetch_command(settings)) from error
        return self._found[key]


def _parts(claims: ClaimsSettings | None) -> dict[str, Any]:
    """Parts in claims that the run tests itself: a second run serves those of another."""
    return claims.model_dump() if claims and not claims.second else {}


def _job(config: dict[str, Any], models: _Models) -> tuple[Job | None, list[str]]:
    settings, problems = check_settings(config)
    if settings is None:
        return None, problems
    try:
        settings = with_own_class(settings)
    except UserError as error:
        return None, str(error).splitlines()
    problems = list(unfit(settings))
    try:
        model = models.find(settings)
        settings = completed(settings, model)
        problems = list(unfit(settings))
        reasons = [] if problems else cell_problems(model, settings)
        # Of a cell that cannot be run nothing is measured: what that lacks is no matter.
        metrics = {} if reasons else _checked_metrics(settings, model)
        absent = {} if reasons else left_out(settings)
        if problems:
            return None, problems
        config = json.loads(model.scheduler_config)
        scheduler = asked(settings.scheduler) if reasons else chosen(settings.scheduler, config)
        job = _measured(settings, model, scheduler, asked_for=metrics)
        refused = "\n".join(reason.text for reason in reasons)
        job = replace(
            job,
            reasons=tuple(reasons),
            entry=replace(job.entry, unsupported=refused),
            unmeasured=(*absent.values(), *job.unmeasured),
        )
        return (with_convergence(job) if settings.metrics.convergence else job), []
    except UserError as error:
        return None, [*problems, *str(error).splitlines()]


def _checked_metrics(settings: Settings, model: FoundModel) -> dict[str, Metric]:
    """What a cell is measured by. Raises UserError for what cannot be measured or started from."""
    metrics = asked_metrics(settings)
    check_measures(settings, metrics)
    if settings.latents:
        width, height = settings.model.size
        check_latents(settings.latents, model, height=height, width=width)
    return metrics


def _measured(
    settings: Settings,
    model: FoundModel,
    scheduler: FlaggedScheduler,
    *,
    asked_for: dict[str, Metric],
) -> Job:
    """The job of one config, with what is measured of its own images."""
    nfe = expected_nfe(model, settings)
    guidance = guidance_of(settings, model.guidance_form)
    passes, effective = guidance.passes, guidance.settled().fields()
    machine = Machine(device_of(settings.device), settings.threads, settings.batch_size)
    prompts = PromptSet.of(settings.prompts)
    inputs = input_set(settings, prompts)
    made_of = {"prompts_hash": prompts.identity(), **effective}  # a bad file is found here
    engine = engine_of(settings, machine)
    cell = _cell(settings, model, scheduler, made_of=made_of, inputs=inputs, engine=engine)
    may_be_flat = settings.model.path.startswith(CLOSED_FORM) or cell.is_random
    laid = {**cell.flags, **grid_flags(cell.scheduler_class, cell.flags, cell.grid)}
    metrics, lacks = measured(asked_for, optional=settings.metrics.optional)
    measured_of = {} if cell.is_random else metrics  # random weights show nothing
    kinds = {name: metric.estimate_kind(settings.samples) for name, metric in measured_of.items()}
    return Job(
        settings=settings,
        entry=_entry(settings, cell, kinds, machine=machine),
        model=model,
        guidance=guidance,
        expected_nfe=nfe,
        expected_passes=nfe * passes,
        base=scheduler.base,
        scheduler_config={**json.loads(model.scheduler_config), **laid},
        prompts=prompts,
        inputs=inputs,
        latents=settings.latents,
        metrics=metrics,
        machine=machine,
        latency=settings.latency,
        may_be_flat=may_be_flat,
        pictures=settings.images,
        one_by_one=decides_by_batch(settings),
        margins=settings.margins.model_dump()["gating"],
        unmeasured=tuple(lacks),
    )


def _entry(settings: Settings, cell: Cell, kinds: dict[str, str], *, machine: Machine) -> Entry:
    latency = _latency_kind(settings, machine)
    if cell.is_random:  # one sample, to count evaluations and see the grid
        return Entry(cell, 1, kinds, latency)
    return Entry(
        cell,
        settings.samples,
        kinds,
        latency,
        asked_guidance=settings.guidance if settings.guidance != cell.guidance else None,
        scheduler_family=spec_of(settings.scheduler.of).family,
    )


def _latency_kind(settings: Settings, machine: Machine) -> str:
    """Empty when latency is not measured."""
    if not settings.latency.timed_runs:
        return ""
    from denoisebench.bench.timing.latency import latency_kind  # loads torch

    return latency_kind(settings.latency.model_dump(), machine.threads, machine.device)


def _cell(
    settings: Settings,
    files: FoundModel,
    scheduler: FlaggedScheduler,
    *,
    made_of: Mapping[str, Any],
    inputs: InputSet | None,
    engine: str,
) -> Cell:
    model, prompts = settings.model, settings.prompts
    own, options = own_and_options(model, files.pipeline_class)
    used = max(settings.samples, settings.latency.batch_size, SAMPLES_SHOWN)  # input files, at most
    return Cell(
        model=model.name,
        weights=files.weights,
        task=settings.task.name,
        scheduler=scheduler.name,
        scheduler_class=spec_of(scheduler.base).class_name,
        scheduler_flags=json.dumps(scheduler.flags, sort_keys=True),
        prompts=prompts.label,
        height=model.size[1],
        width=model.size[0],
        engine=engine,
        call=kept("call", own),
        options=kept("options", options),
        inputs=inputs.identity(used) if inputs else "",
        latents=content_hash(resolve(settings.latents)) if settings.latents else "",
        **{**same_fields(settings), **made_of},
    )


def _grouped(jobs: list[Job]) -> list[Job]:
    """Jobs that run on one loaded model next to each other, in the order they came."""
    order = {job.load: place for place, job in reversed(list(enumerate(jobs)))}
    return sorted(jobs, key=lambda job: order[job.load])
