"""Models: a diffusers pipeline from a local folder, in one precision, on one device."""

import json
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.paths import existing

DTYPES = ("float32", "bfloat16", "float16")


def model_folder(name: str, path: str) -> Path:
    """The pipeline's folder. Raises UserError when there is no complete one."""
    folder = existing(path, f"weights of model {name}")
    if not (folder / "model_index.json").exists():
        raise UserError(
            f"weights of model {name}: {folder} has no model_index.json; "
            f"place a folder saved by a diffusers pipeline there or set model.path"
        )
    for part, value in json.loads((folder / "model_index.json").read_text()).items():
        is_network = isinstance(value, list) and value[0] is not None and (folder / part).is_dir()
        if is_network and (folder / part / "config.json").exists():
            if not list((folder / part).glob("*.safetensors")):
                raise UserError(
                    f"weights of model {name}: no .safetensors file in {folder / part}; place it there"
                )
        elif isinstance(value, list) and value[0] is not None and not (folder / part).is_dir():
            raise UserError(f"weights of model {name}: folder {folder / part} is missing")
    return folder


def train_timesteps(folder: Path) -> int:
    """Length of the model's training grid: the most steps a scheduler can take."""
    config = folder / "scheduler" / "scheduler_config.json"
    return json.loads(config.read_text()).get("num_train_timesteps", 1000)


def load_pipeline(folder: Path, dtype: str, device: str) -> Any:
    """The pipeline in evaluation mode with its progress bars off; safetensors only."""
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    pipeline = DiffusionPipeline.from_pretrained(
        folder, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)
