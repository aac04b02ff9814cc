"""What a sweep costs beside its images, by its number of cells: `model=gaussian`, in closed form.

Its denoiser is a formula of 48 pixels, so nearly all that these commands take is the harness: the
processor's seconds of whole processes of one thread, imports included. What is by cell is the slope
of a fit; what is constant is mostly imports.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.performance.commands import ran, watched
from benchmarks.performance.rows import Row, figure, growth, subject_record

TITLE = "Overheads by number of cells"
SAMPLES = 16  # of each cell
SCHEDULERS = "ddim,euler,heun,dpmpp_2m,unipc"
GRIDS = {  # by number of cells: last step count of those from 2 on, guidance weights, seeds
    20: (3, 2, 1),
    40: (3, 4, 1),
    200: (11, 4, 1),
    1000: (21, 10, 1),
    5000: (21, 10, 5),
}
COMMANDS = (
    "dry run, the first",
    "dry run again",
    "sweep",
    "sweep again, nothing to do",
    "report",
)


@dataclass(frozen=True)
class Size:
    repeats: tuple[tuple[int, int], ...]  # numbers of cells, and how often each is measured


FULL = Size(((20, 3), (200, 3), (1000, 1), (5000, 1)))
PLANNED_ALONE = 5000  # cells, of which a sweep takes minutes
SMALL = Size(((20, 1), (40, 1)))


@dataclass(frozen=True)
class Cost:
    """What one command took at one number of cells."""

    command: str
    cells: int
    cpu_s: float
    peak_bytes: int


def grid(cells: int) -> list[str]:
    """Settings of a sweep of so many cells."""
    last, weights, seeds = GRIDS[cells]
    guidance = ",".join(str(1 + number / 2) for number in range(weights))
    return [
        "model=gaussian",
        f"scheduler={SCHEDULERS}",
        f"steps=range(2,{last + 1})",
        f"guidance={guidance}",
        f"seed={','.join(map(str, range(seeds)))}",
        f"samples={SAMPLES}",
        "latency.timed_runs=0",
        "run=overheads",
    ]


def costs(cells: int) -> list[Cost]:
    """All commands of a new sweep, one after the other; of many cells those that plan alone. The
    first is that of a user who has planned nothing before."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sweep = ("sweep", *grid(cells), f"runs={folder}")
        measured = partial(_cost, cells=cells, folder=folder)
        planned = [
            measured(COMMANDS[0], *sweep, "--dry-run"),
            measured(COMMANDS[1], *sweep, "--dry-run"),
        ]
        if cells >= PLANNED_ALONE:
            return planned
        return [
            *planned,
            measured(COMMANDS[2], *sweep),
            measured(COMMANDS[3], *sweep),
            measured(COMMANDS[4], "report", str(folder / "overheads")),
        ]


def _cost(command: str, *arguments: str, cells: int, folder: Path) -> Cost:
    """A watched command: its clock is read a few hundred times, which costs nothing."""
    watching = watched(folder / "inside.json", *arguments)
    run = ran(watching, folder, threads=1, cache=folder / "cache")
    return Cost(command, cells, run.cpu_s, run.inside["peak_bytes"])


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject."""
    taken = [
        cost for cells, repeats in size.repeats for _ in range(repeats) for cost in costs(cells)
    ]
    rows = [row for command in COMMANDS for row in _rows(command, taken)]
    rows += _memory_rows(taken)
    conditions = (
        f"`model=gaussian`, {SCHEDULERS.count(',') + 1} schedulers, {SAMPLES} samples, MLflow in "
        "SQLite, one thread; seconds of the processor of whole processes."
    )
    return subject_record(TITLE, conditions, rows)


def _rows(command: str, taken: list[Cost]) -> list[Row]:
    """Times of a command by number of cells, and how they grow."""
    rows = [
        Row(f"{command}, {cells:,} cells", values, "CPU s")
        for cells, values in _by_cells(command, taken, lambda cost: cost.cpu_s).items()
    ]
    counts = [*_by_cells(command, taken, lambda cost: cost.cpu_s)]
    law = growth(counts, [row.median for row in rows])
    between = f"{counts[-2]:,} to {counts[-1]:,} cells"
    note = f"{figure(law['constant_s'])} s once; from {between} as cells^{law['exponent']:.2f}"
    return [*rows, Row(f"{command}, by cell", (1000 * law["by_one_s"],), "CPU ms", note=note)]


def _memory_rows(taken: list[Cost]) -> list[Row]:
    sizes = _by_cells("sweep", taken, lambda cost: cost.peak_bytes / 2**20)
    return [Row(f"most memory of a sweep, {n:,} cells", mib, "MiB") for n, mib in sizes.items()]


def _by_cells(
    command: str, taken: list[Cost], value: Callable[[Cost], float]
) -> dict[int, tuple[float, ...]]:
    """Values of a command by number of cells."""
    counts = sorted({cost.cells for cost in taken if cost.command == command})
    return {
        cells: tuple(value(c) for c in taken if (c.command, c.cells) == (command, cells))
        for cells in counts
    }
