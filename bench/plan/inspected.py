"""What is read off a model before anything of it is loaded, and from which file."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from denoisebench.bench.inputs.classes import class_names
from denoisebench.bench.inputs.prompts import UNCONDITIONAL
from denoisebench.bench.machine import library_version
from denoisebench.bench.models.files import INDEX, size_words, weights_bytes
from denoisebench.bench.models.load import FoundModel, find_model
from denoisebench.bench.models.onnx_file import is_onnx
from denoisebench.bench.models.pipelines import PipelineFacts, call_arguments, facts_of
from denoisebench.bench.models.size import stated_size
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.plan.completed import completed
from denoisebench.bench.plan.scheduler_fits import kind_of
from denoisebench.bench.plan.training import cell_problems
from denoisebench.bench.records.guidance import FORMS
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.settings.job import ModelSettings, SchedulerSettings, Settings

_SCHEDULER, _FORMULA = "scheduler/scheduler_config.json", "its formula"
_GRAPH, _FORM = "its graph", "the form of .onnx files"  # what is read of one, and what all share
_SHOWN = 3  # names of classes
_STEPS = 20  # with which schedulers are tried; fewer or more where they or the model take no 20


@dataclass(frozen=True)
class Fact:
    """Something that a sweep knows of a model."""

    name: str
    value: str
    source: str  # where it is read


@dataclass(frozen=True)
class Inspected:
    """A model as a sweep sees it."""

    name: str
    facts: list[Fact]
    fitting: list[str]  # schedulers that drive it
    unfit: dict[str, list[str]]  # the others of its kind, by the reason why they do not


def inspected(settings: Settings) -> Inspected:
    """What is read off the model of the settings. Raises UserError where it cannot be found."""
    model = find_model(settings.model)
    settings = completed(settings, model)
    schedulers: dict[str, list[str]] = defaultdict(list)
    for name, spec in SCHEDULERS.items():
        if spec.kind == kind_of(model):
            schedulers[_problem(model, settings, name)].append(name)
    fitting = schedulers.pop("", [])
    return Inspected(settings.model.name, [*_facts(model, settings)], fitting, dict(schedulers))


def _problem(model: FoundModel, settings: Settings, name: str) -> str:
    """Why a scheduler cannot drive a model; empty where it can."""
    spec = SCHEDULERS[name]
    most = min(spec.max_steps or _STEPS, model.train_timesteps)
    steps = min(max(_STEPS, spec.min_steps), most)
    given = {"scheduler": SchedulerSettings.model_validate({"name": name}), "steps": steps}
    problems = cell_problems(model, settings.model_copy(update=given))
    if not problems:
        return ""
    reason = problems[0].text.removeprefix(f"scheduler={name}: ")
    return reason.removeprefix(f"{settings.model.name}: ")


def _facts(model: FoundModel, settings: Settings) -> Iterator[Fact]:
    """Facts of a pipeline; of a closed-form model those that are not of files."""
    given, config = settings.model, json.loads(model.scheduler_config)
    of_class = f"{model.pipeline_class} of diffusers {library_version('diffusers')}"
    index, scheduler, library = INDEX, _SCHEDULER, of_class
    if given.path.startswith(CLOSED_FORM):
        index = scheduler = library = _FORMULA
    elif is_onnx(given.path):
        index = scheduler = _FORM
    yield Fact("name", given.name, "the last part of its path, or model.name")
    yield Fact("pipeline", model.pipeline_class, index)
    yield Fact("own scheduler", str(config.get("_class_name", "")), scheduler)
    yield Fact("family", model.family + " (distilled)" * model.distilled, scheduler)
    if model.family != "flow":
        yield Fact("prediction type", config.get("prediction_type", "epsilon"), scheduler)
    yield Fact("training timesteps", f"{model.train_timesteps}", scheduler)
    width, height = given.size
    yield Fact("image size", f"{width}x{height}", _says_size(model, given))
    form = given.guidance_form or model.guidance_form
    meaning = FORMS[form].meaning if form in FORMS else "not known: give model.guidance_form"
    yield Fact("guidance", f"{form or 'unknown'}: {meaning}", library)
    of_classes = _FORM if is_onnx(given.path) else f"{INDEX}, config of its network"
    source = of_classes if model.classes else library
    yield Fact("prompts", _prompts(model, settings), source)
    for name, argument in (("steps", "num_inference_steps"), ("guidance", "guidance_scale")):
        default = (call_arguments(model.pipeline_class) or {}).get(argument)
        if default is not None and isinstance(default.default, int | float):
            yield Fact(f"its own default {name}", f"{default.default:g}", library)
    if not isinstance(model.source, str):
        size_b = weights_bytes(model.source, model.loading)
        yield Fact("weights", f"{size_words(size_b)} in files, run in {given.dtype}", "its files")
    yield Fact("hash of its files", model.weights, "their content")


def _says_size(model: FoundModel, given: ModelSettings) -> str:
    files = model.loading.config or model.source
    if is_onnx(given.path) and model.size == given.size:
        return _GRAPH
    size, where = (None, "") if isinstance(files, str) else stated_size(files, model.pipeline_class)
    return where if size == given.size else "model.width and model.height"


def _prompts(model: FoundModel, settings: Settings) -> str:
    facts = facts_of(model.pipeline_class) or PipelineFacts()
    if facts.problem:
        return f"cannot be driven: its pipeline {facts.problem}"
    if model.classes:
        count, names = len(model.classes), class_names(model.classes)
        return f"no text: one of {count:,} classes ({'; '.join(names[:_SHOWN])}; …)"
    if facts.unconditional or settings.prompts.path == UNCONDITIONAL:
        return "no text: it makes images of noise alone"
    return f"yes; a sweep asks for those of prompts={settings.prompts.label} unless told otherwise"
