"""A measured default, put on a pipeline: bench.defaults.apply(pipeline, "defaults.yaml")."""

import json
from pathlib import Path
from typing import Any

import yaml

from bench.errors import UserError
from bench.grids import build_scheduler

_SCHEMA = 1
_STEERED = ("guidance_rescale", "guidance_interval")  # hooks of a sweep: no argument of a pipeline


def apply(
    pipeline: Any,
    path: str | Path,
    *,
    model: str | None = None,
    task: str | None = None,
    default_for: str | None = None,
    strength: float | None = None,
) -> dict[str, Any]:
    """Sets the pipeline's scheduler; returns the arguments of its call, steps and guidance.

    A file with several defaults is narrowed down by model, task, metric and strength; without
    default_for the first metric's counts. Raises UserError when none is left, or several are, or
    the one that is left was not decided.

        pipe = StableDiffusionPipeline.from_pretrained(…)
        images = pipe(prompt, **apply(pipe, "runs/demo/defaults.yaml")).images
    """
    asked = {"model": model, "task": task, "default_for": default_for, "strength": strength}
    found = _choose(_read(Path(path)), {k: v for k, v in asked.items() if v is not None}, path)
    if "call" not in found:
        raise UserError(
            f"{path}: no default of {_name(found)} was decided ({found['outcome']}): more samples "
            "or more steps are needed, see the report"
        )
    steered = [name for name in _STEERED if name in found]
    if steered:
        raise UserError(
            f"{path}: {_name(found)} was measured with {', '.join(steered)}, which pipelines of "
            "diffusers have no argument for"
        )
    flags = json.dumps(found["scheduler_flags"])
    own = pipeline.scheduler.config
    pipeline.scheduler = build_scheduler(found["scheduler_class"], flags, own, found["grid"])
    return dict(found["call"])


def _read(path: Path) -> list[dict]:
    try:
        content = yaml.safe_load(path.read_text())
        if content["schema"] == _SCHEMA:
            return content["defaults"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read as defaults: `denoisebench report RUN` writes defaults.yaml"
        ) from error
    raise UserError(f"{path} has schema {content['schema']}, this version reads {_SCHEMA}")


def _choose(defaults: list[dict], asked: dict[str, Any], path: str | Path) -> dict:
    left = [one for one in defaults if all(one.get(k) == v for k, v in asked.items())]
    if not left:
        have = "; ".join(map(_name, defaults)) or "nothing"
        raise UserError(f"{path}: no default for {asked}; it has {have}")
    if "default_for" not in asked:
        first = left[0]["default_for"]
        left = [one for one in left if one["default_for"] == first]
    if len(left) > 1:
        raise UserError(
            f"{path}: several defaults: {'; '.join(map(_name, left))}; say model, task or strength"
        )
    return left[0]


def _name(one: dict) -> str:
    strength = f", strength {one['strength']:g}" if "strength" in one else ""
    return f"{one['model']}, {one['task']}{strength}, for {one['default_for']}"
