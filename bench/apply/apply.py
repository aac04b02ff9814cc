"""A measured default, put on a pipeline: denoisebench.apply(pipeline, "defaults.yaml")."""

import inspect
import math
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from denoisebench.bench.apply.execution import ANEW, execution_of, set_execution
from denoisebench.bench.caches.catalogue import CACHES, NONE
from denoisebench.bench.errors import UserError
from denoisebench.bench.models.vendor import denoiser_words
from denoisebench.bench.records.cell import STEERING
from denoisebench.bench.records.defaults_file import (
    NAMED_BY,
    OTHER_PROMPTS,
    read_budgets,
    read_defaults,
)
from denoisebench.bench.records.names import counted, describe, with_article
from denoisebench.bench.schedulers.catalogue import CLASSES, scheduler_class
from denoisebench.bench.schedulers.grids import build_scheduler, given_levels
from denoisebench.bench.schedulers.own import class_like, is_own, like
from denoisebench.bench.schedulers.training import FAMILIES, config_of, family_of
from denoisebench.bench.settings.budget import budget_of
from denoisebench.metrics.decide.verdicts import NO_PLATEAU

_STEPS = "num_inference_steps"
_LEVELS = ("sigmas", "timesteps")  # what a scheduler has of them, and a file may say
_MOST_STEPS = 10_000
# On a scheduler that was set here: config and family of the one before it, without a default's
# flags.
_BEFORE = "denoisebench_before"
_NEARLY = 0.01  # by which levels of one spacing may differ: rounding, half precision
_UNBUILDABLE = (TypeError, ValueError, AssertionError, AttributeError, NotImplementedError)


def apply(
    pipeline: Any,
    path: str | Path,
    *,
    default_for: str | None = None,
    budget: str | None = None,
    **held: Any,
) -> dict[str, Any]:
    """Sets the pipeline's scheduler, and the step cache and precision that a sweep chose; returns
    the arguments of its call, steps and guidance.

    A file with several defaults is narrowed down by metric and by what its sweep varied beside
    guidance, scheduler and steps: model="shapes-ddpm", task="img2img", strength=0.5, seed=0,
    dtype="float32", … None says nothing; without default_for the first metric's counts. With
    budget="seconds:0.2" it is the best cell of one of the sweep's budgets. Raises
    UserError when none is left, or several are, when the one that is left was not decided, and
    for a pipeline that it does not fit: then the pipeline is as it was. Defaults can follow each
    other on a pipeline, a cache in place of the one before; what was quantised or rounded stays so.
    A scheduler class of the user's own is set once it is imported, while its
    source is the one that was measured. Warns of one whose curve still gains, that was
    chosen before all cells were run, or that was measured of another network, and of a pipeline
    whose networks hold numbers of different formats, with the line that makes them one.

        pipe = StableDiffusionPipeline.from_pretrained(…)
        images = pipe(prompt, **apply(pipe, "runs/demo/defaults.yaml")).images
    """
    values = {"default_for": default_for, "budget": budget, **held}
    selectors = {name: _plain(value) for name, value in values.items() if value is not None}
    if budget is not None:
        selectors["budget"] = _budget_text(budget)
    known = read_defaults(path) if budget is None else _at_budget(path, selectors["budget"])
    default = _choose(known, selectors, path)
    if "call" not in default:
        why = default.get("note") or _needed(default)
        raise UserError(
            f"{path}: no default of {_name(default)} was decided ({default['outcome']}): {why}"
        )
    if default.get("scheduler_class") == "":
        raise UserError(
            f"{path}: {_name(default)} was measured on images that another program made: set "
            f"{default['scheduler']} and {default['call'][_STEPS]} steps there"
        )
    steered = [name for name in STEERING if default.get(name)]
    if steered:
        raise UserError(
            f"{path}: {_name(default)} was measured with {', '.join(steered)}, which pipelines of "
            "diffusers have no argument for"
        )
    problem = next(_damages(default), "") or next(_misfits(pipeline, default), "")
    if problem:
        raise UserError(f"{path}: {_name(default)}: {problem}")
    scheduler = _scheduler(pipeline, default, path)
    try:
        set_execution(pipeline, scheduler, execution_of(default))
    except UserError as error:
        raise UserError(f"{path}: {_name(default)}: {error}") from error
    if default["outcome"] == NO_PLATEAU:
        warnings.warn(
            f"{path}: {_name(default)}: its curve still gains at {default['call'][_STEPS]} steps, "
            "the most that were swept: more may be better",
            stacklevel=2,
        )
    for doubt in _doubts(pipeline, default):
        warnings.warn(f"{path}: {_name(default)}: {doubt}", stacklevel=2)
    mixture = _mixture(pipeline)
    if mixture:
        warnings.warn(mixture, stacklevel=2)
    return dict(default["call"])


def _budget_text(given: object) -> str:
    """A budget as files of defaults write it, however its number is given. Raises UserError for
    what is none."""
    try:
        return budget_of(str(given)).text
    except ValueError as error:
        raise UserError(f"budget={given}: {error}") from error


def _at_budget(path: str | Path, budget: str) -> list[dict[str, Any]]:
    """The records of a budget. Raises UserError for one that the file does not have."""
    known = read_budgets(path)
    if not known:
        raise UserError(
            f"{path}: it holds nothing of a budget; `denoisebench report RUN budget={budget}` "
            "decides at one"
        )
    if budget not in (names := _distinct(record["budget"] for record in known)):
        raise UserError(f"{path}: no budget={budget}; it has {', '.join(map(str, names))}")
    return known


def _needed(default: dict[str, Any]) -> str:
    """What it takes to decide a default."""
    needed = [str(value) for value in default.get("undecided", {}).values()]
    prompts = [int(text.split()[0]) for text in needed if text.endswith(OTHER_PROMPTS)]
    if not prompts:
        return "more samples or more steps are needed, see the report"
    fewest = counted(min(prompts), "more different prompt")
    return f"about {fewest} would probably decide, see the report"


def _selectors(default: dict[str, Any]) -> dict[str, Any]:
    """All that the file tells of a default to know it from others."""
    named = {name: default[name] for name in NAMED_BY if name in default}
    return {**named, **default.get("held", {})}


def _choose(
    defaults: list[dict[str, Any]], selectors: dict[str, Any], path: str | Path
) -> dict[str, Any]:
    """The one default that all selectors are true of. Raises UserError for none and for several."""
    if not defaults:
        raise UserError(
            f"{path}: its sweep has no default; `denoisebench report RUN` says why, and what to do"
        )
    known = _distinct(name for default in defaults for name in _selectors(default))
    unknown = [name for name in selectors if name not in known]
    if unknown:
        raise UserError(
            f"{path}: its defaults are not told apart by {', '.join(unknown)}; "
            f"they are by {', '.join(known)}"
        )
    left = [default for default in defaults if selectors.items() <= _selectors(default).items()]
    if not left:
        have = "; ".join(map(_name, defaults))
        raise UserError(f"{path}: no default for {_keywords(selectors)}; it has {have}")
    if "default_for" not in selectors:
        first = left[0]["default_for"]
        left = [default for default in left if default["default_for"] == first]
    if len(left) > 1:
        raise UserError(f"{path}: several defaults: {_how_to_tell_apart(left)}")
    return left[0]


def _how_to_tell_apart(defaults: list[dict[str, Any]]) -> str:
    """`they differ in seed (0, 1): say which, as in apply(pipeline, path, seed=0)`."""
    selectors = [_selectors(default) for default in defaults]
    values = {
        name: _distinct(named[name] for named in selectors if name in named)
        for name in _distinct(name for named in selectors for name in named)
        if len(_distinct(named.get(name) for named in selectors)) > 1
    }
    if not values:
        return "nothing in the file tells them apart; `denoisebench report RUN` writes it anew"
    differences = ", ".join(f"{name} ({', '.join(map(repr, of))})" for name, of in values.items())
    example = _keywords({name: selectors[0][name] for name in values if name in selectors[0]})
    return f"they differ in {differences}: say which, as in apply(pipeline, path, {example})"


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Values in their order, each once; lists among them have no hash."""
    distinct: list[Any] = []
    for value in values:
        if value not in distinct:
            distinct.append(value)
    return distinct


def _damages(default: dict[str, Any]) -> Iterator[str]:
    """What no sweep can have written into a default's setting."""
    call = default["call"]
    for name, value in {_STEPS: None, **call}.items():
        if not _is_sensible(name, value):
            yield f"{name} {value} is no value that a sweep measures; {ANEW}"
    if default["scheduler_class"] in CLASSES:
        takes = inspect.signature(scheduler_class(default["scheduler_class"])).parameters
        unknown = [flag for flag in default["scheduler_flags"] if flag not in takes]
        if unknown:
            yield f"{default['scheduler_class']} has no flag {', '.join(unknown)}; {ANEW}"
    family = default.get("scheduler_family")  # files of before have none
    if family is not None and not _is_family_of(default, family):
        yield f"{default['scheduler_class']} drives no {family} models; {ANEW}"
    levels = default.get("noise_levels", {})
    if not isinstance(levels, dict) or not all(map(_are_levels, levels.items())):
        yield f"noise_levels are no lists of numbers; {ANEW}"


def _is_family_of(default: dict[str, Any], family: Any) -> bool:
    """Whether a default's scheduler may drive a family of models; of a class of the user's own its
    source tells more."""
    name = default["scheduler_class"]
    if name in CLASSES:
        return bool(family == family_of(name, default["scheduler_flags"]))
    return family in FAMILIES


def _is_sensible(name: str, value: Any) -> bool:
    """Whether an argument of the call is in the range that a sweep allows."""
    if name == _STEPS:
        return type(value) is int and 1 <= value <= _MOST_STEPS
    if name == "negative_prompt":
        return isinstance(value, str)
    if name == "strength":
        return _is_number(value) and 0 < value <= 1
    if name in ("guidance_scale", "true_cfg_scale"):
        return _is_number(value) and value >= 0
    return isinstance(value, bool | str) or _is_number(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _are_levels(named: tuple[Any, Any]) -> bool:
    name, levels = named
    return name in _LEVELS and isinstance(levels, list) and all(map(_is_number, levels))


def _misfits(pipeline: Any, default: dict[str, Any]) -> Iterator[str]:
    """Why a default cannot be put on a pipeline, before anything of it is touched."""
    kind, name = type(pipeline).__name__, default["scheduler_class"]
    scheduler: Any = getattr(pipeline, "scheduler", None)
    if not hasattr(scheduler, "config"):
        yield f"{kind} has no scheduler to set"
    elif unknown := _unknown_class(default):
        yield unknown
    elif default["grid"] not in ("native", "matched") and not given_levels(default["grid"]):
        yield f"grid {default['grid']} is none that this version knows"
    else:
        (_, driven), family = _before(scheduler), _measured_family(default)
        if driven != family:
            yield (
                f"{name} was measured on {with_article(family)} model, and {kind} with its "
                f"{type(scheduler).__name__} is {with_article(driven)} one"
            )
    if callable(pipeline):
        takes = inspect.signature(pipeline).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values()):
            lacking = [argument for argument in default["call"] if argument not in takes]
            if lacking:
                yield f"{kind} takes no {', '.join(lacking)}"


def _unknown_class(default: dict[str, Any]) -> str:
    """Why no scheduler of a default's class can be made, and what to do; empty where one can."""
    name = default["scheduler_class"]
    if not is_own(name):
        return "" if name in CLASSES else f"{name} is no scheduler that this version knows"
    from denoisebench.bench.plan.own_scheduler import recall

    try:
        recall(name, default["scheduler_flags"], family=default.get("scheduler_family"))
    except UserError as error:
        return str(error)
    return ""


def _measured_family(default: dict[str, Any]) -> str:
    """The family of the models that a default was measured on, once its class is known."""
    stated: str | None = default.get("scheduler_family")
    return stated or family_of(like(default["scheduler_class"]), default["scheduler_flags"])


def _before(scheduler: Any) -> tuple[dict[str, Any], str]:
    """Config of the scheduler that a pipeline had before any default, and the family of the models
    that it drives."""
    if hasattr(scheduler, _BEFORE):
        before: tuple[dict[str, Any], str] = getattr(scheduler, _BEFORE)
        return before
    return config_of(scheduler), family_of(class_like(type(scheduler)), scheduler.config)


def _scheduler(pipeline: Any, default: dict[str, Any], path: str | Path) -> Any:
    """The default's scheduler as it was measured.

    Its config is the one that the pipeline had before any default: flags of an earlier default
    would stay in the config of the scheduler that it set.
    """
    before = pipeline.scheduler
    config, family = _before(before)
    arguments = default["scheduler_class"], default["scheduler_flags"], config
    build = partial(build_scheduler, *arguments, grid=default["grid"])
    kind = type(pipeline).__name__
    try:
        differs = _differs(build(), default)
        scheduler = build()  # one that no steps were set of
    except _UNBUILDABLE as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: {_name(default)}: {default['scheduler_class']} cannot be made from "
            f"the config of the scheduler of {kind}: {why}"
        ) from error
    if differs:
        raise UserError(
            f"{path}: {_name(default)}: the config of the {type(before).__name__} of {kind} gives "
            f"{default['scheduler_class']} other {differs} than were measured; give the pipeline "
            "the scheduler that its model came with"
        )
    setattr(scheduler, _BEFORE, (config, family))
    return scheduler


def _doubts(pipeline: Any, default: dict[str, Any]) -> Iterator[str]:
    """Why what was proven may not hold here, though the default can be set."""
    if "not_run" in default:
        yield (
            f"{default['not_run']} of its sweep were not run when it was chosen: the same "
            "`denoisebench sweep` goes on, and may choose another"
        )
    yield from _not_set(default)
    measured, network = default["provenance"].get("denoiser", ""), denoiser_words(pipeline)
    if measured and network and measured != network:
        yield (
            f"it was measured of another model, with {with_article(measured)}; this one has "
            f"{with_article(network)}: what is best for one need not be for the other"
        )


def _not_set(default: dict[str, Any]) -> Iterator[str]:
    """What a default was measured with that this leaves to its user."""
    if "compile" in default:
        yield (
            f"it was timed with compile={default['compile']}, which is not done here: compile the "
            "denoiser, or it takes longer"
        )
    name = default.get("cache", NONE).partition(" ")[0]
    if CACHES[name].by_batch:
        yield (
            f"cache={name} decides for a whole batch at once, and was measured one image at a "
            "time: images of a larger batch are other ones"
        )


def _mixture(pipeline: Any) -> str:
    """What to know of networks of different number formats, empty where all have one: few
    pipelines convert between them, and what others raise does not say what to do."""
    formats = {
        name: str(part.dtype)  # as torch.float16
        for name, part in getattr(pipeline, "components", {}).items()
        if hasattr(part, "parameters") and hasattr(part, "dtype")
    }
    if len({*formats.values()}) < 2:
        return ""
    parts = ", ".join(f"{name} {kind.removeprefix('torch.')}" for name, kind in formats.items())
    denoisers = [formats[name] for name in ("unet", "transformer") if name in formats]
    one = [*denoisers, *formats.values()][0]
    return (
        f"the networks of {type(pipeline).__name__} have different number formats ({parts}): if "
        f"its call raises for that, pipe.to({one}) makes them one"
    )


def _differs(scheduler: Any, default: dict[str, Any]) -> str:
    """Which levels of a scheduler are not those that were measured, empty if none are.

    The last are compared, for a strength leaves out the first. Flow pipelines give their scheduler
    levels and a shift of their own, which are known in a call alone.
    """
    levels = default.get("noise_levels", {})
    given = {"sigmas", "timesteps", "original_inference_steps"}.intersection(default["call"])
    if not levels or given or _measured_family(default) == "flow":
        return ""
    scheduler.set_timesteps(default["call"][_STEPS])
    for name, measured in levels.items():
        built = [float(level) for level in getattr(scheduler, name)][-len(measured) :]
        if not _are_near(built, measured, name):
            return str(name)
    return ""


def _are_near(levels: list[float], measured: list[float], name: str) -> bool:
    """Whether levels are the same but for rounding."""
    whole = 1.0 if name == "timesteps" else 0.0  # to which some round them
    return len(levels) == len(measured) and all(
        math.isclose(level, other, rel_tol=_NEARLY, abs_tol=max(whole, 1e-6))
        for level, other in zip(levels, measured, strict=True)
    )


def _plain(value: Any) -> Any:
    """The value as YAML gives it back: a tuple as a list."""
    return list(value) if isinstance(value, tuple) else value


def _keywords(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _name(default: dict[str, Any]) -> str:
    """`shapes-ddpm, img2img, strength 0.5, seed 0, for clip_score_shapes`."""
    selectors = _selectors(default)
    named = (name for name, value in selectors.items() if name != "default_for" and value != [])
    return f"{describe(selectors, named)}, for {default['default_for']}"
