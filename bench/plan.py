"""From composed configs to a checked plan: every problem is found before anything loads."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import yaml

from denoisebench.bench.convergence import with_convergence
from denoisebench.bench.errors import UserError, nearest
from denoisebench.bench.fits import expected_nfe, unfit, unsupported
from denoisebench.bench.inputs.images import inputs_identity
from denoisebench.bench.inputs.latents import check_latents
from denoisebench.bench.inputs.prompts import load_prompts, prompts_identity
from denoisebench.bench.inputs.tasks import WITH_INPUTS
from denoisebench.bench.job import Job, guidance_of, scheduler_config
from denoisebench.bench.models.load import FoundModel, find_model
from denoisebench.bench.notices import notices
from denoisebench.bench.paths import CLOSED_FORM, conf_group, content_hash, resolve
from denoisebench.bench.race import check_race, is_race, race_notices
from denoisebench.bench.records.cell import Cell, Entry
from denoisebench.bench.records.run import Mark
from denoisebench.bench.remarks import marks_of
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.flags import Choice, asked, chosen, flag_problems
from denoisebench.bench.score.kinds import estimate_kinds, latency_kind
from denoisebench.bench.score.references import check_compared_images, check_reference
from denoisebench.bench.settings.job import Settings, check_settings
from denoisebench.bench.shapes.language import asked_for

GENERATION = 2  # raise it when images come out differently: stored ones are then made anew
# What a sweep has one of; all else may be a list.
_SHARED = (
    *("metrics", "latency", "margins", "sampling", "claims", "tracking", "runs", "run", "store"),
    *("dry_run", "device", "threads", "batch_size", "latents"),
)


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


def device_of(settings: Settings) -> str:
    """The device kind that `auto` means here. Raises UserError when cuda is asked for in vain."""
    if settings.device == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if settings.device == "cuda":
        raise UserError("device=cuda: torch sees no CUDA device here; use device=cpu")
    return "cpu"


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


def _misfits(grid: Sequence[Job], jobs: Sequence[Job]) -> Iterator[str]:
    """Reasons of cells that cannot be run and are not just a corner of the grid: their scheduler,
    one of its flags, their model, grid or number of steps fits nowhere."""
    fitting = {value for job in jobs for value in _axes(job)}
    for job in grid:
        if not _axes(job) <= fitting:
            yield from job.entry.unsupported.splitlines()


def _axes(job: Job) -> set[tuple[str, object]]:
    cell, scheduler = job.entry.cell, job.settings.scheduler
    own = {name: getattr(cell, name) for name in ("model", "steps", "grid", "task", "strength")}
    own |= {"scheduler": scheduler.name, "guidance": job.settings.guidance}
    return {*own.items(), *((f"flag {name}", value) for name, value in scheduler.flags.items())}


def _idle_margins(grid: Sequence[Job]) -> Iterator[str]:
    """Margins of no metric that is measured: misspelt ones, for which that of a family would decide
    in silence. The files of conf/margins name more metrics than a sweep has."""
    measured = sorted({metric for job in grid for metric in job.entry.metrics})
    given = dict.fromkeys(name for job in grid for name in job.settings.margins.gating)
    if not measured:  # nothing is decided then
        return
    for name in given:
        if name in _ready_made() or any(f"{one}_".startswith(f"{name}_") for one in measured):
            continue
        near = nearest(name, measured)
        cure = f"; {near}" if near.startswith("did") else ""
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


def _distinct(jobs: Sequence[Job]) -> list[Job]:
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


def _renamed(jobs: Sequence[Job]) -> Iterator[str]:
    """Cells that are another one under a second name: they are run once, and that is said."""
    names = {_work(job): job.entry.cell.scheduler for job in _distinct(jobs)}
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for job in jobs:
        own, name = asked(job.settings.scheduler).name, names[_work(job)]
        if own != name:
            cell = job.entry.cell
            grid = "" if cell.grid == "native" else f" with grid={cell.grid}"
            found[own, name][f"{cell.model}{grid}"] = None
    for (own, name), where in found.items():
        yield f"{own} is {name} on {', '.join(where)}: one cell, under that name"


def _conflicts(jobs: Sequence[Job]) -> Iterator[str]:
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


def _entry(settings: Settings, found: FoundModel, choice: Choice) -> Entry:
    device = device_of(settings)
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
        guidance=guidance.weight,
        seed=settings.seed,
        prompts=prompts.label,
        prompts_hash=prompts_identity(**prompts.source),
        height=model.height,
        width=model.width,
        dtype=model.dtype,
        engine=_engine(settings, device),
        call=json.dumps(model.call, sort_keys=True) if model.call else "",
        guidance_form=guidance.form,
        guidance_rescale=guidance.rescale,
        guidance_interval=json.dumps(guidance.interval) if guidance.interval else "",
        negative_prompt=guidance.negative_prompt,
        strength=settings.strength if with_inputs else 1.0,
        inputs=inputs_identity(settings),
        latents=content_hash(resolve(settings.latents)) if settings.latents else "",
        grid=settings.grid,
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
