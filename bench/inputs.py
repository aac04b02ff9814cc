"""Input images and masks of tasks that start from an image."""

from dataclasses import dataclass

import numpy as np

from bench.cell import digest
from bench.settings import Settings
from bench.shapes.render import render
from bench.shapes.world import PROMPT_SEED, draw_scenes


@dataclass(frozen=True, eq=False)
class Inputs:
    images: np.ndarray
    masks: np.ndarray | None


def load_inputs(settings: Settings, first: int, last: int) -> Inputs:
    images = render(draw_scenes(PROMPT_SEED, first, last))
    masks = np.zeros((len(images), 32, 32), bool)
    masks[:, 8:24, 8:24] = True
    return Inputs(images, masks if settings.task.name == "inpaint" else None)


def inputs_identity(settings: Settings) -> str:
    return digest([settings.task.model_dump()], 16)
