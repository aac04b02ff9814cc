"""The photographs that ship with the package: what images are held against, or start from.

They were kept from training: two hundred of each class of Fashion-MNIST's test images, classes in
turn. zoo/references.py made their sheet.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from denoisebench.bench import fashion
from denoisebench.bench.paths import EMBEDDED, content_hash
from denoisebench.bench.records.cell import digest

PHOTOGRAPHS = "photographs"  # as metrics.reference
SHEET = EMBEDDED / "fashion-photographs" / "photographs.png"  # row by row, without borders


def photographs_showing(prompts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Photographs [N, 3, 32, 32] of the classes that prompts ask for; all for no prompts."""
    images = _all()
    if not prompts:
        return images
    return images[np.isin(np.arange(len(images)) % len(fashion.CLASSES), _asked(prompts))]


def photographs_hash(prompts: Sequence[str]) -> str:
    """Hash of those photographs, 12 hex digits."""
    return digest([content_hash(SHEET), *_asked(prompts)], 12)


def numbers_for(prompts: Sequence[str], start: int, *, is_other: bool) -> npt.NDArray[np.int64]:
    """Numbers [N] of the photographs that samples start, start + 1, … with these prompts start
    from: of the class that the prompt asks for, or of another one, each of the nine as often."""
    rounds = (start + np.arange(len(prompts))) // len(fashion.CLASSES)
    classes = fashion.asked_for(prompts)["class"]
    if is_other:
        others = len(fashion.CLASSES) - 1
        classes = (classes + 1 + rounds % others) % len(fashion.CLASSES)
    numbers: npt.NDArray[np.int64] = (rounds * len(fashion.CLASSES) + classes) % len(_all())
    return numbers


def photographs(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Photographs [N, 3, 32, 32] by number."""
    return _all()[numbers]


def are_shown_evenly(prompts: Sequence[str]) -> bool:
    """Whether the photographs show what prompts ask for, each class as often as another."""
    if not fashion.are_prompts(prompts):
        return False
    counts = Counter(fashion.asked_for(prompts)["class"].tolist())
    return len(set(counts.values())) == 1


def _asked(prompts: Sequence[str]) -> list[int]:
    """Numbers of the classes, in order."""
    return sorted(set(fashion.asked_for(prompts)["class"].tolist()))


@cache
def _all() -> npt.NDArray[np.uint8]:
    with Image.open(SHEET) as picture:
        sheet = np.asarray(picture)
    side = fashion.SIDE
    rows, columns = (length // side for length in sheet.shape)
    grid = sheet.reshape(rows, side, columns, side).transpose(0, 2, 1, 3)
    return fashion.padded(grid.reshape(-1, side, side))
