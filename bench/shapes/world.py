"""The embedded world: which scenes exist, how they are drawn at random, and their captions.

A scene is one or two objects on a background. This file knows attributes and words; `render.py`
turns scenes into pixels. Scene i of a stream depends on (seed, i) alone, so any slice of a stream
can be made without the scenes before it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

IMAGE_SIZE = 32  # pixels

SHAPES = ("circle", "square", "triangle", "ring", "cross", "star")
COLOURS = {
    "red": (0.87, 0.12, 0.12),
    "orange": (0.98, 0.55, 0.08),
    "yellow": (0.96, 0.90, 0.15),
    "green": (0.15, 0.68, 0.22),
    "cyan": (0.20, 0.83, 0.88),
    "blue": (0.14, 0.28, 0.88),
    "purple": (0.58, 0.18, 0.72),
    "white": (0.95, 0.95, 0.95),
}
BACKGROUNDS = {**COLOURS, "grey": (0.50, 0.50, 0.50), "black": (0.07, 0.07, 0.07)}
TEXTURES = ("solid", "striped", "checkered", "dotted")
SIZES = {"small": (4.8, 5.4), "large": (6.8, 7.5)}  # radius in pixels, lowest and highest
RELATIONS = ("left of", "right of", "above", "below")

_DRAWN = {"shape": SHAPES, "texture": TEXTURES, "size": SIZES, "colour": COLOURS}

WORDS = tuple(
    dict.fromkeys(
        [
            "a",
            "on",
            "of",
            "background",
            *SHAPES,
            *BACKGROUNDS,
            *TEXTURES,
            *SIZES,
            *(word for relation in RELATIONS for word in relation.split()),
        ]
    )
)

# Independent streams: one is never trained or conditioned on what another measures.
TRAIN_SEED, HELD_OUT_SEED, REFERENCE_SEED, PROMPT_SEED, INPUT_SEED = 1, 2, 3, 4, 5

_DRAWS_PER_SCENE = 40  # uniforms reserved for one scene; a multiple of Philox's block of four
_MAX_ROTATION = 0.26  # radians, about 15 degrees
_OBJECT_JITTER, _BACKGROUND_JITTER, _MAX_GRADIENT = 0.06, 0.05, 0.16  # in units of full intensity
_BORDER = 0.5  # pixels kept free between an object and the frame


@dataclass(frozen=True, eq=False)
class Scenes:
    """N scenes as arrays; column k of an [N, 2] array is the k-th object named in the caption."""

    count: np.ndarray  # [N] int, 1 or 2 objects
    shape: np.ndarray  # [N, 2] int, index into SHAPES
    colour: np.ndarray  # [N, 2] int, index into COLOURS
    texture: np.ndarray  # [N, 2] int, index into TEXTURES
    size: np.ndarray  # [N, 2] int, index into SIZES
    radius: np.ndarray  # [N, 2] float, pixels
    centre: np.ndarray  # [N, 2, 2] float, pixels: object, (x, y)
    rotation: np.ndarray  # [N, 2] float, radians
    relation: np.ndarray  # [N] int, index into RELATIONS; meaningless for one object
    background: np.ndarray  # [N] int, index into BACKGROUNDS
    object_jitter: np.ndarray  # [N, 2, 3] float, added to the colour
    background_jitter: np.ndarray  # [N, 3] float
    gradient: np.ndarray  # [N, 2] float, change of intensity from centre to border along x and y

    def __len__(self) -> int:
        return len(self.count)

    def __getitem__(self, index: slice | np.ndarray) -> "Scenes":
        return Scenes(*(getattr(self, field.name)[index] for field in fields(self)))


def draw_scenes(
    seed: int, start: int, stop: int, *, named: Mapping[str, np.ndarray] | None = None
) -> Scenes:
    """Scenes start..stop-1 of the stream named by seed. named: what captions say of them, by
    field of Scenes (see language.py); the rest is drawn."""
    draw, named = _columns(_uniforms(seed, start, stop)), named or {}
    count = named.get("count", 1 + (next(draw) < 0.5))
    shape, texture, size, colour = (
        named.get(name, _choose(_pair(draw), len(options))) for name, options in _DRAWN.items()
    )
    low, high = np.array(list(SIZES.values())).T
    radius = low[size] + _pair(draw) * (high - low)[size]
    relation = named.get("relation", _choose(next(draw), len(RELATIONS)))
    alone, beside = (
        _one_centre(radius, _pair(draw)),
        _two_centres(radius, relation, along=_pair(draw), across=_pair(draw)),
    )
    return Scenes(
        count=count,
        shape=shape,
        colour=colour,
        texture=texture,
        size=size,
        radius=radius,
        centre=np.where((count == 1)[:, None, None], alone, beside),
        rotation=_MAX_ROTATION * (2 * _pair(draw) - 1),
        relation=relation,
        background=named.get("background", _background(next(draw), colour)),
        object_jitter=_OBJECT_JITTER * (2 * np.stack([_triple(draw), _triple(draw)], 1) - 1),
        background_jitter=_BACKGROUND_JITTER * (2 * _triple(draw) - 1),
        gradient=_gradient(_pair(draw)),
    )


def captions(scenes: Scenes) -> list[str]:
    """One sentence per scene, made of WORDS alone."""
    return [_caption(scenes, i) for i in range(len(scenes))]


def _caption(scenes: Scenes, i: int) -> str:
    text = _object_phrase(scenes, i, 0)
    if scenes.count[i] == 2:
        text += f" {RELATIONS[scenes.relation[i]]} {_object_phrase(scenes, i, 1)}"
    return f"{text} on a {tuple(BACKGROUNDS)[scenes.background[i]]} background"


def _object_phrase(scenes: Scenes, i: int, k: int) -> str:
    size, colour = tuple(SIZES)[scenes.size[i, k]], tuple(COLOURS)[scenes.colour[i, k]]
    return f"a {size} {TEXTURES[scenes.texture[i, k]]} {colour} {SHAPES[scenes.shape[i, k]]}"


def _uniforms(seed: int, start: int, stop: int) -> np.ndarray:
    bits = np.random.Philox(key=seed)
    bits.advance(start * _DRAWS_PER_SCENE // 4)  # Philox counts in blocks of four draws
    return np.random.Generator(bits).random((stop - start, _DRAWS_PER_SCENE))


def _columns(draws: np.ndarray) -> Iterator[np.ndarray]:
    yield from draws.T


def _pair(draw: Iterator[np.ndarray]) -> np.ndarray:
    return np.stack([next(draw), next(draw)], axis=1)


def _triple(draw: Iterator[np.ndarray]) -> np.ndarray:
    return np.stack([next(draw), next(draw), next(draw)], axis=1)


def _choose(uniform: np.ndarray, options: int) -> np.ndarray:
    return (uniform * options).astype(np.int64)


def _background(uniform: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """A background colour that neither object has."""
    low, high = colour.min(1), colour.max(1)
    same = low == high
    choice = _choose(uniform, len(BACKGROUNDS) - 2 + same)
    choice += choice >= low
    background: np.ndarray = choice + ((choice >= high) & ~same)
    return background


def _one_centre(radius: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    margin = radius[:, :1] + _BORDER
    centre = margin + uniform * (IMAGE_SIZE - 2 * margin)
    return np.repeat(centre[:, None, :], 2, axis=1)


def _two_centres(
    radius: np.ndarray, relation: np.ndarray, *, along: np.ndarray, across: np.ndarray
) -> np.ndarray:
    """Centres [N, 2, 2] such that object 0 stands in the given relation to object 1."""
    vertical, swapped = relation >= 2, relation % 2 == 1
    first = np.where(swapped, radius[:, 1], radius[:, 0])  # the left or upper one
    total = radius.sum(1)
    slack = IMAGE_SIZE - 2 * _BORDER - 2 * total
    before = along[:, 0] * slack
    near = _BORDER + first + before
    far = near + total + along[:, 1] * (slack - before)
    axis = np.stack([np.where(swapped, far, near), np.where(swapped, near, far)], 1)
    reach = np.minimum(IMAGE_SIZE / 2 - _BORDER - radius, 5)
    other = IMAGE_SIZE / 2 + (2 * across - 1) * reach
    x, y = np.where(vertical[:, None], other, axis), np.where(vertical[:, None], axis, other)
    return np.stack([x, y], axis=2)


def _gradient(uniform: np.ndarray) -> np.ndarray:
    angle, strength = 2 * np.pi * uniform[:, 0], _MAX_GRADIENT * uniform[:, 1]
    return np.stack([strength * np.cos(angle), strength * np.sin(angle)], axis=1)
