"""What cannot be run together, whatever the scheduler: found before anything loads, each with its
cure. What a scheduler cannot do is in bench/plan/scheduler_fits.py."""

import math
from collections.abc import Callable, Iterator

from denoisebench.bench.inputs.images import input_problems
from denoisebench.bench.inputs.prompts import CLASSES, CLOSED_FORM_PROMPTS, UNCONDITIONAL
from denoisebench.bench.inputs.tasks import (
    DISTILLED_TIMESTEPS,
    WITH_INPUTS,
    executed_steps,
    spreads_steps,
    task_class,
)
from denoisebench.bench.machine import device_of
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.models.onnx_file import is_onnx, onnx_devices
from denoisebench.bench.models.pipelines import PipelineFacts, call_arguments, facts_of
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.plan.execution import cache_misfits, execution_problems
from denoisebench.bench.plan.options import option_problems
from denoisebench.bench.records.cell import RANDOM
from denoisebench.bench.records.guidance import FORMS, forms_of, guidance_of
from denoisebench.bench.records.names import counted
from denoisebench.bench.schedulers.catalogue import SCHEDULERS, spec_of
from denoisebench.bench.schedulers.grids import given_levels
from denoisebench.bench.schedulers.other_names import unknown_scheduler
from denoisebench.bench.score.references import EMBEDDED_SOURCES
from denoisebench.bench.settings.job import Settings
from denoisebench.metrics.built_in import PRECISION_NEIGHBOURS


def unfit(settings: Settings) -> Iterator[str]:
    """Values that are valid alone but not together."""
    for rule in _OF_SETTINGS:
        yield from rule(settings)


def unsupported(model: FoundModel, settings: Settings) -> Iterator[str]:
    """What this model cannot do with these settings, whatever the scheduler."""
    for rule in _OF_A_MODEL:
        yield from rule(model, settings)


def expected_nfe(model: FoundModel, settings: Settings) -> int:
    spec, steps = spec_of(settings.scheduler.of), settings.steps
    if settings.task.name in WITH_INPUTS:
        steps = _steps_left(model, settings)
    return spec.expected_nfe(steps)


def _scheduler_names(settings: Settings) -> Iterator[str]:
    scheduler = settings.scheduler
    if scheduler.of not in SCHEDULERS and not scheduler.class_:
        key = "scheduler.base" if scheduler.base else "scheduler"
        yield f"{key}={scheduler.of}: unknown; {unknown_scheduler(scheduler.of, SCHEDULERS)}"
    if scheduler.base and scheduler.name in SCHEDULERS:
        yield f"scheduler.name={scheduler.name}: is in the catalogue; give yours another name"


def _metrics_of_small_images(settings: Settings) -> Iterator[str]:
    model, metrics = settings.model, settings.metrics
    small = (
        metrics.reference in EMBEDDED_SOURCES
        or metrics.accuracy is not None
        or any(metric.kind == "attributes" for metric in metrics.frechet)
    )
    if small and model.width and model.size != (32, 32):
        yield (
            f"metrics={metrics.name}: is for images of 32x32 and {model.name} makes "
            f"{model.width}x{model.height}; give model.width=32 model.height=32 if its images are "
            "of that size, else choose metrics=standard"
        )


def _neighbours(settings: Settings) -> Iterator[str]:
    if "manifold" in settings.metrics.distances and settings.samples <= PRECISION_NEIGHBOURS:
        yield (
            f"samples={settings.samples}: recall needs more than {PRECISION_NEIGHBOURS}; ask for "
            "more, or leave manifold out of metrics.distances"
        )


def _pixels(settings: Settings) -> Iterator[str]:
    model = settings.model
    sizes = [edge for edge in (model.width, model.height) if edge]
    if not model.path.startswith(CLOSED_FORM) and any(edge % 8 for edge in sizes):
        yield f"model.width={model.width}, model.height={model.height}: must be multiples of 8"


def _closed_form(settings: Settings) -> Iterator[str]:
    model, prompts = settings.model, settings.prompts
    is_closed_form = model.path.startswith(CLOSED_FORM)
    fits = is_closed_form == (prompts.path in CLOSED_FORM_PROMPTS)
    if not fits and (is_closed_form or prompts.path != UNCONDITIONAL):
        yield (
            f"model={model.name}, prompts={prompts.label}: closed-form models take "
            "prompts=components or unconditional, and no others do"
        )
    if not is_closed_form:
        return
    if model.weights == RANDOM:
        yield f"model.weights={RANDOM}: {model.name} is a formula without weights; leave it out"
    if (model.width, model.height) != (4, 4):
        yield f"model.width={model.width}, model.height={model.height}: {model.name} makes 4x4"
    if model.path == f"{CLOSED_FORM}gaussian" and prompts.path == UNCONDITIONAL:
        yield (
            f"model={model.name}: its data without a component is another Gaussian; use "
            "prompts=components"
        )


def _given_latents(settings: Settings) -> Iterator[str]:
    if settings.latents and settings.task.name in WITH_INPUTS:
        yield f"latents: task={settings.task.name} starts from images; leave latents out"


# Each looks at its own few settings; a sweep is told in this order.
_OF_SETTINGS: tuple[Callable[[Settings], Iterator[str]], ...] = (
    _metrics_of_small_images,
    _neighbours,
    _pixels,
    _closed_form,
    _given_latents,
    _scheduler_names,
    input_problems,
    execution_problems,
)


def _number_of_steps(model: FoundModel, settings: Settings) -> Iterator[str]:
    steps, limit = settings.steps, model.train_timesteps
    if steps > limit:
        yield (
            f"steps={steps}: {settings.model.name} was trained on {limit} timesteps; "
            f"ask for {limit} or fewer"
        )
    if settings.grid == "matched" and steps < 2:
        yield f"steps={steps}: grid=matched has two ends; ask for 2 steps or more"


def _pipeline(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Pipelines that a sweep cannot drive, whatever the scheduler."""
    name, facts = settings.model.name, facts_of(model.pipeline_class) or PipelineFacts()
    if facts.problem:
        yield (
            f"model={name}: its pipeline ({model.pipeline_class}) {facts.problem}; "
            "choose a model that makes an image of a prompt by one scheduler"
        )
    elif not settings.model.path.startswith(CLOSED_FORM):
        yield from _prompts_of_another_kind(model, settings)
        yield from _missing_arguments(model, settings)


def _prompts_of_another_kind(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Prompts, and metrics that read them, of a model that is told something else."""
    name, prompts = settings.model.name, settings.prompts
    facts = facts_of(model.pipeline_class) or PipelineFacts()
    if model.classes:
        if prompts.path is None or prompts.path in CLOSED_FORM_PROMPTS:
            yield (
                f"prompts={prompts.label}: {name} is told classes; use prompts=classes, or "
                "prompts=file with the name or number of a class in each line"
            )
        yield from _metrics_of_prompts(settings, "is told classes, not captions")
    elif facts.unconditional:
        if prompts.path != UNCONDITIONAL:
            yield f"model={name}: {model.pipeline_class} takes no prompt; use prompts=unconditional"
        yield from _metrics_of_prompts(settings, "takes no prompt")
    elif prompts.path in (UNCONDITIONAL, CLASSES):
        yield (
            f"prompts={prompts.label}: {name} is told what to show; choose prompts that say it, as "
            "prompts=file"
        )


def _metrics_of_prompts(settings: Settings, why: str) -> Iterator[str]:
    metrics = settings.metrics
    cosines = [head.name for head in metrics.heads if head.head is None]
    cures = {
        "metrics.clip_score=[]": metrics.clip_score,
        "metrics.accuracy=null": metrics.accuracy,
        f"metrics.heads without {', '.join(cosines)}": cosines,
    }
    needed = [cure for cure, reads_prompts in cures.items() if reads_prompts]
    if needed and not metrics.optional:
        yield (
            f"metrics={metrics.name}: {settings.model.name} {why} that an image could match; give "
            f"{' '.join(needed)}"
        )


def _missing_arguments(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Settings that the pipeline's call has no argument for."""
    known = call_arguments(model.pipeline_class)
    guided = guidance_of(settings, model.guidance_form).on
    given = {"latents": settings.latents, "negative_prompt": guided and settings.negative_prompt}
    for name, value in given.items():
        if value and known is not None and name not in known:
            yield f"{name}: {model.pipeline_class} takes none; leave {name} out"


def _guidance(model: FoundModel, settings: Settings) -> Iterator[str]:
    if not (settings.model.guidance_form or model.guidance_form):
        yield (
            f"model.guidance_form: how {model.pipeline_class} takes its weight is not known; say "
            f"which of {', '.join(FORMS)}"
        )
        return
    guidance = guidance_of(settings, model.guidance_form)
    yield from guidance.problems()
    if guidance.form not in forms_of(model.pipeline_class, model.guidance_form):
        yield (
            f"model.guidance_form={guidance.form}: {model.pipeline_class} takes its weight in the "
            f"form {model.guidance_form}; leave model.guidance_form out"
        )
    facts = facts_of(model.pipeline_class) or PipelineFacts()
    if guidance.on and facts.no_class not in (None, len(model.classes)):
        yield (
            f"guidance={guidance.weight:g}: {model.pipeline_class} leads away from class "
            f"{facts.no_class}, and {settings.model.name} has {len(model.classes)} classes; use "
            "guidance=1"
        )
    if settings.negative_prompt and settings.model.path.startswith(CLOSED_FORM):
        yield "negative_prompt: closed-form models have no negative prompt; leave it out"


def _start_from_image(model: FoundModel, settings: Settings) -> Iterator[str]:
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


def _too_short(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Strengths that leave no step to run, or fewer timesteps than steps."""
    steps, strength = settings.steps, settings.strength
    both = f"steps={steps}, strength={strength:g}"
    if spreads_steps(model.pipeline_class, settings.task.name):
        most = int(DISTILLED_TIMESTEPS * strength)
        if steps > most:
            cure = f"lower steps to {most} or raise strength" if most else "raise strength"
            yield f"{both}: leaves {counted(most, 'timestep')}; {cure}"
    elif _steps_left(model, settings) < 1:
        yield f"{both}: leaves no step to run; give steps={math.ceil(1 / strength)} or more"


def _given_levels(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Noise levels of the user's own: one a step, none beyond what the model knows."""
    for kind, levels in given_levels(settings.grid).items():
        if len(levels) != settings.steps:
            yield f"steps={settings.steps}: grid.{kind} has {len(levels)}; give steps={len(levels)}"
        elif levels[0] > (most := _first_level(model, kind)):
            known = f"the {most:g} that {settings.model.name} knows"
            yield f"grid.{kind}: {levels[0]:g} is beyond {known}"


def _first_level(model: FoundModel, kind: str) -> float:
    """The noisiest level that a model was trained on, as far as that is known."""
    if kind == "timesteps":
        return model.train_timesteps - (model.family != "flow")
    return 1.0 if model.family == "flow" else math.inf


def _onnx(model: FoundModel, settings: Settings) -> Iterator[str]:
    """What a fixed graph cannot be asked for."""
    given = settings.model
    if not is_onnx(given.path):
        return
    if model.size and given.size != model.size:
        width, height = model.size
        yield (
            f"model.width={given.width}, model.height={given.height}: {given.name} makes "
            f"{width}x{height}; leave both out"
        )
    if settings.dtype != "float32":
        where = "precision" if settings.precision else "model.dtype"
        yield f"{where}={settings.dtype}: the graph of {given.name} is of float32; use float32"
    if device_of(settings.device) not in onnx_devices():
        yield (
            f"device={settings.device}: onnxruntime computes on {', '.join(onnx_devices())} here; "
            "use device=cpu, or for CUDA install onnxruntime-gpu in its place"
        )


_OF_A_MODEL: tuple[Callable[[FoundModel, Settings], Iterator[str]], ...] = (
    _pipeline,
    _onnx,
    _guidance,
    option_problems,
    _number_of_steps,
    _start_from_image,
    _given_levels,
    cache_misfits,
)


def _steps_left(model: FoundModel, settings: Settings) -> int:
    return executed_steps(
        settings.steps,
        settings.strength,
        model.family,
        consistency=spreads_steps(model.pipeline_class, settings.task.name),
    )
