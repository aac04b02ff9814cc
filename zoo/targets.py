"""What a network is trained to read from a scene: class indices, -1 where there is none."""

import numpy as np
import torch
from torch import Tensor, nn

from denoisebench.bench.shapes.world import (
    BACKGROUNDS,
    COLOURS,
    IMAGE_SIZE,
    RELATIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    Scenes,
)

_OBJECT = {
    "shape": len(SHAPES),
    "colour": len(COLOURS),
    "texture": len(TEXTURES),
    "size": len(SIZES),
}
_LAYOUT = {
    "layout": 3,
    "background": len(BACKGROUNDS),
}  # one object, side by side, one above the other

IMAGE_HEADS = {**_LAYOUT, **{f"{name}{k}": size for k in (0, 1) for name, size in _OBJECT.items()}}
POSITION_HEAD = {"position": 4}  # x0, y0, x1, y1, regressed
CAPTION_HEADS = {**IMAGE_HEADS, "layout": 1 + len(RELATIONS)}


def image_targets(scenes: Scenes) -> dict[str, Tensor]:
    """Object 0 is the left or upper one: the order that pixels show."""
    order = _spatial_order(scenes)
    layout = np.where(scenes.count == 1, 0, 1 + (scenes.relation >= 2))
    return {"layout": torch.from_numpy(layout), **_objects(scenes, order)}


def caption_targets(scenes: Scenes) -> dict[str, Tensor]:
    """Object 0 is the one named first."""
    order = np.tile([0, 1], (len(scenes), 1))
    layout = np.where(scenes.count == 1, 0, 1 + scenes.relation)
    return {"layout": torch.from_numpy(layout), **_objects(scenes, order)}


def positions(scenes: Scenes) -> Tensor:
    """Centres [N, 4] in [-1, 1], left or upper object first; nan for no second object."""
    centre = np.take_along_axis(scenes.centre, _spatial_order(scenes)[:, :, None], 1)
    centre = 2 * centre / IMAGE_SIZE - 1
    centre[scenes.count == 1, 1] = np.nan
    return torch.from_numpy(centre.reshape(-1, 4)).float()


def attribute_loss(logits: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy over the heads, absent second objects left out."""
    losses = [
        nn.functional.cross_entropy(logits[name], target.to(logits[name].device), ignore_index=-1)
        for name, target in targets.items()
    ]
    return torch.stack(losses).mean()


def _objects(scenes: Scenes, order: np.ndarray) -> dict[str, Tensor]:
    out = {"background": torch.from_numpy(scenes.background)}
    for name in _OBJECT:
        values = np.take_along_axis(getattr(scenes, name), order, 1)
        values[scenes.count == 1, 1] = -1
        out |= {f"{name}{k}": torch.from_numpy(values[:, k].copy()) for k in (0, 1)}
    return out


def _spatial_order(scenes: Scenes) -> np.ndarray:
    swapped = (scenes.count == 2) & (scenes.relation % 2 == 1)  # right of, below
    return np.where(swapped[:, None], [1, 0], [0, 1])
