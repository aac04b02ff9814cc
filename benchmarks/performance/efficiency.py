"""Efficiency: the share of a command's time, once it has imported, that is the model's own.

A sweep runs as a user runs it, from a new folder to its report and MLflow; the reference is the one
that is shipped. A clock inside measures the calls of denoiser and decoder, those of the latency
pass included, and the time in imports.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.performance.commands import Ran, ran, watched
from benchmarks.performance.rows import Row, subject_record
from benchmarks.performance.timed import IMPORTS

TITLE = "Efficiency of a sweep"
PARTS = {
    "text, scheduler steps, hooks: the rest of the pipelines' calls": ("pipelines",),
    "scoring": ("scoring",),
    "composing and planning": ("composing", "planning"),
    "loading the model and the metric networks": ("loading",),
    "calibration beside the latency pass": ("timing",),
    "report": ("report",),
    "MLflow": ("tracking",),
}


@dataclass(frozen=True)
class Size:
    """A sweep; schedulers and steps with commas."""

    schedulers: str = "ddim,dpmpp_2m"
    steps: str = "4,8,16,32"
    samples: int = 256
    timed_runs: int = 5  # of a latency pass
    repeats: int = 3

    @property
    def cells(self) -> int:
        return (self.schedulers.count(",") + 1) * (self.steps.count(",") + 1)


FULL = Size()
SMALL = Size(steps="1,2", samples=8, timed_runs=1, repeats=1)


def grid(size: Size) -> list[str]:
    """Settings of the sweep."""
    return [
        "model=shapes-ddpm",
        f"scheduler={size.schedulers}",
        f"steps={size.steps}",
        "guidance=4",
        f"samples={size.samples}",
        f"latency.timed_runs={size.timed_runs}",
    ]


def swept(size: Size) -> Ran:
    """A sweep into a new folder, watched."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        command = watched(folder / "inside.json", "sweep", *grid(size), f"runs={folder}")
        return ran(command, folder)


def shares(run: Ran) -> dict[str, float]:
    """Parts of the time after imports."""
    seconds: dict[str, float] = run.inside["seconds"]
    after = run.wall_s - seconds[IMPORTS]
    parts = {"model": ("denoiser", "decoder"), **PARTS}
    named = {
        name: sum(seconds.get(part, 0.0) for part in group) / after for name, group in parts.items()
    }
    return {**named, "all else: store, records, start and end of Python": 1 - sum(named.values())}


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject."""
    runs = [swept(size) for _ in range(size.repeats)]
    parts = [shares(run) for run in runs]
    rows = [
        Row(
            "denoiser + decoder / command after imports",
            tuple(share["model"] for share in parts),
            "",
            ".85 on two CPU cores, .95 on a GPU",
        ),
        Row("the whole command", tuple(run.wall_s for run in runs), "s"),
        Row("its imports", tuple(run.inside["seconds"][IMPORTS] for run in runs), "s"),
    ]
    rows += [
        Row(f"share: {name}", tuple(share[name] for share in parts), "")
        for name in parts[0]
        if name != "model"
    ]
    conditions = (
        f"`denoisebench sweep {' '.join(grid(size))}`, {size.cells} cells, a new folder each time, "
        "with report and MLflow."
    )
    return subject_record(TITLE, conditions, rows)
