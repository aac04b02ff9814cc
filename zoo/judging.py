"""What the generators of each world are asked for, judged by and held against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from denoisebench.bench import fashion
from denoisebench.bench.inputs.photographs import photographs_showing
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.shapes.render import dataset, render
from denoisebench.bench.shapes.world import (
    HELD_OUT_SEED,
    PROMPT_SEED,
    REFERENCE_SEED,
    Scenes,
    captions,
    draw_scenes,
)
from denoisebench.metrics.networks.attributes import AttributeNet
from zoo.data import SHAPES, World
from zoo.fashion import FASHION
from zoo.targets import image_targets

_RENDERS = 20_000  # reference images


@dataclass(frozen=True)
class Judging:
    """How images of a world are judged. What is shown or asked for: class indices [N] by head."""

    world: World
    heads: dict[str, str]  # heads of the feature network by what cards call them
    asked: Callable[[int], tuple[list[str], dict[str, Tensor]]]  # the first prompts
    shown: Callable[[int], tuple[np.ndarray, dict[str, Tensor]]]  # the first held-out pictures
    reference: Callable[[], Iterator[np.ndarray]]  # batches of images [N, 3, 32, 32] uint8
    guidance: tuple[float, float]  # none, and what the model is meant for

    @property
    def features(self) -> Path:
        return EMBEDDED / f"{self.world.name}-features" / "features.safetensors"

    @torch.no_grad()
    def read_right(
        self, judge: AttributeNet, images: np.ndarray, wanted: dict[str, Tensor]
    ) -> dict[str, float]:
        """Share of images [N, 3, 32, 32] of which is read what is wanted."""
        logits = judge.logits(judge(torch.from_numpy(images)))
        right = {name: logits[head].argmax(1) == wanted[head] for name, head in self.heads.items()}
        if "colour" in right:
            right["shape and colour"] = right["shape"] & right["colour"]
        return {name: round(float(hit.float().mean()), 4) for name, hit in right.items()}


def single_object_scenes(seed: int, count: int) -> Scenes:
    scenes = draw_scenes(seed, 0, 3 * count)
    return scenes[np.flatnonzero(scenes.count == 1)[:count]]


def _asked_scenes(count: int) -> tuple[list[str], dict[str, Tensor]]:
    scenes = single_object_scenes(PROMPT_SEED, count)
    return captions(scenes), image_targets(scenes)


def _shown_scenes(count: int) -> tuple[np.ndarray, dict[str, Tensor]]:
    scenes = single_object_scenes(HELD_OUT_SEED, count)
    return render(scenes), image_targets(scenes)


def _renders() -> Iterator[np.ndarray]:
    return (dataset(REFERENCE_SEED, i, i + 500)[0] for i in range(0, _RENDERS, 500))


def _photographs() -> Iterator[np.ndarray]:
    return iter(np.split(photographs_showing([]), 8))


def _classes(prompts: list[str]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in fashion.asked_for(prompts).items()}


def _asked_photographs(count: int) -> tuple[list[str], dict[str, Tensor]]:
    prompts = FASHION.prompts(count)
    return prompts, _classes(prompts)


def _shown_photographs(count: int) -> tuple[np.ndarray, dict[str, Tensor]]:
    images, texts = FASHION.held_out(0, count)
    return images, _classes(texts)


JUDGING = {
    "shapes": Judging(
        SHAPES,
        {name: f"{name}0" for name in ("shape", "colour", "texture", "size")}
        | {"background": "background"},
        _asked_scenes,
        _shown_scenes,
        _renders,
        guidance=(1.0, 4.0),
    ),
    "fashion": Judging(
        FASHION,
        {"class": "class"},
        _asked_photographs,
        _shown_photographs,
        _photographs,
        guidance=(1.0, 4.0),
    ),
}
