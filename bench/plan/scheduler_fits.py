"""What a scheduler cannot do for a model with these settings: found before anything loads."""

import json
from collections.abc import Callable, Iterator

from denoisebench.bench.inputs.tasks import WITH_INPUTS
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.plan.options import eta_is_vain
from denoisebench.bench.plan.refusals import refusal
from denoisebench.bench.records.names import with_article
from denoisebench.bench.schedulers.catalogue import (
    SCHEDULERS,
    class_facts,
    scheduler_class,
    spec_of,
)
from denoisebench.bench.schedulers.grids import can_match, given_levels
from denoisebench.bench.schedulers.reason import Reason
from denoisebench.bench.settings.job import Settings


def scheduler_misfits(model: FoundModel, settings: Settings) -> Iterator[Reason]:
    """What the scheduler of the settings cannot do, by what is known of it without running it."""
    yield from _number_of_steps(settings)
    if spec_of(settings.scheduler.of).kind != kind_of(model):
        yield _another_kind(model, settings)
        return
    for rule in _OF_ONE_KIND:  # of another kind of model these would say what does not matter
        yield from rule(model, settings)


def kind_of(model: FoundModel) -> str:
    """Kind of the schedulers that drive a model: `diffusion`, `distilled flow`, …"""
    return f"distilled {model.family}" if model.distilled else model.family


def _number_of_steps(settings: Settings) -> Iterator[Reason]:
    name, steps = settings.scheduler.of, settings.steps
    spec = spec_of(name)
    if not spec.serves(steps):
        few = steps < spec.min_steps
        bound = f"at least {spec.min_steps}" if few else f"at most {spec.max_steps}"
        yield Reason(
            f"steps={steps}: scheduler={name} needs {bound}; "
            f"{'raise' if few else 'lower'} steps or leave that scheduler out"
        )


def _another_kind(model: FoundModel, settings: Settings) -> Reason:
    name, kind = settings.scheduler.of, kind_of(model)
    if not any(spec.kind == kind for spec in SCHEDULERS.values()):
        return Reason(
            f"scheduler={name}: {settings.model.name} comes with a scheduler of its own kind "
            f"({kind}), whose noise schedule no scheduler here follows; leave that model out"
        )
    return Reason(
        f"scheduler={name}: drives {spec_of(name).kind} models and {settings.model.name} is "
        f"{with_article(kind)} model",
        by_scheduler=True,
    )


def _start_from_image(model: FoundModel, settings: Settings) -> Iterator[Reason]:
    name = settings.scheduler.of
    if settings.task.name not in WITH_INPUTS or model.family != "flow":
        return
    if not hasattr(scheduler_class(spec_of(name).class_name), "scale_noise"):
        yield Reason(
            f"scheduler={name}: cannot start from an image in flow pipelines",
            by_scheduler=True,
            otherwise="use task=txt2img",
        )


def _prediction_type(model: FoundModel, settings: Settings) -> Iterator[Reason]:
    name, predicted = settings.scheduler.of, _predicted(model)
    if predicted not in class_facts(spec_of(name).class_name).predicts:
        yield Reason(
            f"scheduler={name}: cannot read prediction_type={predicted} of {settings.model.name}",
            by_scheduler=True,
        )


def _predicted(model: FoundModel) -> str:
    if model.family == "flow":
        return "flow_prediction"
    prediction: str = json.loads(model.scheduler_config).get("prediction_type", "epsilon")
    return prediction


def _levels(model: FoundModel, settings: Settings) -> Iterator[Reason]:
    """Noise levels that the scheduler is given: by the user's grid, or by the model's pipeline."""
    name = settings.scheduler.of
    spec, native = spec_of(name), "use grid=native"
    for kind in given_levels(settings.grid):
        if kind not in class_facts(spec.class_name).takes:
            text = f"scheduler={name}: takes no {kind} of one's own"
            yield Reason(text, by_scheduler=True, otherwise=native)
    if settings.grid == "matched" and not can_match(spec):
        text = f"scheduler={name}: cannot be put on grid=matched"
        yield Reason(text, by_scheduler=True, otherwise=native)
    elif reason := refusal(model, spec):
        yield Reason(f"scheduler={name}: {settings.model.name}: {reason}", by_scheduler=True)


def _noise(model: FoundModel, settings: Settings) -> Iterator[Reason]:
    """Noise that a pipeline hands only to schedulers that take it."""
    if eta_is_vain(model, settings):
        text = f"scheduler={settings.scheduler.of}: takes no notice of model.call.eta"
        yield Reason(text, by_scheduler=True, otherwise="leave it out")


_OF_ONE_KIND: tuple[Callable[[FoundModel, Settings], Iterator[Reason]], ...] = (
    _start_from_image,
    _prediction_type,
    _levels,
    _noise,
)
