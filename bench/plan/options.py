"""Options of a pipeline's call, model.call.NAME=VALUE: which there are, and what they may be."""

import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from denoisebench.bench.errors import suggestion
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.models.pipelines import Argument, call_arguments
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.plan.annotations import can_be_typed, fits
from denoisebench.bench.schedulers.catalogue import scheduler_class, spec_of
from denoisebench.bench.settings.job import ModelSettings, Settings

# Arguments that a sweep gives itself, with the setting that they come from.
_ELSEWHERE = {
    "num_inference_steps": "steps",
    "timesteps": "grid.timesteps",
    "sigmas": "grid.sigmas",
    "guidance_scale": "guidance",
    "true_cfg_scale": "guidance with model.guidance_form=true_cfg",
    "guidance_rescale": "guidance_rescale",
    "negative_prompt": "negative_prompt",
    "prompt": "prompts",
    "prompt_2": "prompts",
    "prompt_3": "prompts",
    "class_labels": "prompts=file with names or numbers of classes",
    "height": "model.height",
    "width": "model.width",
    "num_images_per_prompt": "samples",
    "batch_size": "batch_size",
    "generator": "seed",
    "latents": "latents",
    "image": "task=img2img with task.images",
    "mask_image": "task=inpaint with task.masks",
    "strength": "strength with task=img2img",
}
_A_SWEEP_S_OWN = ("self", "output_type", "return_dict")
_NOTHING = object()


def own_and_options(model: ModelSettings, pipeline_class: str) -> tuple[dict[str, Any], ...]:
    """Arguments of the call that the model's own file gives, wherever it lies and whatever the
    model is called, and those of the sweep that differ from it and from what the pipeline does
    anyway."""
    known = call_arguments(pipeline_class) or {}
    own = model.call if model.call_of_files is None else model.call_of_files
    call = {name: _as_annotated(value, known.get(name)) for name, value in model.call.items()}
    kept = {name: value for name, value in call.items() if _same(own.get(name, _NOTHING), value)}
    options = {
        name: value
        for name, value in call.items()
        if name not in kept and (name in own or not _is_usual(value, known.get(name)))
    }
    return kept, options


def option_problems(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Why options cannot be given to the model's pipeline."""
    if settings.model.call and settings.model.path.startswith(CLOSED_FORM):
        yield f"model.call: {settings.model.name} is a formula, whose call has no options"
        return
    known = call_arguments(model.pipeline_class)
    if known is None:  # a class of the model's own, which says itself what it takes
        return
    for name, value in settings.model.call.items():
        yield from _problems(name, value, known, pipeline=model.pipeline_class)


def _problems(name: str, value: Any, known: dict[str, Argument], *, pipeline: str) -> Iterator[str]:
    where = f"model.call.{name}"
    if name in _ELSEWHERE:
        yield f"{where}: is set by the sweep; give {_ELSEWHERE[name]}"
    elif name in _A_SWEEP_S_OWN or name.startswith("callback"):
        yield f"{where}: a sweep needs its own; leave it out"
    elif name not in known:
        yield f"{where}: {pipeline} has no such argument; {suggestion(name, _free(known))}"
    elif not can_be_typed(known[name].annotation):
        yield f"{where}: takes {known[name].annotation}, which cannot be typed; leave it out"
    elif not fits(value, known[name].annotation):
        yield f"{where}={value}: must be {known[name].annotation}, as {pipeline} takes it"


def _free(known: dict[str, Argument]) -> list[str]:
    """Arguments that an option can be."""
    return [
        name
        for name, argument in known.items()
        if name not in (*_ELSEWHERE, *_A_SWEEP_S_OWN)
        and not name.startswith("callback")
        and can_be_typed(argument.annotation)
    ]


def eta_is_vain(model: FoundModel, settings: Settings) -> bool:
    """Whether model.call.eta is given to a scheduler that takes none: pipelines then drop it."""
    eta = (call_arguments(model.pipeline_class) or {}).get("eta")
    if eta is None or _is_usual(settings.model.call.get("eta", 0.0), eta):
        return False
    return not _takes_eta(spec_of(settings.scheduler.of).class_name)


@cache
def _takes_eta(class_name: str) -> bool:
    return "eta" in inspect.signature(scheduler_class(class_name).step).parameters


def _as_annotated(value: Any, argument: Argument | None) -> Any:
    """A whole number as the fraction that an argument takes: one value has one name."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    names = re.findall(r"\w+", argument.annotation) if argument else []
    return float(value) if is_whole and "float" in names and "int" not in names else value


def _is_usual(value: Any, argument: Argument | None) -> bool:
    return argument is not None and _same(argument.default, value)


def _same(one: Any, other: Any) -> bool:
    """Equal, and not as true equals 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
