"""How a default's model is run, put on a pipeline: its step cache and the precision of its
networks."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.caches.catalogue import CACHES, NONE, OFF, Cache, make_cache
from denoisebench.bench.errors import UserError
from denoisebench.bench.models.quantised import QUANTISERS, quantise, quantiser_problems
from denoisebench.bench.records.guidance import FORMS, Guidance

# On a pipeline: the cache that was laid on it here, and how its weights were quantised here.
_CACHE, _QUANTISER = "denoisebench_cache", "denoisebench_quantiser"
_DENOISERS = ("unet", "transformer")
_FULL = "float32"
ANEW = "`denoisebench report RUN` writes the file anew"


@dataclass(frozen=True)
class Execution:
    """How a default's cell was run."""

    cache: Cache = OFF
    steps: int = 1
    stacked: bool = False  # whether guidance sends both halves as one batch
    ratios: tuple[float, ...] = ()  # of MagCache
    number_format: str = ""  # of all networks, where the sweep chose among several
    quantiser: str = ""


def execution_of(default: dict[str, Any]) -> Execution:
    """How a record of defaults.yaml was run. Raises UserError for what no sweep has written."""
    number_format, _, quantiser = default["provenance"]["dtype"].partition("+")
    form = default.get("guidance_form", "none")
    if form not in FORMS:
        raise UserError(f"guidance_form {form} is none that this version knows; {ANEW}")
    guidance = Guidance(form, default.get("guidance", 0.0))
    return Execution(
        cache=_cache(default),
        steps=default["call"]["num_inference_steps"],
        stacked=guidance.on and FORMS[guidance.form].stacked,
        ratios=_ratios(default),
        number_format=number_format if "precision" in default else "",
        quantiser=quantiser,
    )


def _cache(default: dict[str, Any]) -> Cache:
    name, options = str(default.get("cache", NONE)).partition(" ")[0], default.get("cache_options")
    if name in CACHES and name != NONE and not isinstance(options, dict):
        raise UserError(f"cache={name} stands there without its options; {ANEW}")
    return make_cache(name, options)


def _ratios(default: dict[str, Any]) -> tuple[float, ...]:
    ratios = default.get("cache_ratios", [])
    if not isinstance(ratios, list) or not all(type(ratio) in (int, float) for ratio in ratios):
        raise UserError(f"cache_ratios are no list of numbers; {ANEW}")
    return tuple(map(float, ratios))


def _problems(pipeline: Any, execution: Execution) -> Iterator[str]:
    """Why cache or precision cannot be set on a pipeline, each with its cure."""
    done, wanted = getattr(pipeline, _QUANTISER, ""), execution.quantiser
    if (execution.cache.is_on or wanted) and _denoiser(pipeline) is None:
        yield f"{type(pipeline).__name__} has no {' or '.join(_DENOISERS)} to set it on"
    if done and done != wanted:
        yield (
            f"the weights of this pipeline were quantised as {done}, which cannot be undone: load "
            "it anew"
        )
    elif wanted and wanted not in QUANTISERS:
        yield f"precision={wanted} is none that this version knows"
    elif wanted and not done:
        device = getattr(getattr(pipeline, "device", None), "type", "cpu")
        yield from quantiser_problems(wanted, device)
    has = _number_format(pipeline)
    if execution.number_format and has not in ("", execution.number_format, _FULL):
        yield (
            f"it was measured with precision={execution.number_format}, and this pipeline's "
            f"weights were rounded to {has}: load it with "
            f"torch_dtype=torch.{execution.number_format}"
        )


def set_execution(pipeline: Any, scheduler: Any, execution: Execution) -> None:
    """Sets a scheduler, lays a cache in place of one that was laid here, casts and quantises.

    Raises UserError where one of them cannot be done: then the pipeline is as it was, but for what
    was cast already.
    """
    if problem := next(_problems(pipeline, execution), ""):
        raise UserError(problem)
    before, laid = pipeline.scheduler, getattr(pipeline, _CACHE, None)
    _take_off(pipeline)
    pipeline.scheduler = scheduler
    try:
        _lay(pipeline, execution)
        _set_precision(pipeline, execution)
    except BaseException:
        _take_off(pipeline)
        pipeline.scheduler = before  # which a cache that is laid again is to follow
        if laid is not None:
            _lay(pipeline, laid.execution)
        raise


def _set_precision(pipeline: Any, execution: Execution) -> None:
    """Casts, then quantises: in the order of a sweep, for each rounds what it is given."""
    if execution.number_format and _number_format(pipeline) != execution.number_format:
        import torch

        pipeline.to(getattr(torch, execution.number_format))
    if execution.quantiser and not hasattr(pipeline, _QUANTISER):
        try:
            quantise(_denoiser(pipeline), execution.quantiser)
        except ValueError as error:  # it has no layer that can be
            raise UserError(str(error)) from error
        setattr(pipeline, _QUANTISER, execution.quantiser)


@dataclass(frozen=True)
class _Laid:
    execution: Execution
    stack: ExitStack  # takes the cache off when it is closed


def _take_off(pipeline: Any) -> None:
    if hasattr(pipeline, _CACHE):
        getattr(pipeline, _CACHE).stack.close()
        delattr(pipeline, _CACHE)


def _lay(pipeline: Any, execution: Execution) -> None:
    if not execution.cache.is_on:
        return
    from denoisebench.bench.caches.enable import with_cache

    stack = ExitStack()
    stack.enter_context(
        with_cache(
            pipeline,
            execution.cache,
            steps=execution.steps,
            stacked=execution.stacked,
            ratios=execution.ratios,
        )
    )
    setattr(pipeline, _CACHE, _Laid(execution, stack))


def _denoiser(pipeline: Any) -> Any:
    """The denoiser of a pipeline; None where there is none."""
    networks = (getattr(pipeline, name, None) for name in _DENOISERS)
    return next((network for network in networks if network is not None), None)


def _number_format(pipeline: Any) -> str:
    """`float16`: of the denoiser's numbers; empty where there is none."""
    return str(getattr(_denoiser(pipeline), "dtype", "")).removeprefix("torch.")
