"""A measured default, put on a pipeline: denoisebench.apply(pipeline, "defaults.yaml")."""

import inspect
import json
import math
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.defaults_file import DTYPES, NAMED_BY, SCHEMA
from denoisebench.bench.schedulers.catalogue import CLASSES, scheduler_class
from denoisebench.bench.schedulers.grids import build_scheduler
from denoisebench.metrics.decide.verdicts import NO_PLATEAU, PASS

_STEERED = ("guidance_rescale", "guidance_interval")  # hooks of a sweep: no argument of a pipeline
_ALWAYS_SAID = ("model", "task", "default_for")
_TYPES = {**dict.fromkeys(_ALWAYS_SAID, str), "outcome": str}  # of what every record has
_DECIDED = (PASS, NO_PLATEAU)  # outcomes that come with a setting
_SETTING_TYPES = {
    **{"scheduler_class": str, "scheduler_flags": dict, "grid": str},
    **{"call": dict, "provenance": dict},
}
_STEPS = "num_inference_steps"
_LEVELS = ("sigmas", "timesteps")  # what a scheduler has of them, and a file may say
_MOST_STEPS = 10_000
# On a scheduler that was set here: the config of the one before it, without a default's flags.
_CONFIG_BEFORE = "denoisebench_config_before"
_NEARLY = 0.01  # by which levels of one spacing may differ: rounding, half precision
_ANEW = "`denoisebench report RUN` writes the file anew"
_UNBUILDABLE = (TypeError, ValueError, AssertionError, AttributeError, NotImplementedError)


def apply(
    pipeline: Any, path: str | Path, *, default_for: str | None = None, **held: Any
) -> dict[str, Any]:
    """Sets the pipeline's scheduler; returns the arguments of its call, steps and guidance.

    A file with several defaults is narrowed down by metric and by what its sweep varied beside
    guidance, scheduler and steps: model="shapes-ddpm", task="img2img", strength=0.5, seed=0,
    dtype="float32", … None says nothing; without default_for the first metric's counts. Raises
    UserError when none is left, or several are, when the one that is left was not decided, and
    for a pipeline that it does not fit: then the pipeline is as it was. Defaults can follow each
    other on a pipeline. Warns of one whose curve still gains.

        pipe = StableDiffusionPipeline.from_pretrained(…)
        images = pipe(prompt, **apply(pipe, "runs/demo/defaults.yaml")).images
    """
    said = {"default_for": default_for, **held}
    asked = {name: _plain(value) for name, value in said.items() if value is not None}
    found = _choose(read_defaults(path), asked, path)
    if "call" not in found:
        raise UserError(
            f"{path}: no default of {_name(found)} was decided ({found['outcome']}): more samples "
            "or more steps are needed, see the report"
        )
    steered = [name for name in _STEERED if found.get(name)]
    if steered:
        raise UserError(
            f"{path}: {_name(found)} was measured with {', '.join(steered)}, which pipelines of "
            "diffusers have no argument for"
        )
    problem = next(_damages(found), "") or next(_misfits(pipeline, found), "")
    if problem:
        raise UserError(f"{path}: {_name(found)}: {problem}")
    scheduler = _scheduler(pipeline, found, path)
    if found["outcome"] == NO_PLATEAU:
        warnings.warn(
            f"{path}: {_name(found)}: its curve still gains at {found['call'][_STEPS]} steps, the "
            "most that were swept: more may be better",
            stacklevel=2,
        )
    pipeline.scheduler = scheduler
    return dict(found["call"])


def read_defaults(path: str | Path) -> list[dict[str, Any]]:
    """The records of a file. Raises UserError for what is no file of defaults, or a part of one."""
    problem = f"{path} cannot be read as defaults: `denoisebench report RUN` writes defaults.yaml"
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        schema, defaults = content["schema"], content["defaults"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(problem) from error
    if schema != SCHEMA:
        raise UserError(f"{path} has schema {schema}, this version reads {SCHEMA}")
    if not isinstance(defaults, list) or not all(map(_is_default, defaults)):
        raise UserError(problem)
    return defaults


def are_intact(path: Path) -> bool:
    try:
        read_defaults(path)
    except UserError:
        return False
    return True


def _is_default(one: Any) -> bool:
    """Whether a record has all that is read of it; one that was not decided has no setting."""
    if not isinstance(one, dict) or not isinstance(one.get("held", {}), dict):
        return False
    types = {**_TYPES, **(_SETTING_TYPES if one.get("outcome") in _DECIDED else {})}
    whole = all(isinstance(one.get(name), kind) for name, kind in types.items())
    # A file that was cut lacks the end of its last record.
    return whole and ("provenance" not in types or one["provenance"].get("dtype") in DTYPES)


def _selectors(one: dict[str, Any]) -> dict[str, Any]:
    """All that the file says of a default to tell it from others."""
    said = {name: one[name] for name in NAMED_BY if name in one}
    return {**said, **one.get("held", {})}


def _choose(
    defaults: list[dict[str, Any]], asked: dict[str, Any], path: str | Path
) -> dict[str, Any]:
    known = _distinct(name for one in defaults for name in _selectors(one))
    unknown = [name for name in asked if name not in known]
    if unknown and defaults:
        raise UserError(
            f"{path}: its defaults are not told apart by {', '.join(unknown)}; "
            f"they are by {', '.join(known)}"
        )
    left = [one for one in defaults if asked.items() <= _selectors(one).items()]
    if not left:
        have = "; ".join(map(_name, defaults)) or "nothing"
        raise UserError(f"{path}: no default for {_keywords(asked) or 'anything'}; it has {have}")
    if "default_for" not in asked:
        first = left[0]["default_for"]
        left = [one for one in left if one["default_for"] == first]
    if len(left) > 1:
        raise UserError(f"{path}: several defaults: {_how_to_tell_apart(left)}")
    return left[0]


def _how_to_tell_apart(several: list[dict[str, Any]]) -> str:
    """`they differ in seed (0, 1): say which, as in apply(pipeline, path, seed=0)`."""
    said = [_selectors(one) for one in several]
    differing = [
        name
        for name in _distinct(name for one in said for name in one)
        if len(_distinct(one.get(name) for one in said)) > 1
    ]
    if not differing:
        return "nothing in the file tells them apart; `denoisebench report RUN` writes it anew"
    told = []
    for name in differing:
        values = _distinct(one[name] for one in said if name in one)
        told.append(f"{name} ({', '.join(map(repr, values))})")
    example = _keywords({name: said[0][name] for name in differing if name in said[0]})
    return f"they differ in {', '.join(told)}: say which, as in apply(pipeline, path, {example})"


def _distinct(values: Iterable[Any]) -> list[Any]:
    """In their order; lists have no hash."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _damages(found: dict[str, Any]) -> Iterator[str]:
    """What no sweep can have written into a default's setting."""
    call = found["call"]
    for name, value in {_STEPS: None, **call}.items():
        if not _is_sensible(name, value):
            yield f"{name} {value} is no value that a sweep measures; {_ANEW}"
    if found["scheduler_class"] in CLASSES:
        takes = inspect.signature(scheduler_class(found["scheduler_class"])).parameters
        unknown = [flag for flag in found["scheduler_flags"] if flag not in takes]
        if unknown:
            yield f"{found['scheduler_class']} has no flag {', '.join(unknown)}; {_ANEW}"
    levels = found.get("noise_levels", {})
    if not isinstance(levels, dict) or not all(map(_are_levels, levels.items())):
        yield f"noise_levels are no lists of numbers; {_ANEW}"


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


def _misfits(pipeline: Any, found: dict[str, Any]) -> Iterator[str]:
    """Why a default cannot be put on a pipeline, before anything of it is touched."""
    kind, name = type(pipeline).__name__, found["scheduler_class"]
    own: Any = getattr(pipeline, "scheduler", None)
    if name not in CLASSES:
        yield f"{name} is no scheduler that this version knows"
    elif found["grid"] not in ("native", "matched"):
        yield f"grid {found['grid']} is none that this version knows"
    elif not hasattr(own, "config"):
        yield f"{kind} has no scheduler to set"
    else:
        driven = _family(type(own).__name__, own.config)
        family = _family(name, found["scheduler_flags"])
        if driven != family:
            yield (
                f"{name} was measured on a {family} model, and {kind} with its "
                f"{type(own).__name__} is a {driven} one"
            )
    if callable(pipeline):
        takes = inspect.signature(pipeline).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in takes.values()):
            lacking = [argument for argument in found["call"] if argument not in takes]
            if lacking:
                yield f"{kind} takes no {', '.join(lacking)}"


def _family(class_name: str, config: Any) -> str:
    """Of the models that a scheduler with such a config drives; on others it gives noise."""
    flow = class_name.startswith("FlowMatch") or config.get("use_flow_sigmas", False)
    return "flow" if flow else "diffusion"


def _scheduler(pipeline: Any, found: dict[str, Any], path: str | Path) -> Any:
    """As it was measured, from the config that the pipeline had before any default of ours: flags
    of an earlier one would stay in the config of the scheduler that it set."""
    flags, own = json.dumps(found["scheduler_flags"]), pipeline.scheduler
    config = getattr(own, _CONFIG_BEFORE, own.config)
    build = partial(build_scheduler, found["scheduler_class"], flags, config, grid=found["grid"])
    kind = type(pipeline).__name__
    try:
        differs = _differs(build(), found)
        scheduler = build()  # one that no steps were set of
    except _UNBUILDABLE as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: {_name(found)}: {found['scheduler_class']} cannot be made from the config of "
            f"the scheduler of {kind}: {why}"
        ) from error
    if differs:
        raise UserError(
            f"{path}: {_name(found)}: the config of the {type(own).__name__} of {kind} gives "
            f"{found['scheduler_class']} other {differs} than were measured; give the pipeline the "
            "scheduler that its model came with"
        )
    setattr(scheduler, _CONFIG_BEFORE, config)
    return scheduler


def _differs(scheduler: Any, found: dict[str, Any]) -> str:
    """Which levels of a scheduler are not those that were measured, empty if none are.

    The last are compared, for a strength leaves out the first. Flow pipelines give their scheduler
    levels and a shift of their own, which are known in a call alone.
    """
    levels = found.get("noise_levels", {})
    given = {"sigmas", "timesteps", "original_inference_steps"}.intersection(found["call"])
    if not levels or given or _family(found["scheduler_class"], scheduler.config) == "flow":
        return ""
    scheduler.set_timesteps(found["call"][_STEPS])
    for name, measured in levels.items():
        own = [float(level) for level in getattr(scheduler, name)][-len(measured) :]
        if len(own) != len(measured) or not all(map(_is_near, own, measured, [name] * len(own))):
            return str(name)
    return ""


def _is_near(own: float, measured: float, name: str) -> bool:
    whole = 1.0 if name == "timesteps" else 0.0  # to which some round them
    return math.isclose(own, measured, rel_tol=_NEARLY, abs_tol=max(whole, 1e-6))


def _plain(value: Any) -> Any:
    """As YAML gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _keywords(asked: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in asked.items())


def _name(one: dict[str, Any]) -> str:
    """`shapes-ddpm, img2img, strength 0.5, seed 0, for clip_score_shapes`."""
    more = {k: v for k, v in _selectors(one).items() if k not in _ALWAYS_SAID}
    told = "".join(f", {name} {_words(value)}" for name, value in more.items())
    return f"{one['model']}, {one['task']}{told}, for {one['default_for']}"


def _words(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
