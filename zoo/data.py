"""Worlds that networks are trained on, their pictures as tensors, and picture sheets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from denoisebench.bench.shapes import world as shapes
from denoisebench.bench.shapes.render import dataset, render
from denoisebench.bench.shapes.world import HELD_OUT_SEED, TRAIN_SEED, Scenes, draw_scenes

Pictures = tuple[np.ndarray, list[str]]  # [N, 3, 32, 32] uint8, and a caption of each


@dataclass(frozen=True)
class World:
    """Pictures with captions: those to learn from, and others to measure by."""

    name: str  # of its networks, before a dash
    source: str  # where its pictures come from, for model cards
    words: tuple[str, ...]  # of its captions
    training: Callable[[int, int], Pictures]  # first and last number, without end
    held_out: Callable[[int, int], Pictures]
    prompts: Callable[[int], list[str]]  # the first ones of those that images are made of
    kinds: Callable[[list[str]], np.ndarray]  # [N], equal where captions fit the same pictures

    def batch(self, step: int, size: int) -> Pictures:
        """What a training step sees."""
        return self.training(step * size, (step + 1) * size)


SHAPES = World(
    "shapes",
    "scenes rendered by `bench/shapes` and their captions; no other data.",
    shapes.WORDS,
    training=lambda start, stop: dataset(TRAIN_SEED, start, stop),
    held_out=lambda start, stop: dataset(HELD_OUT_SEED, start, stop),
    prompts=lambda count: shapes.captions(draw_scenes(shapes.PROMPT_SEED, 0, count)),
    kinds=lambda captions: np.arange(len(captions)),
)


def batch_scenes(step: int, batch_size: int, seed: int = TRAIN_SEED) -> Scenes:
    """The scenes of a training step: no scene is seen twice."""
    return draw_scenes(seed, step * batch_size, (step + 1) * batch_size)


def images_of(scenes: Scenes, device: str) -> Tensor:
    """Renders [N, 3, 32, 32] float in [-1, 1]."""
    return to_signed(torch.from_numpy(render(scenes)).to(device))


def signed_pictures(pictures: Pictures, device: str) -> Tensor:
    """Images [N, 3, 32, 32] float in [-1, 1], without their captions."""
    return to_signed(torch.from_numpy(pictures[0]).to(device))


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
