"""What a check could find: the smallest loss that so many samples would show, from a run's own
variance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rich.table import Table
from rich.text import Text

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.pack import Pack, PackedCell
from denoisebench.metrics.decide.regression import smallest_detectable
from denoisebench.metrics.decide.verdicts import compare
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.check.check import same_curve
from denoisebench.reports.formats import decimals_for, number

PLANNED = (64, 256, 1024, 4096)  # samples


@dataclass(frozen=True)
class Power:
    """Of one metric of one cell."""

    cell: str
    metric: str
    samples: int
    se: float  # of the paired difference to the cell with the next larger step count
    smallest: dict[int, float]  # difference, in the metric's units, by planned samples


def powers(pack: Pack, metrics: Sequence[str], planned: Sequence[int] = PLANNED) -> list[Power]:
    """A change of a model moves samples as a change of the step count does, as far as can be known
    beforehand: the variance is that of the paired difference to the next larger step count of the
    same curve. 80 % power, one-sided 2.5 %.

    Raises UserError when no curve has two step counts.
    """
    found = [
        power for old, new in _neighbours(pack.cells) for power in _of(old, new, metrics, planned)
    ]
    if not found:
        raise UserError(f"{pack.name}: no curve has two step counts with a metric of {metrics}")
    return found


def _neighbours(cells: Sequence[PackedCell]) -> Iterator[tuple[PackedCell, PackedCell]]:
    curves: dict[tuple, list[PackedCell]] = {}
    for each in cells:
        if each.status == "done":
            curves.setdefault(same_curve(each), []).append(each)
    for curve in curves.values():
        yield from pairwise(sorted(curve, key=lambda each: each.cell.steps))


def _of(
    old: PackedCell, new: PackedCell, metrics: Sequence[str], planned: Sequence[int]
) -> Iterator[Power]:
    for metric in metrics:
        if metric in old.metrics and metric in new.metrics:
            found = compare(old.metrics[metric].estimate, new.metrics[metric].estimate)
            samples = min(old.samples, new.samples)
            smallest = {n: smallest_detectable(found.se, samples, n) for n in planned}
            yield Power(cell_name(old.asked), metric, samples, found.se, smallest)


def power_table(found: Sequence[Power]) -> Table:
    """By cell and metric."""
    planned = list(found[0].smallest)
    table = Table(
        title="smallest loss beyond the margin that is found in 4 of 5 cases", title_justify="left"
    )
    for title in ("cell", "metric", *(f"{n:,} samples" for n in planned)):
        table.add_column(title, justify="left" if title in ("cell", "metric") else "right")
    for power in found:
        values = [power.smallest[n] for n in planned]
        decimals = decimals_for([np.nanmin(values)])
        texts = [power.cell, metric_spec(power.metric).label]
        table.add_row(*map(Text, texts), *(number(value, decimals) for value in values))
    return table
