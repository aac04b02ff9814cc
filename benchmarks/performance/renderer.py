"""How fast the embedded world is drawn, which says how fast a machine is at all."""

import time
from dataclasses import dataclass
from typing import Any

from benchmarks.performance.rows import Row, subject_record
from denoisebench.bench.shapes.render import dataset

TITLE = "Renderer of the embedded world"


@dataclass(frozen=True)
class Size:
    scenes: int
    repeats: int


FULL = Size(8192, 5)
SMALL = Size(256, 2)


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject."""
    dataset(1, 0, 1)  # what is drawn once is kept
    rates = tuple(size.scenes / _seconds(size.scenes) for _ in range(size.repeats))
    row = Row("scenes rendered and captioned", rates, "a second")
    return subject_record(TITLE, "One thread.", [row])


def _seconds(scenes: int) -> float:
    start = time.perf_counter()
    dataset(1, 0, scenes)
    return time.perf_counter() - start
