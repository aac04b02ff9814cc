"""Metric code against torchmetrics, torch-fidelity and prdc: time, memory, whether values agree.

Everyone gets features [n, d] in memory and a reference as it is kept between cells: of Fréchet
distances its mean and covariance (ours with the root of it, which a sweep computes once), of the
others its features, and ours with what a sweep prepares once. A case runs in a process of its own,
once a repetition; within it the sides take turns, each from features to number.

    python -m benchmarks.performance.metric_code CASE REPETITION
"""

import contextlib
import ctypes
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.performance.commands import python, ran
from benchmarks.performance.metric_sides import SIDES, Sample
from benchmarks.performance.rows import Row, figure, ratios, subject_record
from benchmarks.performance.timed import status_bytes

TITLE = "Metric code against other libraries"
OURS = "denoisebench"
WARM = 64, 16  # n and d of a call that does not count: a sweep calls again and again


@dataclass(frozen=True)
class Case:
    """A metric at one size."""

    metric: str  # a key of SIDES
    n: int
    d: int
    repeats: int = 3

    @property
    def words(self) -> str:
        return f"{self.metric}, n = {self.n:,}, d = {self.d:,}"


@dataclass(frozen=True)
class Size:
    cases: tuple[Case, ...]


FULL = Size(
    (
        Case("Fréchet", 256, 64),
        Case("Fréchet", 1000, 64),
        Case("Fréchet", 50_000, 64),
        Case("Fréchet", 5000, 768),
        Case("Fréchet", 1000, 2048),
        Case("Fréchet", 50_000, 2048, repeats=1),
        Case("kernel", 256, 64),
        Case("kernel", 1000, 2048),
        Case("kernel", 5000, 2048),
        Case("kernel", 50_000, 64, repeats=1),
        Case("neighbours", 256, 64),
        Case("neighbours", 1000, 2048),
        Case("neighbours", 5000, 2048),
    )
)
SMALL = Size(
    tuple(Case(metric, 256, 64, repeats=1) for metric in ("Fréchet", "kernel", "neighbours"))
)


@dataclass(frozen=True)
class Took:
    """What one side took once."""

    seconds: float
    extra_bytes: int  # the most memory beyond what was held before; 0 where Linux does not tell
    value: float


def took(act: Callable[[], float]) -> Took:
    ctypes.CDLL(None).malloc_trim(0)  # what is free but kept would hide what is newly taken
    with contextlib.suppress(OSError):  # sets the peak to what is held now, see proc(5)
        Path("/proc/self/clear_refs").write_text("5")
    before = status_bytes("VmRSS")
    start = time.perf_counter()
    value = act()
    seconds = time.perf_counter() - start
    return Took(seconds, max(status_bytes("VmHWM") - before, 0), value)


def run_case(case: Case, repetition: int) -> dict[str, Took]:
    """What each side takes, in an order that turns with the repetition."""
    sample, sides = Sample.draw(case.n, case.d), [*SIDES[case.metric].items()]
    for _, side in sides:
        side(Sample.draw(*WARM))()
    prepared = {name: side(sample) for name, side in sides}
    order = [name for name, _ in sides[:: 1 if repetition % 2 == 0 else -1]]
    results = {name: took(prepared[name]) for name in order}
    return {name: results[name] for name, _ in sides}


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject."""
    rows = [row for case in size.cases for row in case_rows(case)]
    return subject_record(
        TITLE,
        "A ratio is another library's time over ours, of two warm calls in one process; beside it "
        "the medians of both, theirs first, and the most memory beyond what was held before. Ours "
        "has the error of the value and the influence of each sample, which nobody else's has.",
        rows,
    )


def case_rows(case: Case) -> list[Row]:
    """A row for each other library and each of our ways."""
    with TemporaryDirectory() as scratch:
        results = [_in_child(case, number, Path(scratch)) for number in range(case.repeats)]
    ours = [name for name in results[0] if name.startswith(OURS)]
    others = [name for name in results[0] if name not in ours]
    return [
        _against(case, (theirs, mine), results=results, is_alike=mine == ours[-1])
        for theirs in others
        for mine in ours
    ]


def _against(
    case: Case, sides: tuple[str, str], *, results: list[dict[str, Took]], is_alike: bool
) -> Row:
    """Time of the first side over the second's. is_alike: whether both compute the same value."""
    theirs, mine = ([result[name] for result in results] for name in sides)
    values = ratios((t.seconds for t in theirs), (t.seconds for t in mine))
    seconds, mebibytes = (
        [
            figure(float(np.median([scale * getattr(t, field) for t in side])))
            for side in (theirs, mine)
        ]
        for field, scale in (("seconds", 1.0), ("extra_bytes", 2.0**-20))
    )
    note = f"{' : '.join(seconds)} s, {' : '.join(mebibytes)} MiB"
    if is_alike:
        apart = max(abs(t.value - m.value) for t, m in zip(theirs, mine, strict=True))
        note += f", values differ by {apart:.1g}"
    return Row(f"{case.words}: {sides[0]} / {sides[1]}", values, "x", note=note)


def _in_child(case: Case, repetition: int, folder: Path) -> dict[str, Took]:
    fields = json.dumps(asdict(case))
    file = str(folder / "inside.json")
    run = ran(python("benchmarks.performance.metric_code", file, fields, str(repetition)), folder)
    return {name: Took(**fields) for name, fields in run.inside.items()}


def main(file: Path, case: Case, repetition: int) -> None:
    results = run_case(case, repetition)
    file.write_text(json.dumps({name: asdict(result) for name, result in results.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Case(**json.loads(sys.argv[2])), int(sys.argv[3]))
