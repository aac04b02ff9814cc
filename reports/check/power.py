"""What a check could find with so many samples, from the variance of a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from rich.table import Table

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.pack import Pack, PackedCell
from denoisebench.metrics.decide.difference import difference_of
from denoisebench.metrics.decide.regression import smallest_detectable
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.check.columns import Column, add_rows, terminal_table
from denoisebench.reports.check.pairing import same_curve
from denoisebench.reports.formats import number, places_of

PLANNED = (64, 256, 1024, 4096)  # samples


@dataclass(frozen=True)
class Power:
    """Smallest differences that a check can tell, for one metric of one cell."""

    cell: str
    metric: str
    samples: int
    se: float  # of the paired difference to the cell with the next larger step count
    smallest: dict[int, float]  # difference, in the metric's units, by planned samples


def powers(pack: Pack, metrics: Sequence[str], planned: Sequence[int] = PLANNED) -> list[Power]:
    """The smallest loss of each cell and metric that so many planned samples would find.

    A change of a model moves samples as a change of the step count does, as far as can be known
    beforehand: the variance is that of the paired difference to the next larger step count of the
    same curve. 80 % power, one-sided 2.5 %.

    Raises UserError when no curve has two step counts.
    """
    result = [
        power
        for old, new in _neighbours(pack.cells)
        for power in _of(old, new, metrics, planned=planned)
    ]
    if not result:
        named = " or ".join(metrics) or "a metric that has a margin"
        raise UserError(f"{pack.name}: no curve has two step counts that were scored by {named}")
    return result


def _neighbours(cells: Sequence[PackedCell]) -> Iterator[tuple[PackedCell, PackedCell]]:
    """Finished cells of one curve, each with that of its next larger step count."""
    curves: dict[tuple[Any, ...], list[PackedCell]] = {}
    for packed in cells:
        if packed.status in WHOLE:
            curves.setdefault(same_curve(packed), []).append(packed)
    for curve in curves.values():
        yield from pairwise(sorted(curve, key=lambda packed: packed.cell.steps))


def _of(
    old: PackedCell, new: PackedCell, metrics: Sequence[str], *, planned: Sequence[int]
) -> Iterator[Power]:
    for metric in metrics:
        if metric in old.metrics and metric in new.metrics:
            se = difference_of(old.metrics[metric].estimate, new.metrics[metric].estimate).se
            samples = min(old.samples, new.samples)
            smallest = {n: smallest_detectable(se, samples, n) for n in planned}
            yield Power(cell_name(old.asked), metric, samples, se, smallest)


def power_table(powers: Sequence[Power]) -> Table:
    """A line per cell and metric."""
    columns: list[Column[Power]] = [
        Column("cell", lambda power: power.cell),
        Column("metric", lambda power: metric_spec(power.metric).label),
        *(
            Column(f"{n:,} samples", partial(_smallest, samples=n), is_number=True)
            for n in powers[0].smallest
        ),
    ]
    table = terminal_table(columns, "smallest loss beyond the margin that is found in 4 of 5 cases")
    add_rows(table, columns, powers)
    return table


def _smallest(power: Power, samples: int) -> str:
    decimals = places_of(float(np.nanmin([*power.smallest.values()])))
    return number(power.smallest[samples], decimals)
