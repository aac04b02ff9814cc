"""Captions of the embedded world read back: what a prompt asks for."""

import re
from collections.abc import Collection, Sequence
from functools import cache

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.shapes.world import BACKGROUNDS, COLOURS, RELATIONS, SHAPES, SIZES, TEXTURES

_KINDS = {"size": SIZES, "texture": TEXTURES, "colour": COLOURS, "shape": SHAPES}


def asked_for(prompts: Sequence[str]) -> dict[str, np.ndarray]:
    """Class indices [N] by attribute, -1 for those of a second object where there is none.

    layout is 0 for one object, 1 for two side by side, 2 for one above the other; object 0 is the
    left or upper one, as pixels show it. Raises UserError for a prompt that is no caption.
    """
    scenes = [_read(prompt) for prompt in prompts]
    return {name: np.array([scene[name] for scene in scenes]) for name in scenes[0]}


def are_captions(prompts: Sequence[str]) -> bool:
    """Whether all are captions of the embedded world."""
    return all(_CAPTION.fullmatch(prompt) for prompt in prompts)


def named_in(captions: Sequence[str]) -> dict[str, np.ndarray]:
    """What captions say of their scenes, by field of Scenes; 0 for a second object that there is
    not."""
    words = [match.groupdict() for match in map(_CAPTION.fullmatch, captions) if match]
    relation = np.array([_index(RELATIONS, word["relation"]) for word in words])
    background = np.array([_index(BACKGROUNDS, word["background"]) for word in words])
    objects = {
        kind: np.array([[_index(names, word[f"{kind}{k}"]) for k in (0, 1)] for word in words])
        for kind, names in _KINDS.items()
    }
    return {
        "count": 1 + (relation >= 0),
        "relation": relation.clip(min=0),
        "background": background,
        **{kind: indices.clip(min=0) for kind, indices in objects.items()},
    }


@cache
def _read(prompt: str) -> dict[str, int]:
    match = _CAPTION.fullmatch(prompt)
    if not match:
        raise UserError(
            f"metrics.accuracy: prompt {prompt!r} is no caption of an embedded world; choose "
            "prompts=shapes or prompts=fashion, or metrics without accuracy"
        )
    words = match.groupdict()
    relation = words["relation"]
    order = (1, 0) if relation in ("right of", "below") else (0, 1)
    layout = 0 if relation is None else 1 + (relation in ("above", "below"))
    read = {"layout": layout, "background": _index(BACKGROUNDS, words["background"])}
    for place, k in enumerate(order):
        read |= {f"{kind}{place}": _index(_KINDS[kind], words[f"{kind}{k}"]) for kind in _KINDS}
    return read


def _index(options: Collection[str], word: str | None) -> int:
    return -1 if word is None else list(options).index(word)


_OBJECT = "a " + " ".join(f"(?P<{kind}{{k}}>{'|'.join(_KINDS[kind])})" for kind in _KINDS)
_CAPTION = re.compile(
    f"{_OBJECT.format(k=0)}(?: (?P<relation>{'|'.join(RELATIONS)}) {_OBJECT.format(k=1)})?"
    f" on a (?P<background>{'|'.join(BACKGROUNDS)}) background"
)
