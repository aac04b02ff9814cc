"""How a model is run, its precision, compilation and step cache: what this machine, the model or
the scheduler cannot do, found before anything loads."""

import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

from denoisebench.bench.caches.catalogue import CACHES, NONE, Cache, make_cache
from denoisebench.bench.caches.known import words_of
from denoisebench.bench.errors import UserError, suggestion
from denoisebench.bench.inputs.tasks import WITH_INPUTS
from denoisebench.bench.machine import device_of, library_version
from denoisebench.bench.models.files import parts_of
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.models.onnx_file import is_onnx
from denoisebench.bench.models.pipelines import denoiser_calls
from denoisebench.bench.models.quantised import quantiser_problems
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.plan.job import Job, Machine
from denoisebench.bench.records.cell import BATCHES, FACTS, STEERING, kept
from denoisebench.bench.records.guidance import FORMS, guidance_of
from denoisebench.bench.schedulers.catalogue import spec_of
from denoisebench.bench.settings.job import CacheSettings, Settings

GENERATION = 3  # raise it when images come out differently: stored ones are then made anew
_FEW_STEPS = 8
_ONE_STATE = ("faster", "pyramid")  # for all calls, whatever side of guidance they are about
_FIRST_TIMESTEP = 900  # of a whole run: seldom less
# Fields of a cell that are made of a group of settings or of a file, and those of guidance, which
# keeps an option only where it has an effect.
_OTHERWISE = (
    *("model", "task", "scheduler", "prompts", "latents", "cache"),
    *("guidance", "negative_prompt", *STEERING),
)


def same_fields(settings: Settings) -> dict[str, Any]:
    """Fields of a cell that are settings as they are, and those that say how the model is run."""
    cache = cache_asked(settings)
    same = [name for name in FACTS if name in Settings.model_fields and name not in _OTHERWISE]
    return {
        **{name: kept(name, getattr(settings, name)) for name in same},
        "strength": settings.strength if settings.task.name in WITH_INPUTS else 1.0,
        "dtype": settings.dtype,
        "cache": cache.word,
        "cache_options": kept("cache_options", dict(cache.options)),
    }


def plainly(settings: Settings) -> Settings:
    """The same without what saves time at a risk to the images: cache, compilation, quantisation.
    The number format stays: noise is drawn in it."""
    plain: dict[str, Any] = {"cache": CacheSettings(), "compile": "off"}
    if settings.quantiser:
        plain["precision"] = None
    return settings.model_copy(update=plain)


def engine_of(settings: Settings, machine: Machine) -> str:
    """What computes an image. Below float32, compiled, and on accelerators, which multiply in less,
    an image depends on the batch it is in; where a cache would decide by it, each is made alone."""
    libraries = ["diffusers", "torch", *(["onnxruntime"] if is_onnx(settings.model.path) else [])]
    parts = [*(f"{name} {library_version(name)}" for name in libraries), machine.device]
    if decides_by_batch(settings):
        parts.append(f"{BATCHES} 1")
    elif settings.dtype != "float32" or machine.device != "cpu" or settings.compile != "off":
        parts.append(f"{BATCHES} {machine.batch_size}")
    return ", ".join([*parts, f"generation {GENERATION}"])


def _precision_problems(settings: Settings) -> Iterator[str]:
    if not settings.quantiser:
        return
    if settings.model.path.startswith(CLOSED_FORM):
        yield (
            f"precision={settings.quantiser}: {settings.model.name} is a formula without weights; "
            "use float32"
        )
    else:
        yield from quantiser_problems(settings.quantiser, device_of(settings.device))


def _compile_problems(settings: Settings) -> Iterator[str]:
    if settings.compile == "off":
        return
    where, model = f"compile={settings.compile}", settings.model
    if model.path.startswith(CLOSED_FORM) or is_onnx(model.path):
        yield f"{where}: {model.name} is no network of PyTorch; use compile=off"
    elif device_of(settings.device) == "mps":
        yield f"{where}: is not run on a GPU of Apple's; use compile=off"
    elif problem := _no_compiler():
        yield f"{where}: {problem}, or use compile=off"


def cache_asked(settings: Settings) -> Cache:
    """The cache, with those of the options that it has. Raises UserError as make_cache does."""
    name, options = settings.cache.name, settings.cache.options
    known = CACHES[name].options if name in CACHES else {}
    return make_cache(name, {key: value for key, value in options.items() if key in known})


def decides_by_batch(settings: Settings) -> bool:
    """Whether a sample would depend on the others of its batch: hits are decided for all of it."""
    return cache_asked(settings).spec.by_batch


def _cache_problems(settings: Settings) -> Iterator[str]:
    """What is wrong with a cache whatever the model, and what it cannot be used with."""
    try:
        wanted = cache_asked(settings)
    except UserError as error:
        yield str(error)
        return
    if not wanted.is_on:
        return
    where, model = f"cache={wanted.name}", settings.model
    if model.path.startswith(CLOSED_FORM) or is_onnx(model.path):
        yield f"{where}: {model.name} has no transformer blocks to skip; use cache=none"
    if settings.guidance_interval:
        yield f"{where}: guidance_interval changes its batch between steps; leave one of them out"
    by_blocks = wanted.spec.skips == "blocks"
    if settings.compile == "full" or (settings.compile == "regional" and not by_blocks):
        cure = "compile=regional or off" if by_blocks else "compile=off"
        yield f"{where}, compile={settings.compile}: it decides within what is compiled; use {cure}"


def execution_problems(settings: Settings) -> Iterator[str]:
    for rule in (_precision_problems, _compile_problems, _cache_problems):
        yield from rule(settings)


def cache_misfits(model: FoundModel, settings: Settings) -> Iterator[str]:
    """Why a cache cannot go on a model, or counts the scheduler's evaluations wrongly."""
    wanted = cache_asked(settings)
    if not wanted.is_on or isinstance(model.source, str):
        return
    from denoisebench.bench.caches.refusals import misfit  # loads diffusers

    parts = parts_of(model.loading.config or model.source)
    _, denoiser = parts.get("unet") or parts.get("transformer") or ("", "")
    evaluations, _ = spec_of(settings.scheduler.of).evaluations
    if why := misfit(wanted, denoiser, evaluations=evaluations):
        by = f", scheduler={settings.scheduler.of}" if evaluations > 1 else ""
        yield f"cache={wanted.name}{by}: {settings.model.name}: {why}"
    else:
        yield from _ill_run(wanted, model, settings)


def _ill_run(wanted: Cache, model: FoundModel, settings: Settings) -> Iterator[str]:
    """Why a cache that goes on a model is wrong in runs of this guidance, strength or scheduler."""
    guidance = guidance_of(settings, model.guidance_form)
    stacked = guidance.on and FORMS[guidance.form].stacked
    two_calls = guidance.on and not stacked and denoiser_calls(model.pipeline_class) > 1
    if wanted.name in _ONE_STATE and two_calls:
        where = f"cache={wanted.name}, guidance={guidance.weight:g}"
        yield f"{where}: {settings.model.name}: {words_of('one-state-for-both-sides')}"
    elif wanted.name == "faster" and not stacked:
        yield from _begins_with_nothing(wanted, settings)
    elif wanted.name == "magcache" and wanted.value("ratios") == "flux":
        yield from _other_ratios(settings)


def _begins_with_nothing(wanted: Cache, settings: Settings) -> Iterator[str]:
    """Runs whose first timestep may be one at which FasterCache skips."""
    if _is_cut(settings):
        yield (
            f"cache=faster, strength={settings.strength:g}: without guidance as one batch it takes "
            "attention from an empty cache where a run begins below cache.below; use cache=pyramid"
        )
    elif float(wanted.value("below")) > _FIRST_TIMESTEP:
        yield (
            f"cache.below={wanted.value('below'):g}: without guidance as one batch cache=faster "
            "takes attention from an empty cache if the first timestep is below it; keep "
            f"cache.below at {_FIRST_TIMESTEP} or less"
        )


def _other_ratios(settings: Settings) -> Iterator[str]:
    """Runs whose evaluations are not the steps that the ratios of FLUX are stretched to."""
    cure = "use cache.ratios=calibrated"
    if _is_cut(settings):
        yield (
            f"cache.ratios=flux, strength={settings.strength:g}: they are one a step of a whole "
            f"run, and this one begins within it; {cure}"
        )
    elif spec_of(settings.scheduler.of).expected_nfe(settings.steps) != settings.steps:
        yield (
            f"cache.ratios=flux, scheduler={settings.scheduler.of}: they are one a step, and it "
            f"makes another number of evaluations; {cure}"
        )


def _is_cut(settings: Settings) -> bool:
    """Whether a run begins within the trajectory."""
    return settings.task.name in WITH_INPUTS and settings.strength < 1


def idle_cache_options(jobs: Sequence[Job]) -> Iterator[str]:
    """Options that no cache of a grid has; one that some lack is theirs alone who have it."""
    names = dict.fromkeys(job.settings.cache.name for job in jobs)
    known = dict.fromkeys(option for name in names for option in CACHES[name].options)
    for option in dict.fromkeys(name for job in jobs for name in job.settings.cache.options):
        if option not in known:
            has = suggestion(option, known) if known else "it takes none"
            yield f"cache.{option}: no option of cache={','.join(names)}; {has}"


def cache_notices(jobs: Sequence[Job]) -> Iterator[str]:
    """What to know of caches before they run."""
    by_batch = dict.fromkeys(job.entry.cell.cache for job in jobs if job.one_by_one)
    if by_batch:
        yield (
            f"{', '.join(by_batch)}: what it skips is decided from a whole batch, so its images "
            "are made one by one, guided ones with their unguided half"
        )
    few = {job.entry.cell.model for job in jobs if _has_little_to_skip(job)}
    if few:
        yield (
            f"{', '.join(sorted(few))}: distilled, and run in {_FEW_STEPS} steps or fewer: a cache "
            "has little to skip there that does not matter"
        )


def _has_little_to_skip(job: Job) -> bool:
    cell = job.entry.cell
    is_distilled = job.model.distilled or not cell.has_guidance
    return cell.cache != NONE and is_distilled and cell.steps <= _FEW_STEPS


@cache
def _no_compiler() -> str:
    """What torch's code generator lacks here, with what to do; empty when it has all."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if which(compiler) is None:
        return f"there is no C++ compiler {compiler} here: install one, or name yours by CXX"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return "Python's headers are not here: install python3-dev"
    return ""
