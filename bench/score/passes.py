"""Stored images to stored numbers: each image is read once for all that is read off it."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from denoisebench.bench.records.store import Store

# Of images [N, 3, H, W] uint8 and the number of the first: arrays of N by name.
Reader = Callable[[Tensor, int], dict[str, Tensor]]
_BLOCK = 256  # images read at once
_PIXELS = 2**22  # worked on at once: float64 copies of them are kept in memory


def blocks(samples: int) -> list[tuple[int, int]]:
    """First and last of the images that are read at once."""
    return [(first, min(first + _BLOCK, samples)) for first in range(0, samples, _BLOCK)]


def read_once(
    store: Store, key: str, samples: int, *, readers: Mapping[str, Reader], start: int = 0
) -> None:
    """Stores, as shards of its kind, what each reader makes of those images from start to
    samples - 1 that its kind lacks.

    Of each batch readers are called in their order, and find stored what those before them made.
    """
    gaps = {kind: store.missing(key, kind, samples) for kind in readers}
    ends = {end for ranges in gaps.values() for gap in ranges for end in gap}
    ends |= {end for block in blocks(samples) for end in block} | {start}
    cuts = sorted(end for end in ends if end >= start)
    for first, last in pairwise(cuts):
        lacking = [kind for kind, ranges in gaps.items() if _within(first, ranges)]
        if not lacking:
            continue
        images = torch.from_numpy(store.read(key, "images", last, start=first)["images"])
        for kind in lacking:
            made = readers[kind](images, first)
            store.write(key, kind, first, arrays={name: made[name].cpu().numpy() for name in made})


def in_parts(reader: Reader, images: Tensor, start: int = 0) -> dict[str, Tensor]:
    """What a reader makes of images [N, 3, H, W], as many at a time as memory holds."""
    height, width = images.shape[-2:]
    at_once = max(1, _PIXELS // (height * width))
    pieces = torch.split(images, at_once)
    parts = [reader(piece, start + i * at_once) for i, piece in enumerate(pieces)]
    return {name: torch.cat([p[name] for p in parts]) for name in parts[0]}


def _within(sample: int, ranges: list[tuple[int, int]]) -> bool:
    return any(start <= sample < stop for start, stop in ranges)
