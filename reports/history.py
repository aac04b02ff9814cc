"""A series of packs, oldest first: each metric of each cell, and where it took a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from bench.errors import UserError
from bench.margins import gates
from bench.pack import Pack, PackedCell
from metrics.choose import Gate
from metrics.estimate import Estimate
from metrics.history import Step, steps
from metrics.specs import metric_spec
from reports.check import paired_cells
from reports.formats import decimals_for, number


@dataclass(frozen=True, eq=False)
class Course:
    """One metric of one cell over the series."""

    cell: str
    metric: str
    packs: list[str]  # names, oldest first
    unix_s: list[float]
    estimates: list[Estimate]
    steps: list[Step]


def courses(packs: Sequence[Pack], margins: Mapping[str, Mapping]) -> list[Course]:
    """Of the cells that all packs have finished, by the metrics that have a margin.

    Raises UserError for fewer than two packs, packs of different experiments, and none in common.
    """
    if len(packs) < 2:
        raise UserError("give two packs or runs at least, of the same cells")
    order = sorted(packs, key=lambda pack: pack.unix_s)
    found: dict[str, list[PackedCell]] = {}
    for later in order[1:]:
        for name, old, new in paired_cells(order[0], later):
            found.setdefault(name, [old]).append(new)
    whole = {n: c for n, c in found.items() if len(c) == len(order) and _done(c)}
    told = [
        _course(name, cells, order, metric, gate)
        for name, cells in whole.items()
        for metric, gate in gates(margins, _shared(cells), {}).items()
    ]
    if not told:
        raise UserError("no cell is finished in all of them with a metric that has a margin")
    return told


def _done(cells: Sequence[PackedCell]) -> bool:
    return all(cell.status == "done" for cell in cells)


def _shared(cells: Sequence[PackedCell]) -> list[str]:
    return [metric for metric in cells[0].metrics if all(metric in c.metrics for c in cells)]


def _course(
    name: str, cells: Sequence[PackedCell], packs: Sequence[Pack], metric: str, gate: Gate
) -> Course:
    estimates = [cell.metrics[metric].estimate for cell in cells]
    names, times = [pack.name for pack in packs], [pack.unix_s for pack in packs]
    margin = gate.margin_beside(estimates[0].value)
    return Course(name, metric, names, times, estimates, steps(estimates, margin))


def history_table(found: Sequence[Course]) -> Table:
    """A line per step; courses without one are counted."""
    steady = sum(not course.steps for course in found)
    title = f"{len(found)} series of {len(found[0].packs)} packs; {steady} without a step"
    table = Table(title=Text(title), title_justify="left")
    for name in ("cell", "metric", "from", "date", "before", "change", "95 % interval", "is"):
        table.add_column(name)
    for course in found:
        for step in course.steps:
            table.add_row(*map(Text, _line(course, step)))
    return table


def _line(course: Course, step: Step) -> list[str]:
    decimals = decimals_for([step.change.se])
    low, high = step.change.interval()
    better = (step.change.value > 0) == (metric_spec(course.metric).better == "higher")
    return [
        course.cell,
        metric_spec(course.metric).label,
        course.packs[step.at],
        datetime.fromtimestamp(course.unix_s[step.at], UTC).strftime("%Y-%m-%d %H:%M"),
        number(course.estimates[step.at - 1].value, decimals),
        number(step.change.value, decimals),
        f"{number(low, decimals)} to {number(high, decimals)}",
        "better" if better else "worse",
    ]
