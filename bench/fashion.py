"""The second embedded world, photographs of clothes: what its prompts ask for.

The photographs are Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): ten classes, 28x28 grey pixels.
This file knows their names and the prompts, and how a photograph becomes an image.
"""

import re
from collections.abc import Sequence

import numpy as np

# What a class is called, in the data set's own order; the first name is its own.
NAMES = {
    "t-shirt": ("a t-shirt", "a tee", "a top"),
    "trousers": ("a pair of trousers", "a pair of pants", "a pair of slacks"),
    "pullover": ("a pullover", "a sweater", "a jumper"),
    "dress": ("a dress", "a frock", "a gown"),
    "coat": ("a coat", "an overcoat", "a jacket"),
    "sandal": ("a sandal", "an open shoe", "a summer shoe"),
    "shirt": ("a shirt", "a blouse", "a button-up shirt"),
    "sneaker": ("a sneaker", "a trainer", "a running shoe"),
    "bag": ("a bag", "a handbag", "a purse"),
    "ankle boot": ("an ankle boot", "a boot", "a bootee"),
}
CLASSES = tuple(NAMES)
_WORDINGS = (
    "a photo of {}",
    "a photograph of {}",
    "a picture of {}",
    "an image of {}",
    "a product photo of {}",
    "a grey photo of {}",
    "a catalogue picture of {}",
    "{}",
)
# Classes in turn, so that the first prompts are of all of them.
PROMPTS = {
    wording.format(NAMES[name][k]): number
    for wording in _WORDINGS
    for k in range(3)
    for number, name in enumerate(CLASSES)
}
SIDE, _BORDER = 28, 2  # pixels of a photograph, and of what is put around it
WORDS = tuple(dict.fromkeys(word for prompt in PROMPTS for word in re.findall("[a-z]+", prompt)))


def are_prompts(prompts: Sequence[str]) -> bool:
    """Whether all are prompts of this world."""
    return all(prompt in PROMPTS for prompt in prompts)


def asked_for(prompts: Sequence[str]) -> dict[str, np.ndarray]:
    """Numbers of the classes [N] that prompts of this world ask for."""
    return {"class": np.array([PROMPTS[prompt] for prompt in prompts])}


def padded(photographs: np.ndarray) -> np.ndarray:
    """[N, 28, 28] to [N, 3, 32, 32]: a border as black as the ground, and three equal channels."""
    framed = np.pad(photographs, ((0, 0), *[(_BORDER, _BORDER)] * 2))
    return np.repeat(framed[:, None], 3, axis=1)
