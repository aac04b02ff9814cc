"""A sweep against what it replaces: a plain script, and a process for each cell.

All three make the same images and scores of the same grid on the same machine, one after the other
in turn. The whole of each process is timed, imports included.
"""

import csv
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.performance.commands import denoisebench, python, ran
from benchmarks.performance.efficiency import Size as Grid
from benchmarks.performance.efficiency import grid
from benchmarks.performance.rows import Row, in_turn, ratios, subject_record

TITLE = "Against a plain script, and a process for each cell"
SCORES = ("fd_shapes_raw", "clip_score_shapes")
Scores = dict[tuple[str, int], dict[str, float]]  # by scheduler and steps


@dataclass(frozen=True)
class Size:
    grid: Grid
    few: Grid  # of which each cell has a process of its own: few samples, to take minutes
    repeats: int


_STEPS = "2,4,8,16"
FULL = Size(Grid(steps=_STEPS), Grid(steps=_STEPS, samples=64), 3)
_TINY = Grid(steps="2", samples=8, timed_runs=1)
SMALL = Size(_TINY, _TINY, 1)


@dataclass(frozen=True)
class Way:
    """One way to measure a grid, once."""

    wall_s: float
    scores: Scores
    reference_s: float = 0.0  # of it, features of the reference


def sweep(size: Grid) -> Way:
    """One sweep, with all that a user gets: errors, report, MLflow."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run = ran(denoisebench("sweep", *grid(size), f"runs={folder}"), folder)
        return Way(run.wall_s, table_scores(folder / "shapes-ddpm" / "results.csv"))


def script(size: Grid) -> Way:
    """The plain script."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        arguments = (size.schedulers, size.steps, str(size.samples), str(size.timed_runs))
        file = str(folder / "inside.json")
        run = ran(python("benchmarks.performance.plain_script", file, *arguments), folder)
        cells = run.inside["cells"]
        scores = {
            (cell["scheduler"], cell["steps"]): {name: cell[name] for name in SCORES}
            for cell in cells
        }
        return Way(run.wall_s, scores, run.inside["reference_s"])


def one_by_one(size: Grid) -> Way:
    """A sweep of one cell after the other, a process each, into one run folder each."""
    wall_s, scores = 0.0, Scores()
    for scheduler, steps in product(size.schedulers.split(","), size.steps.split(",")):
        cell = sweep(replace(size, schedulers=scheduler, steps=steps))
        wall_s += cell.wall_s
        scores |= cell.scores
    return Way(wall_s, scores)


def table_scores(file: Path) -> Scores:
    """Scores of a run's results.csv."""
    with file.open() as lines:
        return {
            (row["scheduler"], int(row["steps"])): {name: float(row[name]) for name in SCORES}
            for row in csv.DictReader(lines)
        }


def largest_difference(one: Scores, other: Scores, name: str) -> float:
    """Relative difference of a score, of the cell where it is largest."""
    assert one.keys() == other.keys()
    return max(abs(one[cell][name] / other[cell][name] - 1) for cell in one)


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject."""
    swept, scripted = in_turn(size.repeats, [lambda: sweep(size.grid), lambda: script(size.grid)])
    few, single = in_turn(size.repeats, [lambda: sweep(size.few), lambda: one_by_one(size.few)])
    together, plain, together_few, alone = (walls(ways) for ways in (swept, scripted, few, single))
    reference = tuple(way.reference_s for way in scripted)
    made = tuple(p - r for p, r in zip(plain, reference, strict=True))
    rows = [
        Row("plain script / sweep", ratios(plain, together), "x", "1.3 x"),
        Row("the same less the script's own reference", ratios(made, together), "x"),
        Row(
            f"process for each cell / sweep, {size.few.samples} samples",
            ratios(alone, together_few),
            "x",
            "4 x",
        ),
        Row("the sweep", together, "s"),
        Row("the plain script", plain, "s"),
        Row("of it, features of the reference", reference, "s"),
        Row(f"the sweep, {size.few.samples} samples", together_few, "s"),
        Row(f"a process for each cell, {size.few.samples} samples", alone, "s"),
        *_differences("script", swept, scripted),
        *_differences("process for each cell", few, single),
    ]
    conditions = (
        f"`denoisebench sweep {' '.join(grid(size.grid))}`, whole processes with imports. The "
        "sweep has errors, report and MLflow beside the same images, scores and times."
    )
    return subject_record(TITLE, conditions, rows)


def walls(ways: list[Way]) -> tuple[float, ...]:
    return tuple(way.wall_s for way in ways)


def _differences(words: str, ours: list[Way], theirs: list[Way]) -> list[Row]:
    """How far scores are apart."""
    pairs = [(a.scores, b.scores) for a, b in zip(ours, theirs, strict=True)]
    return [
        Row(
            f"{name}, sweep and {words}: largest relative difference",
            tuple(largest_difference(*pair, name) for pair in pairs),
            "",
            "0 to float32",
        )
        for name in SCORES
    ]
