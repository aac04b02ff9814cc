"""Images of another program: `denoisebench score` beside bare decoding and extracting.

Bare is a script that reads the same files with Pillow, in a thread a processor, and puts them
through the same network: `python -m benchmarks.performance.imported IMAGES FILE`.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.performance.commands import python, ran, watched
from benchmarks.performance.rows import Row, in_turn, ratios, subject_record

TITLE = "Images of another program"
NETWORK = "{name:efficientnet_lite0,kind:efficientnet_lite0,project:64}"
_SIDE = 256  # pixels
_DIM = 1280  # features of the network
_BLOCK = 256  # images that are decoded and extracted at once
_OURS = ("reading names and heads", "importing", "scoring")


@dataclass(frozen=True)
class Size:
    images: int
    repeats: int


FULL = Size(5000, 3)
SMALL = Size(24, 1)


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        draw(folder / "images", size.images)
        np.savez(folder / "reference.npz", mu=np.zeros(_DIM), sigma=np.eye(_DIM))
        bare, score = in_turn(size.repeats, [lambda: bare_s(folder), lambda: score_s(folder)])
    ours = [sum(one[part] for part in _OURS) for one in score]
    whole = [sum(one.values()) - one["imports"] - one.get("loading", 0) for one in score]
    shares = "; ".join(f"{part} {np.median([one[part] for one in score]):.3g} s" for part in _OURS)
    rows = [
        Row("speed of bare reading", ratios(bare, ours), "x", "0.9 x", shares),
        Row("the whole command less imports and loading", ratios(bare, whole), "x"),
        Row("images a second, bare", tuple(size.images / s for s in bare), "/s"),
    ]
    conditions = (
        f"{size.images:,} PNGs of {_SIDE} x {_SIDE} pixels, features of EfficientNet-Lite0. From "
        "the first file name to the last estimate: names, heads, hashes, decoding, the store, "
        "features, the Fréchet distance with its error. Loading of the network and imports are no "
        "part of either side."
    )
    return subject_record(TITLE, conditions, rows)


def draw(folder: Path, count: int) -> None:
    """Numbered PNGs that take as long to decode as photographs: smooth colours under some noise."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(count):
        smooth = generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        picture = Image.fromarray(smooth).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        noise = generator.normal(0, 3, (_SIDE, _SIDE, 3))
        levels = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{number:05d}.png")


def bare_s(folder: Path) -> float:
    """Seconds of the bare script."""
    command = python(
        "benchmarks.performance.imported", str(folder / "images"), str(folder / "inside.json")
    )
    return float(ran(command, folder).inside["seconds"])


def score_s(folder: Path) -> dict[str, float]:
    """Seconds of `denoisebench score` in a new folder, by part."""
    with TemporaryDirectory(dir=folder) as scratch:
        place = Path(scratch)
        reference = (f"metrics.reference={folder / 'reference.npz'}", "metrics.distances=[fd]")
        settings = ("metrics=features", *reference, f"metrics.frechet=[{NETWORK}]")
        given = ("--prompts=unconditional", "tracking=none", f"runs={place}")
        command = ("score", str(folder / "images"), *given, *settings)
        seconds: dict[str, float] = ran(watched(place / "inside.json", *command), place).inside[
            "seconds"
        ]
        return seconds


def main(images: Path, file: Path) -> None:
    """Decodes and extracts all images of a folder, and writes the seconds that it took."""
    import torch

    from denoisebench.metrics.networks.efficientnet import efficientnet_extractor

    extract = efficientnet_extractor()
    begin = time.perf_counter()
    paths = sorted(images.iterdir())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), _BLOCK):
            decoded = np.stack([*pool.map(_decoded, paths[start : start + _BLOCK])])
            extract(torch.from_numpy(decoded).permute(0, 3, 1, 2))
    file.write_text(json.dumps({"seconds": time.perf_counter() - begin}))


def _decoded(path: Path) -> np.ndarray:
    """[H, W, 3]"""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
