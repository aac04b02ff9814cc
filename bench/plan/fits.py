"""What cannot be run together: found before anything loads, each with its cure."""

import json
import math
from collections.abc import Iterator

from denoisebench.bench.errors import suggestion
from denoisebench.bench.inputs.images import input_problems
from denoisebench.bench.inputs.prompts import CLOSED_FORM_PROMPTS, UNCONDITIONAL
from denoisebench.bench.inputs.tasks import (
    DISTILLED_TIMESTEPS,
    WITH_INPUTS,
    executed_steps,
    spreads_steps,
    task_class,
)
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.plan.job import guidance_of
from denoisebench.bench.plan.refusals import refusal
from denoisebench.bench.records.cell import RANDOM
from denoisebench.bench.records.guidance import forms_of
from denoisebench.bench.schedulers.catalogue import CLASSES, SCHEDULERS, scheduler_class
from denoisebench.bench.schedulers.grids import can_match
from denoisebench.bench.score.kinds import RENDERS
from denoisebench.bench.settings.job import Settings
from denoisebench.metrics.specs import PRECISION_NEIGHBOURS


def unfit(settings: Settings) -> Iterator[str]:
    """Values that are valid alone but not together."""
    scheduler, model, metrics = settings.scheduler, settings.model, settings.metrics
    if scheduler.of not in SCHEDULERS:
        what = "scheduler.base" if scheduler.base else "scheduler"
        yield f"{what}={scheduler.of}: unknown; {suggestion(scheduler.of, SCHEDULERS)}"
    if scheduler.base and scheduler.name in SCHEDULERS:
        yield f"scheduler.name={scheduler.name}: is in the catalogue; give yours another name"
    small = (
        metrics.reference == RENDERS
        or metrics.accuracy is not None
        or any(metric.kind == "attributes" for metric in metrics.frechet)
    )
    if small and (model.width, model.height) != (32, 32):
        yield (
            f"metrics={metrics.name}: is for images of 32x32 and {model.name} makes "
            f"{model.width}x{model.height}; choose metrics=standard"
        )
    if "manifold" in metrics.distances and settings.samples <= PRECISION_NEIGHBOURS:
        yield (
            f"samples={settings.samples}: recall needs more than {PRECISION_NEIGHBOURS}; ask for "
            "more, or leave manifold out of metrics.distances"
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
    if settings.latents and settings.task.name in WITH_INPUTS:
        yield f"latents: task={settings.task.name} starts from images; leave latents out"
    yield from input_problems(settings)


def unsupported(model: FoundModel, settings: Settings) -> Iterator[str]:
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
    asked = guidance_of(model, settings)
    yield from asked.problems()
    if asked.form not in forms_of(model.pipeline_class, model.guidance_form):
        yield (
            f"model.guidance_form={asked.form}: {model.pipeline_class} takes its weight in the "
            f"form {model.guidance_form}; leave model.guidance_form out"
        )
    if settings.negative_prompt and settings.model.path.startswith(CLOSED_FORM):
        yield "negative_prompt: closed-form models have no negative prompt; leave it out"
    fit = {n: other for n, other in SCHEDULERS.items() if other.kind == own}
    if spec.kind != own:
        fit = {n: other for n, other in fit.items() if not refusal(model, other)}
        yield (
            f"scheduler={name}: drives {spec.kind} models and {settings.model.name} is a "
            f"{own} model; choose of {', '.join(fit)}"
        )
        return
    yield from _without_task(model, settings)
    predicted = _predicted(model)
    if predicted not in CLASSES[spec.class_name].predicts:
        reading = [n for n in fit if predicted in CLASSES[fit[n].class_name].predicts]
        yield (
            f"scheduler={name}: cannot read prediction_type={predicted} of "
            f"{settings.model.name}; choose of {', '.join(reading)}"
        )
    if settings.grid == "matched" and settings.steps < 2:
        yield f"steps={settings.steps}: grid=matched has two ends; ask for 2 steps or more"
    if settings.grid == "matched" and not can_match(spec):
        matching = ", ".join(n for n in fit if can_match(fit[n]))
        yield (
            f"scheduler={name}: cannot be put on grid=matched; choose of {matching}"
            if matching
            else f"scheduler={name}: cannot be put on grid=matched; use grid=native"
        )
    elif reason := refusal(model, spec):
        yield f"scheduler={name}: {settings.model.name}: {reason}"


def expected_nfe(model: FoundModel, settings: Settings) -> int:
    spec, steps = SCHEDULERS[settings.scheduler.of], settings.steps
    if settings.task.name in WITH_INPUTS:
        steps = _steps_left(model, settings)
    return spec.expected_nfe(steps)


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
    chosen = scheduler_class(SCHEDULERS[settings.scheduler.of].class_name)
    if model.family == "flow" and not hasattr(chosen, "scale_noise"):
        able = ", ".join(
            other
            for other, spec in SCHEDULERS.items()
            if spec.kind == _kind(model)
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


def _steps_left(model: FoundModel, settings: Settings) -> int:
    return executed_steps(
        settings.steps,
        settings.strength,
        model.family,
        consistency=spreads_steps(model.pipeline_class, settings.task.name),
    )


def _kind(model: FoundModel) -> str:
    return f"distilled {model.family}" if model.distilled else model.family


def _predicted(model: FoundModel) -> str:
    if model.family == "flow":
        return "flow_prediction"
    return json.loads(model.scheduler_config).get("prediction_type", "epsilon")
