"""Models: a diffusers pipeline from a local folder, in one precision, on one device."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.paths import existing


def model_folder(name: str, path: str) -> Path:
    """The pipeline's folder. Raises UserError that names every part that is not there."""
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


def _lacks(part: Path) -> Iterator[str]:
    """What a part of a pipeline lacks: its folder, or the weights beside its config."""
    if not part.is_dir():
        yield f"folder {part} is missing"
    elif (part / "config.json").exists() and not list(part.glob("*.safetensors")):
        yield f"no .safetensors file in {part}"


def train_timesteps(folder: Path) -> int:
    """Length of the model's training grid: the most steps a scheduler can take."""
    config = folder / "scheduler" / "scheduler_config.json"
    return _read_json(config, f"scheduler config of {folder}").get("num_train_timesteps", 1000)


def _read_json(path: Path, what: str) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{what}: {path} cannot be read ({error}); place it there again") from error


def load_pipeline(folder: Path, dtype: str, device: str) -> Any:
    """The pipeline in evaluation mode with its progress bars off; safetensors only.

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
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, SafetensorError) as error:
        said = str(error).splitlines()[0]
        raise UserError(f"{folder} cannot be loaded ({said}); place its files again") from error
    if getattr(pipeline, "safety_checker", None) is not None:
        pipeline.safety_checker = None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)
