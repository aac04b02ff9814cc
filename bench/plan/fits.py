"""What cannot be run together: found before anything loads, each with its cure."""

import json
import math
from collections.abc import Callable, Collection, Iterator

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
from denoisebench.bench.models.pipelines import PipelineFacts, facts_of
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.plan.options import option_problems
from denoisebench.bench.plan.refusals import refusal
from denoisebench.bench.records.cell import RANDOM
from denoisebench.bench.records.guidance import FORMS, forms_of, guidance_of
from denoisebench.bench.schedulers.catalogue import (
    SCHEDULERS,
    SchedulerSpec,
    class_facts,
    scheduler_class,
    spec_of,
)
from denoisebench.bench.schedulers.grids import can_match, given_levels
from denoisebench.bench.schedulers.other_names import unknown_scheduler
from denoisebench.bench.score.references import RENDERS
from denoisebench.bench.settings.job import Settings
from denoisebench.metrics.specs import PRECISION_NEIGHBOURS


def unfit(settings: Settings) -> Iterator[str]:
    """Values that are valid alone but not together."""
    for rule in _OF_SETTINGS:
        yield from rule(settings)


def unsupported(model: FoundModel, settings: Settings) -> Iterator[str]:
    """What this model, scheduler and number of steps cannot do together."""
    for rule in _OF_ANY_KIND:
        yield from rule(model, settings)
    if spec_of(settings.scheduler.of).kind != _kind(model):
        yield _another_kind(model, settings)
        return
    for rule in _OF_ONE_KIND:
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
        metrics.reference == RENDERS
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
)


def _number_of_steps(model: FoundModel, settings: Settings) -> Iterator[str]:
    limit, name = model.train_timesteps, settings.scheduler.of
    spec, steps = spec_of(name), settings.steps
    if not spec.serves(steps):
        few = steps < spec.min_steps
        bound = f"at least {spec.min_steps}" if few else f"at most {spec.max_steps}"
        yield (
            f"steps={steps}: scheduler={name} needs {bound}; "
            f"{'raise' if few else 'lower'} steps or leave that scheduler out"
        )
    if steps > limit:
        yield (
            f"steps={steps}: {settings.model.name} was trained on {limit} timesteps; "
            f"ask for {limit} or fewer"
        )


def _pipeline(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Pipelines that a sweep cannot drive, whatever the scheduler."""
    name, facts = settings.model.name, facts_of(model.pipeline_class) or PipelineFacts()
    if facts.problem:
        yield (
            f"model={name}: its pipeline ({model.pipeline_class}) {facts.problem}; "
            "choose a model that makes an image of a prompt by one scheduler"
        )
    elif facts.unconditional:
        yield from _without_prompts(model, settings)
    elif settings.prompts.path == UNCONDITIONAL and not settings.model.path.startswith(CLOSED_FORM):
        yield (
            f"prompts={settings.prompts.label}: {name} is told what to show; choose prompts that "
            "say it, as prompts=file"
        )


def _without_prompts(model: FoundModel, settings: Settings) -> Iterator[str]:
    """What has no meaning where images are made of noise alone."""
    name = settings.model.name
    if settings.prompts.path != UNCONDITIONAL:
        yield f"model={name}: {model.pipeline_class} takes no prompt; use prompts=unconditional"
    metrics = settings.metrics
    cosines = [head for head in metrics.heads if head.head is None]
    reads_prompts = metrics.clip_score or metrics.accuracy or cosines
    if reads_prompts and not settings.metrics.optional:
        yield f"metrics={settings.metrics.name}: {name} takes no prompt that an image could match"
    if settings.latents:
        yield f"latents: {model.pipeline_class} takes none; leave latents out"


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
    if settings.negative_prompt and settings.model.path.startswith(CLOSED_FORM):
        yield "negative_prompt: closed-form models have no negative prompt; leave it out"


def _another_kind(model: FoundModel, settings: Settings) -> str:
    name, kind = settings.scheduler.of, _kind(model)
    if not _of_kind(kind):
        return (
            f"scheduler={name}: {settings.model.name} comes with a scheduler of its own kind "
            f"({kind}), whose noise schedule no scheduler here follows; leave that model out"
        )
    able = [other for other, spec in _of_kind(kind).items() if not refusal(model, spec)]
    return (
        f"scheduler={name}: drives {spec_of(name).kind} models and {settings.model.name} is "
        f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} model; choose from {', '.join(able)}"
    )


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
    if model.family == "flow" and not _scales_noise(spec_of(settings.scheduler.of)):
        able = [other for other, spec in _of_kind(_kind(model)).items() if _scales_noise(spec)]
        yield (
            f"scheduler={settings.scheduler.name}: cannot start from an image in flow pipelines; "
            f"choose from {', '.join(able)}"
        )


def _scales_noise(spec: SchedulerSpec) -> bool:
    return hasattr(scheduler_class(spec.class_name), "scale_noise")


def _too_short(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Strengths that leave no step to run, or fewer timesteps than steps."""
    steps, strength = settings.steps, settings.strength
    both = f"steps={steps}, strength={strength:g}"
    if spreads_steps(model.pipeline_class, settings.task.name):
        most = int(DISTILLED_TIMESTEPS * strength)
        if steps > most:
            yield f"{both}: leaves {most} timesteps; lower steps to {most} or raise strength"
    elif _steps_left(model, settings) < 1:
        yield f"{both}: leaves no step to run; ask for {math.ceil(1 / strength)} steps or more"


def _prediction_type(model: FoundModel, settings: Settings) -> Iterator[str]:
    name, predicted = settings.scheduler.of, _predicted(model)
    if predicted not in _predictions(spec_of(name)):
        able = [n for n, spec in _of_kind(_kind(model)).items() if predicted in _predictions(spec)]
        yield (
            f"scheduler={name}: cannot read prediction_type={predicted} of "
            f"{settings.model.name}; choose from {', '.join(able)}"
        )


def _predictions(spec: SchedulerSpec) -> Collection[str]:
    return class_facts(spec.class_name).predicts


def _levels(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Noise levels that the scheduler is given: by a matched grid, or by the model's pipeline."""
    name, steps = settings.scheduler.of, settings.steps
    spec, matched = spec_of(name), settings.grid == "matched"
    if settings.grid not in ("native", "matched"):
        yield from _given_levels(model, settings)
    if matched and steps < 2:
        yield f"steps={steps}: grid=matched has two ends; ask for 2 steps or more"
    if matched and not can_match(spec):
        able = ", ".join(n for n, other in _of_kind(spec.kind).items() if can_match(other))
        cure = f"choose from {able}" if able else "use grid=native"
        yield f"scheduler={name}: cannot be put on grid=matched; {cure}"
    elif reason := refusal(model, spec):
        yield f"scheduler={name}: {settings.model.name}: {reason}"


def _given_levels(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Whether a scheduler takes levels of the user's own, one a step."""
    name, steps = settings.scheduler.of, settings.steps
    for kind, levels in given_levels(settings.grid).items():
        if kind not in class_facts(spec_of(name).class_name).takes:
            alike = _of_kind(spec_of(name).kind).items()
            able = [n for n, other in alike if kind in class_facts(other.class_name).takes]
            cure = f"choose from {', '.join(able)}" if able else "use grid=native"
            yield f"scheduler={name}: takes no {kind} of one's own; {cure}"
        elif len(levels) != steps:
            yield f"steps={steps}: grid.{kind} has {len(levels)}; give steps={len(levels)}"
        elif levels[0] > (most := _first_level(model, kind)):
            known = f"the {most:g} that {settings.model.name} knows"
            yield f"grid.{kind}: {levels[0]:g} is beyond {known}"


def _first_level(model: FoundModel, kind: str) -> float:
    """The noisiest level that a model was trained on, as far as that is known."""
    if kind == "timesteps":
        return model.train_timesteps - (model.family != "flow")
    return 1.0 if model.family == "flow" else math.inf


_Rule = Callable[[FoundModel, Settings], Iterator[str]]
_OF_ANY_KIND: tuple[_Rule, ...] = (_pipeline, _guidance, option_problems, _number_of_steps)
# Of a scheduler that drives another kind of model these would say what does not matter.
_OF_ONE_KIND: tuple[_Rule, ...] = (_start_from_image, _prediction_type, _levels)


def _of_kind(kind: str) -> dict[str, SchedulerSpec]:
    return {name: spec for name, spec in SCHEDULERS.items() if spec.kind == kind}


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
    prediction: str = json.loads(model.scheduler_config).get("prediction_type", "epsilon")
    return prediction
