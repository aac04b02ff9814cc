"""From composed configs to a checked plan: every problem is found before anything loads."""

import difflib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain
from operator import attrgetter
from pathlib import Path

from bench.cell import RANDOM, Cell, Entry
from bench.errors import UserError
from bench.kinds import RENDERS, estimate_kind, latency_kind
from bench.known_defects import Known, known_defects, warnings_for
from bench.latents import check_latents
from bench.models import FoundModel, find_model
from bench.paths import CLOSED_FORM, content_hash, resolve
from bench.pipelines import refusal
from bench.prompts import CLOSED_FORM_PROMPTS, UNCONDITIONAL, load_prompts, prompts_identity
from bench.references import check_reference
from bench.schedulers import FULL_ORDER, LOWER_ORDER_FINAL, SCHEDULERS, SchedulerSpec
from bench.settings import Settings, check_settings

GENERATION = 1  # raise it when images come out differently: stored ones are then made anew
# What a sweep has one of; all else may be a list.
_SHARED = (
    *("metrics", "latency", "tracking", "runs", "run", "store"),
    *("dry_run", "device", "threads", "batch_size", "latents"),
)


@dataclass(frozen=True)
class Job:
    """One cell with all that is needed to run and score it."""

    settings: Settings
    entry: Entry
    model: FoundModel
    expected_nfe: int

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
    warnings: list[str]  # known defects of schedulers that its cells hit


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
    jobs, grid = _grouped(_distinct(jobs)), _grouped(_distinct(grid))
    settings = jobs[0].settings
    models = dict.fromkeys(job.entry.cell.model for job in jobs)
    folder = Path(settings.runs) / (settings.run or "+".join(models))
    store = Path(settings.store) if settings.store else folder
    return Plan(jobs, [job.entry for job in grid], folder, store, settings, _warnings(jobs))


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"


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
        model = find_model(settings.model)
        check_reference(settings.metrics)
        if settings.latents:
            check_latents(settings.latents, model, settings.model.height, settings.model.width)
        if problems:
            return None, problems
        unsupported = "\n".join(_unsupported(model, settings))
        entry = replace(_entry(settings, model), unsupported=unsupported)
    except UserError as error:
        return None, [*problems, *str(error).splitlines()]
    spec = SCHEDULERS[settings.scheduler.name]
    return Job(settings, entry, model, spec.expected_nfe(settings.steps)), []


def _unfit(settings: Settings) -> Iterator[str]:
    """Values that are valid alone but not together."""
    name, model, metrics = settings.scheduler.name, settings.model, settings.metrics
    spec = SCHEDULERS.get(name)
    if spec is None:
        yield f"scheduler={name}: unknown; {nearest(name, SCHEDULERS)}"
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
    if closed_form and model.weights == RANDOM:
        yield f"model.weights={RANDOM}: {model.name} is a formula without weights; leave it out"
    if closed_form and (model.width, model.height) != (4, 4):
        yield f"model.width={model.width}, model.height={model.height}: {model.name} makes 4x4"
    if model.path == f"{CLOSED_FORM}gaussian" and settings.prompts.path == UNCONDITIONAL:
        yield (
            f"model={model.name}: its data without a component is another Gaussian; use "
            "prompts=components"
        )


def _unsupported(model: FoundModel, settings: Settings) -> Iterator[str]:
    """What this model, scheduler and number of steps cannot do together."""
    limit, name = model.train_timesteps, settings.scheduler.name
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
    if _kind(spec) != own:
        fit = ", ".join(n for n, other in SCHEDULERS.items() if _kind(other) == own)
        yield (
            f"scheduler={name}: drives {_kind(spec)} models and {settings.model.name} is a "
            f"{own} model; choose of {fit}"
        )
    elif reason := refusal(model, spec):
        yield f"scheduler={name}: {settings.model.name}: {reason}"


def _kind(what: FoundModel | SchedulerSpec) -> str:
    return f"distilled {what.family}" if what.distilled else what.family


def _misfits(grid: Sequence[Job], jobs: Sequence[Job]) -> Iterator[str]:
    """Reasons of cells that cannot be run and are not just a corner of the grid: their scheduler,
    model or number of steps fits nowhere."""
    for job in grid:
        if any(value not in {axis(other) for other in jobs} for axis, value in _axes(job)):
            yield from job.entry.unsupported.splitlines()


def _axes(job: Job) -> Iterator[tuple[Callable[[Job], object], object]]:
    for name in ("model", "scheduler", "steps"):
        axis = attrgetter(f"entry.cell.{name}")
        yield axis, axis(job)


def _distinct(jobs: list[Job]) -> list[Job]:
    return list({(job.entry.cell.key, job.entry.samples): job for job in jobs}.values())


def _warnings(jobs: Sequence[Job]) -> list[str]:
    """A sentence for each known defect, with the schedulers and steps that hit it."""
    table = known_defects(version("diffusers"))
    hit: dict[Known, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for job in jobs:
        cell = job.entry.cell
        config = {**json.loads(job.model.scheduler_config), **json.loads(cell.scheduler_flags)}
        for known in warnings_for(cell.scheduler, cell.scheduler_class, config, cell.steps, table):
            hit[known][cell.scheduler].add(cell.steps)
    told = [f"{_where(by_scheduler)}: {known.told}" for known, by_scheduler in hit.items()]
    return [*told, *_solver_switch(jobs), *_without_weights(jobs)]


def _without_weights(jobs: Sequence[Job]) -> Iterator[str]:
    names = sorted({job.entry.cell.model for job in jobs if job.entry.cell.is_random})
    if names:
        yield f"{', '.join(names)}: random weights, for latency alone; quality is not measured"


def _solver_switch(jobs: Sequence[Job]) -> Iterator[str]:
    """Of curves that cross the step count at which multistep solvers change their last step."""
    steps: dict[str, set[int]] = defaultdict(set)
    for job in jobs:
        if job.entry.cell.scheduler_class in LOWER_ORDER_FINAL:
            steps[job.entry.cell.scheduler].add(job.entry.cell.steps)
    crossing = [name for name, counts in steps.items() if min(counts) < FULL_ORDER <= max(counts)]
    if crossing:
        yield (
            f"{', '.join(crossing)}: below {FULL_ORDER} steps the last step is of lower order "
            f"(lower_order_final); a jump of the curve there is the solver's"
        )


def _where(steps: dict[str, set[int]]) -> str:
    """`ddim, euler at 16, 32 steps; heun at 8 steps`."""
    alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for scheduler, counts in steps.items():
        alike[tuple(sorted(counts))].append(scheduler)
    return "; ".join(
        f"{', '.join(names)} at {', '.join(map(str, counts))} steps"
        for counts, names in alike.items()
    )


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


def _entry(settings: Settings, found: FoundModel) -> Entry:
    spec, device = SCHEDULERS[settings.scheduler.name], device_of(settings)
    model, prompts = settings.model, settings.prompts
    load_prompts(**prompts.source, samples=settings.samples)  # a bad file is found here
    cell = Cell(
        model=model.name,
        weights=found.weights,
        task=settings.task.name,
        scheduler=settings.scheduler.name,
        scheduler_class=spec.class_name,
        scheduler_flags=json.dumps(spec.flags, sort_keys=True),
        steps=settings.steps,
        guidance=settings.guidance,
        seed=settings.seed,
        prompts=prompts.label,
        prompts_hash=prompts_identity(**prompts.source),
        height=model.height,
        width=model.width,
        dtype=model.dtype,
        engine=_engine(settings, device),
        call=json.dumps(model.call, sort_keys=True) if model.call else "",
        guidance_form=model.guidance_form,
        negative_prompt=settings.negative_prompt,
        latents=content_hash(resolve(settings.latents)) if settings.latents else "",
    )
    if cell.is_random:  # one sample, to count evaluations and see the grid
        return Entry(cell, 1, {}, latency_kind(settings, device))
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
