"""From composed configs to a checked plan: every problem is found before anything loads."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path

from bench.cell import Cell, Entry
from bench.errors import UserError, nearest
from bench.flags import Choice, asked, chosen, flag_problems
from bench.grids import can_match, grid_flags
from bench.kinds import RENDERS, estimate_kind, latency_kind
from bench.models import FoundModel, find_model
from bench.paths import CLOSED_FORM
from bench.prompts import CLOSED_FORM_PROMPTS, UNCONDITIONAL, load_prompts, prompts_identity
from bench.references import check_reference
from bench.remarks import Driven, marks_of, warnings_of
from bench.run import Mark
from bench.schedulers import CLASSES, SCHEDULERS
from bench.settings import Settings, check_settings

GENERATION = 1  # raise it when images come out differently: stored ones are then made anew
# What a sweep has one of; all else may be a list.
_SHARED = (
    *("metrics", "latency", "tracking", "runs", "run", "store"),
    *("dry_run", "device", "threads", "batch_size"),
)


@dataclass(frozen=True)
class Job:
    """One cell with all that is needed to run and score it."""

    settings: Settings
    entry: Entry
    model: FoundModel
    expected_nfe: int
    base: str  # name in the catalogue of its scheduler, without flags

    @property
    def expected_passes(self) -> int:
        """Samples through the denoiser per image: guidance doubles them, but for distilled models,
        which take it as an input."""
        guided = self.settings.guidance > 1 and not self.model.distilled
        return self.expected_nfe * (2 if guided else 1)


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
    problems |= dict.fromkeys(_misfits(grid, jobs))
    problems |= dict.fromkeys(_conflicts(jobs))
    if problems:
        raise UserError("\n".join(problems))
    renamed = list(_renamed(jobs))
    jobs, grid = _grouped(_distinct(jobs)), _grouped(_distinct(grid))
    settings = jobs[0].settings
    driven = [Driven(job.entry.cell, job.base, _scheduler_config(job)) for job in jobs]
    models = dict.fromkeys(job.entry.cell.model for job in jobs)
    folder = Path(settings.runs) / (settings.run or "+".join(models))
    store = Path(settings.store) if settings.store else folder
    told = [*warnings_of(driven), *renamed]
    return Plan(jobs, [job.entry for job in grid], folder, store, settings, told, marks_of(driven))


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
    problems = list(_unfit(settings))
    try:
        model = find_model(settings.model.name, settings.model.path)
        check_reference(settings.metrics)
        if problems:
            return None, problems
        choice, reasons = _choice(settings, model)
        entry = replace(_entry(settings, model, choice), unsupported="\n".join(reasons))
    except UserError as error:
        return None, [*problems, *str(error).splitlines()]
    expected_nfe = SCHEDULERS[choice.base].expected_nfe(settings.steps)
    return Job(settings, entry, model, expected_nfe, choice.base), []


def _choice(settings: Settings, model: FoundModel) -> tuple[Choice, list[str]]:
    """The scheduler to run, or the one asked for and why it cannot be run."""
    scheduler, config = settings.scheduler, json.loads(model.scheduler_config)
    reasons = list(_unsupported(model, settings)) or list(
        flag_problems(scheduler, config, settings.steps, settings.grid)
    )
    return (asked(scheduler) if reasons else chosen(scheduler, config)), reasons


def _unfit(settings: Settings) -> Iterator[str]:
    """Values that are valid alone but not together."""
    scheduler, model, metrics = settings.scheduler, settings.model, settings.metrics
    if scheduler.of not in SCHEDULERS:
        what = "scheduler.base" if scheduler.base else "scheduler"
        yield f"{what}={scheduler.of}: unknown; {nearest(scheduler.of, SCHEDULERS)}"
    if scheduler.base and scheduler.name in SCHEDULERS:
        yield f"scheduler.name={scheduler.name}: is in the catalogue; give yours another name"
    small = metrics.reference == RENDERS or any(m.kind == "attributes" for m in metrics.frechet)
    if small and (model.width, model.height) != (32, 32):
        yield (
            f"metrics={metrics.name}: is for images of 32x32 and {model.name} makes "
            f"{model.width}x{model.height}; choose metrics=standard"
        )
    closed_form = model.path.startswith(CLOSED_FORM)
    if not closed_form and (model.width % 8 or model.height % 8):
        yield f"model.width={model.width}, model.height={model.height}: must be multiples of 8"
    if closed_form != (settings.prompts.path in CLOSED_FORM_PROMPTS):
        yield (
            f"model={model.name}, prompts={settings.prompts.label}: closed-form models take "
            "prompts=components or unconditional, and no others do"
        )
    if closed_form and (model.width, model.height) != (4, 4):
        yield f"model.width={model.width}, model.height={model.height}: {model.name} makes 4x4"
    if model.path == f"{CLOSED_FORM}gaussian" and settings.prompts.path == UNCONDITIONAL:
        yield (
            f"model={model.name}: its data without a component is another Gaussian; use "
            "prompts=components"
        )


def _unsupported(model: FoundModel, settings: Settings) -> Iterator[str]:
    """What this model, scheduler and number of steps cannot do together."""
    limit, name = model.train_timesteps, settings.scheduler.of
    spec, own = SCHEDULERS[name], _kind(model)
    if not spec.serves(settings.steps):
        few = settings.steps < spec.min_steps
        bound = f"at least {spec.min_steps}" if few else f"at most {spec.max_steps}"
        yield (
            f"steps={settings.steps}: scheduler={name} needs {bound}; "
            f"{'raise' if few else 'lower'} steps or leave that scheduler out"
        )
    if settings.steps > limit:
        yield (
            f"steps={settings.steps}: {settings.model.name} was trained on {limit} timesteps; "
            f"ask for {limit} or fewer"
        )
    fit = {n: other for n, other in SCHEDULERS.items() if other.kind == own}
    if spec.kind != own:
        yield (
            f"scheduler={name}: drives {spec.kind} models and {settings.model.name} is a "
            f"{own} model; choose of {', '.join(fit)}"
        )
        return
    predicted = _predicted(model)
    if predicted not in CLASSES[spec.class_name].predicts:
        reading = [n for n in fit if predicted in CLASSES[fit[n].class_name].predicts]
        yield (
            f"scheduler={name}: cannot read prediction_type={predicted} of "
            f"{settings.model.name}; choose of {', '.join(reading)}"
        )
    if settings.grid == "matched" and not can_match(spec):
        matching = ", ".join(n for n in fit if can_match(fit[n]))
        yield (
            f"scheduler={name}: cannot be put on grid=matched; choose of {matching}"
            if matching
            else f"scheduler={name}: cannot be put on grid=matched; use grid=native"
        )


def _kind(model: FoundModel) -> str:
    return f"distilled {model.family}" if model.distilled else model.family


def _predicted(model: FoundModel) -> str:
    if model.family == "flow":
        return "flow_prediction"
    return json.loads(model.scheduler_config).get("prediction_type", "epsilon")


def _misfits(grid: Sequence[Job], jobs: Sequence[Job]) -> Iterator[str]:
    """Reasons of cells that cannot be run and are not just a corner of the grid: their scheduler,
    one of its flags, their model, grid or number of steps fits nowhere."""
    fitting = {value for job in jobs for value in _axes(job)}
    for job in grid:
        if not _axes(job) <= fitting:
            yield from job.entry.unsupported.splitlines()


def _axes(job: Job) -> set[tuple[str, object]]:
    cell, scheduler = job.entry.cell, job.settings.scheduler
    own = {"model": cell.model, "scheduler": scheduler.name, "steps": cell.steps, "grid": cell.grid}
    return {*own.items(), *((f"flag {name}", value) for name, value in scheduler.flags.items())}


def _distinct(jobs: Sequence[Job]) -> list[Job]:
    """The first of those that do the same."""
    found: dict[tuple[str, int], Job] = {}
    for job in jobs:
        found.setdefault(_work(job), job)
    return list(found.values())


def _work(job: Job) -> tuple[str, int]:
    """What a job does, whatever its scheduler is called."""
    config = json.dumps(_scheduler_config(job), sort_keys=True)
    alike = replace(job.entry.cell, scheduler="", scheduler_flags=config)
    return alike.key, job.entry.samples


def _scheduler_config(job: Job) -> dict:
    """The model's own with all that is laid over it."""
    cell = job.entry.cell
    flags = json.loads(cell.scheduler_flags)
    laid = {**flags, **grid_flags(cell.scheduler_class, flags, cell.grid)}
    return {**json.loads(job.model.scheduler_config), **laid}


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
    identities = defaultdict(set)
    for job in jobs:
        cell = job.entry.cell
        identities["model", cell.model].add(cell.weights)
        identities["prompt set", cell.prompts].add(cell.prompts_hash)
        if job.settings.scheduler.base:
            own = asked(job.settings.scheduler)
            identities["scheduler", own.name].add(json.dumps([own.base, own.flags]))
    for (what, name), hashes in identities.items():
        if len(hashes) > 1:
            yield f"{what} {name}: names {len(hashes)} different ones; give each its own name"
    unguided = sorted({job.settings.guidance for job in jobs if job.settings.guidance <= 1})
    if len(unguided) > 1:
        values = ", ".join(f"{value:g}" for value in unguided)
        yield f"guidance={values}: all switch classifier-free guidance off; keep one of them"


def _shared(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    plain = value.model_dump() if hasattr(value, "model_dump") else value
    if name == "metrics" and settings.metrics.reference.startswith(CLOSED_FORM):
        plain["reference"] = CLOSED_FORM  # each closed-form model has its own exact statistics
    return plain


def _entry(settings: Settings, found: FoundModel, choice: Choice) -> Entry:
    device = device_of(settings)
    model, prompts = settings.model, settings.prompts
    load_prompts(prompts.path, prompts.column, settings.samples)  # a bad file is found here
    cell = Cell(
        model=model.name,
        weights=found.weights,
        task=settings.task.name,
        scheduler=choice.name,
        scheduler_class=SCHEDULERS[choice.base].class_name,
        scheduler_flags=json.dumps(choice.flags, sort_keys=True),
        steps=settings.steps,
        guidance=settings.guidance,
        seed=settings.seed,
        prompts=prompts.label,
        prompts_hash=prompts_identity(prompts.path, prompts.column),
        height=model.height,
        width=model.width,
        dtype=model.dtype,
        engine=_engine(settings, device),
        call=json.dumps(model.call, sort_keys=True) if model.call else "",
        grid=settings.grid,
    )
    metrics = {
        name: estimate_kind(metric, settings.metrics, settings.samples)
        for name, metric in settings.metrics.by_metric.items()
    }
    return Entry(cell, settings.samples, metrics, latency_kind(settings, device))


def _engine(settings: Settings, device: str) -> str:
    """What computes an image. Below float32 an image depends on the batch it is in."""
    parts = [f"diffusers {version('diffusers')}", f"torch {version('torch')}", device]
    if settings.model.dtype != "float32":
        parts.append(f"batches of {settings.batch_size}")
    return ", ".join([*parts, f"generation {GENERATION}"])


def _grouped(jobs: list[Job]) -> list[Job]:
    """Jobs of one model and precision next to each other, in the order they came."""
    loads = [(job.model, job.settings.model.dtype) for job in jobs]
    order = {load: place for place, load in reversed(list(enumerate(loads)))}
    return sorted(jobs, key=lambda job: order[job.model, job.settings.model.dtype])
