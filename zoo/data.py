"""Batches of rendered scenes as tensors, and picture sheets."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from denoisebench.bench.shapes.render import render
from denoisebench.bench.shapes.world import TRAIN_SEED, Scenes, draw_scenes


def batch_scenes(step: int, batch_size: int, seed: int = TRAIN_SEED) -> Scenes:
    """The scenes of a training step: no scene is seen twice."""
    return draw_scenes(seed, step * batch_size, (step + 1) * batch_size)


def images_of(scenes: Scenes, device: str) -> Tensor:
    """Renders [N, 3, 32, 32] float in [-1, 1]."""
    return to_signed(torch.from_numpy(render(scenes)).to(device))


def to_signed(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


def save_sheet(images: Tensor, path: Path, columns: int, *, zoom: int = 3) -> None:
    """Images [N, 3, H, W] float in [-1, 1] as one picture, row by row."""
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()
    n, c, h, w = pixels.shape
    rows = n // columns
    grid = pixels[: rows * columns].reshape(rows, columns, c, h, w).transpose(0, 3, 1, 4, 2)
    picture = Image.fromarray(np.ascontiguousarray(grid.reshape(rows * h, columns * w, c)))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.resize((columns * w * zoom, rows * h * zoom), Image.Resampling.NEAREST).save(path)
