"""Photographs of clothes as a world to learn from: Fashion-MNIST, as Debian packages it.

`apt-get install dataset-fashion-mnist` puts 60,000 photographs to learn from and 10,000 to measure
by at DATA; 28x28 grey pixels, here with a border of two, three equal channels. MIT licence.
"""

import gzip
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from denoisebench.bench.fashion import PROMPTS, SIDE, WORDS, asked_for, padded
from zoo.data import Pictures, World

DATA = Path("/usr/share/datasets/fashion-mnist")
_ORDER_SEED, _CAPTION_SEED = 1, 2


def photographs(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Photographs [N, 28, 28] uint8 and their classes [N] of a part: train or t10k."""
    if not DATA.exists():
        raise SystemExit(f"nothing at {DATA}: apt-get install dataset-fashion-mnist")
    return (
        _read(DATA / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, SIDE, SIDE),
        _read(DATA / f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int64),
    )


def _read(path: Path, header: int) -> np.ndarray:
    """Bytes behind the header of an IDX file (LeCun's format for MNIST)."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def training(start: int, stop: int) -> Pictures:
    """Photographs in an order drawn once, again and again, each time with a caption drawn anew."""
    images, classes = _part("train")
    numbers = np.arange(start, stop)
    rows = _order(len(images))[numbers % len(images)]
    captions = [_caption(n, classes[row]) for n, row in zip(numbers, rows, strict=True)]
    return padded(images[rows]), captions


def held_out(start: int, stop: int) -> Pictures:
    images, classes = _part("t10k")
    captions = [_caption(n, classes[n]) for n in range(start, stop)]
    return padded(images[start:stop]), captions


def _caption(number: int, class_number: int) -> str:
    """One of the prompts of a class, drawn by the number of the sample."""
    texts = _texts()[int(class_number)]
    return texts[np.random.default_rng((_CAPTION_SEED, number)).integers(len(texts))]


@cache
def _order(count: int) -> np.ndarray:
    return np.random.default_rng(_ORDER_SEED).permutation(count)


@cache
def _part(name: str) -> tuple[np.ndarray, np.ndarray]:
    return photographs(name)


@cache
def _texts() -> list[list[str]]:
    """Prompts by class."""
    numbers = sorted(set(PROMPTS.values()))
    return [[text for text, of in PROMPTS.items() if of == number] for number in numbers]


FASHION = World(
    "fashion",
    "photographs of clothes, Fashion-MNIST (Zalando, MIT licence), and\n"
    "the texts of `prompts=fashion`. The autoencoder began as that of the rendered scenes.",
    WORDS,
    training=training,
    held_out=held_out,
    prompts=lambda count: [*islice(cycle(PROMPTS), count)],
    kinds=lambda captions: asked_for(captions)["class"],
)
