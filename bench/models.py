"""Models: a diffusers pipeline from a local folder, or one in closed form; found, then loaded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cell import digest
from bench.errors import UserError
from bench.paths import CLOSED_FORM, content_hash, existing

_DISTILLED = ("LCM", "TCD")  # in the class name of a model's own scheduler


@dataclass(frozen=True)
class FoundModel:
    """A model that is there, and what a plan needs to know of it before anything is loaded."""

    source: Path | str  # folder of a pipeline, or the name of a closed-form model
    weights: str  # content hash, 16 hex digits
    family: str  # "diffusion" or "flow"
    train_timesteps: int  # length of the training grid: the most steps a scheduler can take
    scheduler_config: str  # JSON: what the schedulers that drive it are built from
    pipeline_class: str  # of diffusers, or ours in closed form
    distilled: bool = False  # predicts where the flow ends: for LCM, TCD and their like alone


def find_model(name: str, path: str) -> FoundModel:
    """Raises UserError that names every part that is not there."""
    if path.startswith(CLOSED_FORM):
        return _closed_form(name, path.removeprefix(CLOSED_FORM))
    folder = _model_folder(name, path)
    config = _read_json(
        folder / "scheduler" / "scheduler_config.json", f"scheduler config of {folder}"
    )
    own = config.get("_class_name", "")
    return FoundModel(
        folder,
        content_hash(folder),
        family="flow" if own.startswith("FlowMatch") else "diffusion",
        train_timesteps=config.get("num_train_timesteps", 1000),
        scheduler_config=json.dumps(config),
        pipeline_class=_read_json(folder / "model_index.json", f"index of {folder}")["_class_name"],
        distilled=any(name in own for name in _DISTILLED),
    )


def _closed_form(name: str, problem: str) -> FoundModel:
    from bench.closed_form import PROBLEMS, TRAIN_TIMESTEPS, VERSION, problem_scheduler

    if problem not in PROBLEMS:
        known = ", ".join(PROBLEMS)
        raise UserError(f"model {name}: there is no closed-form model {problem}; known: {known}")
    family = "flow" if PROBLEMS[problem].path == "flow" else "diffusion"
    config = json.dumps(dict(problem_scheduler(problem).config), default=str)
    weights = digest([problem, VERSION], 16)
    return FoundModel(problem, weights, family, TRAIN_TIMESTEPS, config, "ClosedFormPipeline")


def _model_folder(name: str, path: str) -> Path:
    what = f"weights of model {name}"
    folder = existing(path, what)
    index = folder / "model_index.json"
    if not index.exists():
        raise UserError(
            f"{what}: {folder} has no model_index.json; "
            f"place a folder saved by a diffusers pipeline there or set model.path"
        )
    parts = _read_json(index, what).items()
    named = [part for part, value in parts if isinstance(value, list) and value[0] is not None]
    problems = [
        f"{what}: {lack}; place it there" for part in named for lack in _lacks(folder / part)
    ]
    if problems:
        raise UserError("\n".join(problems))
    return folder


def absent_parts(folder: Path) -> dict[str, None]:
    """Parts a pipeline was saved without, as diffusers wants to be told: SD3's third encoder."""
    parts = _read_json(folder / "model_index.json", f"index of {folder}").items()
    return {part: None for part, value in parts if isinstance(value, list) and value[0] is None}


def _lacks(part: Path) -> Iterator[str]:
    """What a part of a pipeline lacks: its folder, or the weights beside its config."""
    if not part.is_dir():
        yield f"folder {part} is missing"
    elif (part / "config.json").exists() and not list(part.glob("*.safetensors")):
        yield f"no .safetensors file in {part}"


def _read_json(path: Path, what: str) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{what}: {path} cannot be read ({error}); place it there again") from error


def load_pipeline(source: Path | str, dtype: str, device: str) -> Any:
    """The pipeline of a FoundModel in evaluation mode with its progress bars off; safetensors only.

    A safety checker would replace images by black ones, which then counted in every metric.
    Raises UserError for files that are damaged or do not fit together.
    """
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    for library in (logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    if isinstance(source, str):
        from bench.closed_form import closed_form_pipeline

        return closed_form_pipeline(source).to(device, getattr(torch, dtype))
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            source,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            **absent_parts(source),
        )
    except (OSError, ValueError, SafetensorError) as error:
        said = str(error).splitlines()[0]
        raise UserError(f"{source} cannot be loaded ({said}); place its files again") from error
    if getattr(pipeline, "safety_checker", None) is not None:
        pipeline.safety_checker = None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)
