"""Scenes to pixels: anti-aliased, vectorised, a pure function of the scenes."""

from collections.abc import Callable, Sequence

import numpy as np

from denoisebench.bench.shapes.language import named_in
from denoisebench.bench.shapes.world import (
    BACKGROUNDS,
    COLOURS,
    IMAGE_SIZE,
    SHAPES,
    TEXTURES,
    Scenes,
    captions,
    draw_scenes,
)

_SHADE = 0.40  # the second colour of a texture is the object's colour times this
_MARGIN = 2.5  # pixels of a mask beyond an object's radius: room for every corner at any rotation
_CHUNK = 256  # scenes drawn at once: their float images stay in the processor's cache
_Field = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # over pixels: of x, y, radius


def render(scenes: Scenes) -> np.ndarray:
    """Images [N, 3, 32, 32] uint8 of the scenes."""
    rows = np.arange(len(scenes))
    chunks = [_render(scenes, rows[i : i + _CHUNK]) for i in rows[::_CHUNK]]
    return np.concatenate(chunks) if chunks else np.empty((0, 3, IMAGE_SIZE, IMAGE_SIZE), np.uint8)


def dataset(seed: int, start: int, stop: int) -> tuple[np.ndarray, list[str]]:
    """Images [N, 3, 32, 32] uint8 and captions of scenes start..stop-1 of a stream."""
    scenes = draw_scenes(seed, start, stop)
    texts = captions(scenes)
    return render(scenes), texts


def pictures_of(prompts: Sequence[str], seed: int, start: int) -> np.ndarray:
    """Images [N, 3, 32, 32] uint8 of captions; the first is of scene start of a stream, as far as
    its caption leaves it open."""
    return render(draw_scenes(seed, start, start + len(prompts), named=named_in(prompts)))


def object_masks(scenes: Scenes) -> np.ndarray:
    """Masks [N, 32, 32] bool: True in a square that covers the first object of each scene."""
    pixels = np.arange(IMAGE_SIZE) + 0.5
    reach = scenes.radius[:, :1] + _MARGIN
    x, y = (np.abs(pixels - scenes.centre[:, 0, axis, None]) <= reach for axis in (0, 1))
    masks: np.ndarray = y[:, :, None] & x[:, None, :]
    return masks


def _render(scenes: Scenes, rows: np.ndarray) -> np.ndarray:
    """Images of some of the scenes, by their numbers [N]."""
    image = _backgrounds(scenes, rows)
    _paint(image, scenes, rows, k=0)
    two = np.flatnonzero(scenes.count[rows] == 2)
    second = image[two]
    _paint(second, scenes, rows[two], k=1)
    image[two] = second
    pixels: np.ndarray = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    return pixels


def _backgrounds(scenes: Scenes, rows: np.ndarray) -> np.ndarray:
    """Float images [N, 3, 32, 32]: a plain colour under a linear gradient."""
    colour = np.array(list(BACKGROUNDS.values()), np.float32)[scenes.background[rows]]
    colour = colour + scenes.background_jitter[rows].astype(np.float32)
    ramp = ((np.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE * 2 - 1).astype(np.float32)
    x, y = scenes.gradient[rows].astype(np.float32).T[:, :, None, None]
    shade = x * ramp[None, None, :] + y * ramp[None, :, None]
    image: np.ndarray = colour[:, :, None, None] + shade[:, None]
    return image


def _paint(image: np.ndarray, scenes: Scenes, rows: np.ndarray, *, k: int) -> None:
    """Draws the k-th object of these scenes over their images, in place."""
    x, y = _local_coordinates(scenes.centre[rows, k], scenes.rotation[rows, k])
    radius = scenes.radius[rows, k].astype(np.float32)[:, None, None]
    cover = _by_kind(
        scenes.shape[rows, k], [_DISTANCES[name] for name in SHAPES], x=x, y=y, radius=radius
    )
    cover = np.clip(0.5 - cover, 0, 1)[:, None]
    light = _by_kind(
        scenes.texture[rows, k], [_LIGHTS[name] for name in TEXTURES], x=x, y=y, radius=radius
    )
    light = (_SHADE + (1 - _SHADE) * light)[:, None]
    colour = np.array(list(COLOURS.values()), np.float32)[scenes.colour[rows, k]]
    colour = (colour + scenes.object_jitter[rows, k].astype(np.float32))[:, :, None, None]
    image += cover * (colour * light - image)


def _local_coordinates(centre: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres in the object's own frame, each [N, 32, 32], in pixels, y pointing down."""
    grid = (np.arange(IMAGE_SIZE) + 0.5).astype(np.float32)
    cx, cy = centre.astype(np.float32).T
    dx, dy = grid[None, None, :] - cx[:, None, None], grid[None, :, None] - cy[:, None, None]
    angle = rotation.astype(np.float32)[:, None, None]
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * dx + sin * dy, cos * dy - sin * dx


def _by_kind(
    kind: np.ndarray, functions: list[_Field], *, x: np.ndarray, y: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """Applies functions[kind[i]] to scene i."""
    out = np.empty_like(x)
    for index, function in enumerate(functions):
        rows = np.flatnonzero(kind == index)
        if len(rows):
            out[rows] = function(x[rows], y[rows], radius[rows])
    return out


# Signed distances to the outline in pixels, negative inside; r is the radius of the object.
def _circle(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    distance: np.ndarray = np.hypot(x, y) - 0.97 * r
    return distance


def _square(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    distance: np.ndarray = np.maximum(np.abs(x), np.abs(y)) - 0.84 * r
    return distance


def _triangle(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    y = y - 0.18 * r
    distance: np.ndarray = np.maximum(0.866 * np.abs(x) - 0.5 * y, y) - 0.6 * r
    return distance


def _ring(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    distance: np.ndarray = np.abs(np.hypot(x, y) - 0.72 * r) - 0.26 * r
    return distance


def _cross(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    x, y = np.abs(x), np.abs(y)
    distance: np.ndarray = np.maximum(np.maximum(x, y) - 0.98 * r, np.minimum(x, y) - 0.33 * r)
    return distance


def _star(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Five points: the plane folded to one tenth, where the outline is one straight edge."""
    half = np.pi / 5
    angle = np.abs((np.arctan2(x, -y) + half) % (2 * half) - half)
    length = np.hypot(x, y)
    tip, notch = 1.15 * r, 0.48 * r
    edge_x, edge_y = notch * np.cos(half) - tip, notch * np.sin(half)
    px, py = length * np.cos(angle) - tip, length * np.sin(angle)
    distance: np.ndarray = (edge_x * py - edge_y * px) / -np.hypot(edge_x, edge_y)
    return distance


_DISTANCES = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "ring": _ring,
    "cross": _cross,
    "star": _star,
}


# Textures: the share of light in [0, 1] at a point, edges anti-aliased over one pixel.
def _solid(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    return np.ones_like(x)


def _wave(u: np.ndarray, period: float) -> np.ndarray:
    """Distance in pixels to the nearest edge of a square wave, positive on its light half."""
    return period / 4 - np.abs((u / period) % 1 - 0.5) * period


def _striped(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    return np.clip(_wave(y, 5.0) + 0.5, 0, 1)


def _checkered(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    light_x, light_y = (np.clip(2 * _wave(u, 7.0), -1, 1) for u in (x, y))
    light: np.ndarray = 0.5 + 0.5 * light_x * light_y
    return light


def _dotted(x: np.ndarray, y: np.ndarray, r: np.ndarray) -> np.ndarray:
    near_x, near_y = (((u / 5 + 0.5) % 1 - 0.5) * 5 for u in (x, y))
    light: np.ndarray = np.clip(np.hypot(near_x, near_y) - 1.5 + 0.5, 0, 1)
    return light


_LIGHTS = {"solid": _solid, "striped": _striped, "checkered": _checkered, "dotted": _dotted}
