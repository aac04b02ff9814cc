"""Writes the page of several runs into a folder of its own; the runs' folders stay as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from denoisebench.bench.paths import write_atomically
from denoisebench.metrics.specs import drawn_in_full
from denoisebench.reports.charts import javascript_bundle, write_figures
from denoisebench.reports.several.curves import overlays, run_looks
from denoisebench.reports.several.matched import (
    contrasts,
    default_contrasts,
    nothing_shared,
    shared_cells,
)
from denoisebench.reports.several.metrics import common_metrics
from denoisebench.reports.several.page import Content, Section, render
from denoisebench.reports.several.place import PAGE, joint_folder, refuse_to_overwrite
from denoisebench.reports.several.sides import Side, sides_of
from denoisebench.reports.several.unlike import cautions_of, differences_of, latency_apart


@dataclass(frozen=True, eq=False)
class Written:
    """A page of several runs, and what it shows."""

    page: Path
    sides: list[Side]
    content: Content


def write_several(
    folders: Sequence[Path], output: Path | None = None, *, usd_per_hour: float | None = None
) -> Written:
    """Writes report.html and figures/ of two runs or more into the folder `output`, or that of
    joint_folder. usd_per_hour: of the machine that local models were timed on, for the chart of
    prices.

    Raises UserError for what is no run or is named twice, and for a folder that holds a run of its
    own, whose page would be lost.
    """
    folder = joint_folder(folders) if output is None else output
    refuse_to_overwrite(folder)
    sides = sides_of(folders)
    content = content_of(sides, usd_per_hour)
    for section in content.sections:
        write_figures(section.figures, folder / "figures")
    page = folder / PAGE
    text = render(sides, content, folder=folder, script=javascript_bundle())
    write_atomically(page, text.encode())
    return Written(page, sides, content)


def content_of(sides: Sequence[Side], usd_per_hour: float | None = None) -> Content:
    """What the page of some runs shows beside what each says by itself."""
    common, not_drawn = common_metrics(sides)
    full = drawn_in_full(
        [metric.name for metric in common],
        {name for side in sides for name in side.decisions.gates},
    )
    looks, is_timed = run_looks(sides), not latency_apart(sides)
    first, *others = sides
    return Content(
        sections=[
            Section(
                metric,
                overlays(
                    metric,
                    looks,
                    in_full=metric.name in full,
                    is_timed=is_timed,
                    usd_per_hour=usd_per_hour,
                ),
                contrasts(metric),
                default_contrasts(metric),
                is_full=metric.name in full,
            )
            for metric in common
        ],
        looks=looks,
        unlike=differences_of(sides),
        cautions=cautions_of(sides),
        not_drawn=not_drawn,
        nothing_shared=[
            nothing_shared(first, later) for later in others if not shared_cells(first, later)
        ],
    )
