"""The runs of a page, each read once with what was decided of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.own_metrics import declare_recorded
from denoisebench.bench.records.run import Run, load_run
from denoisebench.reports import theme
from denoisebench.reports.decide.answer import Answer, answer, answers
from denoisebench.reports.decide.decisions import Decisions, Estimates, decide
from denoisebench.reports.decide.defaults_yaml import default_records
from denoisebench.reports.decide.no_default import no_default
from denoisebench.reports.rows.cautions import all_cautions, timings_are_even
from denoisebench.reports.rows.frame import (
    done,
    frame_metrics,
    load_estimates,
    load_frame,
    records,
)

MOST = len(theme.COLOURS)  # runs that colours tell apart


@dataclass(frozen=True, eq=False)
class Side:
    """One run of the page."""

    run: Run
    label: str  # what the page calls it, as no other
    colour: str
    frame: pd.DataFrame
    estimates: Estimates
    decisions: Decisions
    defaults: list[dict[str, Any]]  # those of its defaults.yaml

    @property
    def answers(self) -> list[Answer]:
        return answers(self.defaults, is_even=timings_are_even(self.frame))

    @property
    def no_default(self) -> str:
        """Why there is none; empty where something was decided."""
        return "" if self.defaults else no_default(self.run, self.frame)

    @property
    def answer(self) -> str:
        """What to run, in a line."""
        is_even = timings_are_even(self.frame)
        return answer(self.defaults, is_even=is_even, no_default=self.no_default)

    @property
    def cautions(self) -> list[str]:
        return all_cautions(self.frame, self.run.warnings)

    @property
    def metrics(self) -> list[str]:
        """Those that a finished cell has a number of."""
        cells = done(self.frame)
        return [name for name in frame_metrics(cells) if cells[name].notna().any()]

    @property
    def devices(self) -> str:
        """`cpu`, `cuda`: the kinds of devices that its cells ran on."""
        return ", ".join(sorted({entry.cell.device for entry in self.run.entries}))

    @cached_property
    def models(self) -> list[str]:
        return list(dict.fromkeys(entry.cell.model for entry in self.run.entries))


def sides_of(folders: Sequence[Path]) -> list[Side]:
    """The runs of some folders, in their order.

    Raises UserError for a folder that is no run, for one that is named twice, and for more than
    colours tell apart.
    """
    if len(folders) > MOST:
        raise UserError(f"{len(folders)} runs: one page shows {MOST} at most; name fewer")
    counts = Counter(folder.resolve() for folder in folders)
    for folder in folders:
        if counts[folder.resolve()] > 1:
            raise UserError(f"{folder} is named twice: name each run once")
    runs = [load_run(folder) for folder in folders]
    labels = labels_of(folders)
    return [_side(run, labels[i], theme.COLOURS[i]) for i, run in enumerate(runs)]


def labels_of(folders: Sequence[Path]) -> list[str]:
    """The names of the folders, with as many of those above as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    labels = [own[-1] for own in parts]
    for depth in range(2, max(map(len, parts)) + 1):
        alike = Counter(labels)
        labels = [
            "/".join(own[-depth:]) if alike[label] > 1 else label
            for own, label in zip(parts, labels, strict=True)
        ]
    return labels


def _side(run: Run, label: str, colour: str) -> Side:
    declare_recorded(run.own_metrics)  # whatever the runs read before it said of the same names
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
    decisions = decide(frame, estimates, run.margins, races=run.races)
    defaults = default_records(run, records(frame), decisions)
    return Side(
        run=run,
        label=label,
        colour=colour,
        frame=frame,
        estimates=estimates,
        decisions=decisions,
        defaults=defaults,
    )
