"""From composed configs to a checked plan: every problem is found before anything loads."""

import difflib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain
from operator import attrgetter
from pathlib import Path

from bench.cell import Cell, Entry
from bench.errors import UserError
from bench.guidance import FORMS, Guidance, form_of
from bench.inputs import input_problems, inputs_identity
from bench.kinds import RENDERS, estimate_kind, latency_kind, left_out, measured
from bench.known_defects import Known, known_defects, warnings_for
from bench.models import FoundModel, find_model
from bench.paths import CLOSED_FORM
from bench.prompts import CLOSED_FORM_PROMPTS, UNCONDITIONAL, load_prompts, prompts_identity
from bench.references import check_reference
from bench.schedulers import (
    FULL_ORDER,
    LOWER_ORDER_FINAL,
    SCHEDULERS,
    SchedulerSpec,
    scheduler_class,
)
from bench.settings import Settings, check_settings
from bench.tasks import (
    DISTILLED_TIMESTEPS,
    WITH_INPUTS,
    executed_steps,
    spreads_steps,
    task_class,
)

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

    @property
    def expected_passes(self) -> int:
        """Samples through the denoiser per image, at most: an interval guides only some steps."""
        return self.expected_nfe * self.guidance.passes

    @property
    def guidance(self) -> Guidance:
        return _guidance(self.model, self.settings)


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
        model = find_model(settings.model.name, settings.model.path)
        check_reference(settings.metrics)
        if problems:
            return None, problems
        unsupported = "\n".join(_unsupported(model, settings))
        entry = replace(_entry(settings, model), unsupported=unsupported)
    except UserError as error:
        return None, [*problems, *str(error).splitlines()]
    return Job(settings, entry, model, _expected_nfe(model, settings)), []


def _expected_nfe(model: FoundModel, settings: Settings) -> int:
    spec, steps = SCHEDULERS[settings.scheduler.name], settings.steps
    if settings.task.name in WITH_INPUTS:
        steps = _steps_left(model, settings)
    return spec.expected_nfe(steps)


def _steps_left(model: FoundModel, settings: Settings) -> int:
    return executed_steps(
        settings.steps,
        settings.strength,
        model.family,
        consistency=spreads_steps(model.pipeline_class, settings.task.name),
    )


def _guidance(model: FoundModel, settings: Settings) -> Guidance:
    """As asked for, in the model's form."""
    return Guidance(
        settings.model.guidance_form or form_of(model.pipeline_class),
        settings.guidance,
        settings.guidance_rescale,
        settings.guidance_interval,
        settings.negative_prompt,
    )


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
    if closed_form and (model.width, model.height) != (4, 4):
        yield f"model.width={model.width}, model.height={model.height}: {model.name} makes 4x4"
    if model.path == f"{CLOSED_FORM}gaussian" and settings.prompts.path == UNCONDITIONAL:
        yield (
            f"model={model.name}: its data without a component is another Gaussian; use "
            "prompts=components"
        )
    yield from input_problems(settings)


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
    yield from _guidance(model, settings).problems()
    if settings.negative_prompt and settings.model.path.startswith(CLOSED_FORM):
        yield "negative_prompt: closed-form models have no negative prompt; leave it out"
    yield from _without_task(model, settings)
    if _kind(spec) != own:
        fit = ", ".join(n for n, other in SCHEDULERS.items() if _kind(other) == own)
        yield (
            f"scheduler={name}: drives {_kind(spec)} models and {settings.model.name} is a "
            f"{own} model; choose of {fit}"
        )


def _without_task(model: FoundModel, settings: Settings) -> Iterator[str]:
    """What keeps a model and scheduler from starting with an image."""
    task, name = settings.task.name, settings.model.name
    if task not in WITH_INPUTS:
        return
    if settings.model.path.startswith(CLOSED_FORM):
        yield f"task={task}: {name} starts from noise alone; use task=txt2img"
        return
    if task_class(model.pipeline_class, task) is None:
        yield (
            f"task={task}: diffusers has no such pipeline for {name} ({model.pipeline_class}); use "
            "task=txt2img"
        )
        return
    yield from _too_short(model, settings)
    chosen = scheduler_class(SCHEDULERS[settings.scheduler.name].class_name)
    if model.family == "flow" and not hasattr(chosen, "scale_noise"):
        able = ", ".join(
            other
            for other, spec in SCHEDULERS.items()
            if _kind(spec) == _kind(model)
            and hasattr(scheduler_class(spec.class_name), "scale_noise")
        )
        yield (
            f"scheduler={settings.scheduler.name}: cannot start from an image in flow pipelines; "
            f"choose of {able}"
        )


def _too_short(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Strengths that leave no step to run, or fewer timesteps than steps."""
    steps, strength = settings.steps, settings.strength
    asked = f"steps={steps}, strength={strength:g}"
    if spreads_steps(model.pipeline_class, settings.task.name):
        most = int(DISTILLED_TIMESTEPS * strength)
        if steps > most:
            yield f"{asked}: leaves {most} timesteps; lower steps to {most} or raise strength"
    elif _steps_left(model, settings) < 1:
        yield f"{asked}: leaves no step to run; ask for {math.ceil(1 / strength)} steps or more"


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
    """The first of each that would do the same."""
    found: dict[tuple[str, int], Job] = {}
    for job in jobs:
        found.setdefault((job.entry.cell.key, job.entry.samples), job)
    return list(found.values())


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
    without = dict.fromkeys(line for job in jobs for line in left_out(job.settings))
    return [*told, *_solver_switch(jobs), *_vain_options(jobs), *without]


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
    identities, given = defaultdict(set), defaultdict(set)
    for job in jobs:
        cell = job.entry.cell
        identities["model", cell.model].add(cell.weights)
        identities["prompt set", cell.prompts].add(cell.prompts_hash)
        if cell.inputs:
            given[cell.task, cell.prompts].add(cell.inputs)
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


def _entry(settings: Settings, found: FoundModel) -> Entry:
    spec, device = SCHEDULERS[settings.scheduler.name], device_of(settings)
    model, prompts = settings.model, settings.prompts
    load_prompts(prompts.path, prompts.column, settings.samples)  # a bad file is found here
    guidance = _guidance(found, settings).settled()
    with_inputs = settings.task.name in WITH_INPUTS
    cell = Cell(
        model=model.name,
        weights=found.weights,
        task=settings.task.name,
        scheduler=settings.scheduler.name,
        scheduler_class=spec.class_name,
        scheduler_flags=json.dumps(spec.flags, sort_keys=True),
        steps=settings.steps,
        guidance=guidance.weight,
        seed=settings.seed,
        prompts=prompts.label,
        prompts_hash=prompts_identity(prompts.path, prompts.column),
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
    )
    metrics = {
        name: estimate_kind(metric, settings.metrics, settings.samples)
        for name, metric in measured(settings).items()
    }
    asked = settings.guidance if settings.guidance != guidance.weight else None
    return Entry(
        cell, settings.samples, metrics, latency_kind(settings, device), asked_guidance=asked
    )


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
