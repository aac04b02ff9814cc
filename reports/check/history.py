"""A series of packs, oldest first: metrics and times of each cell, and where they took a step."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.pack import Pack, PackedCell
from denoisebench.metrics.decide.history import Step, steps, steps_of_times
from denoisebench.metrics.decide.speed import slowdown
from denoisebench.metrics.estimate import of_same_samples
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.check.check import paired_cells
from denoisebench.reports.check.losses import (
    STAGES,
    WORDS,
    is_seen,
    known_freedom,
    of_processes,
    other_timing,
)
from denoisebench.reports.formats import decimals_for, number


@dataclass(frozen=True)
class Level:
    """Of one pack: of a metric its value, of a time that over the first pack's, calibrated."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Course:
    """A metric or a time of one cell over the series."""

    cell: str
    measure: str  # metric column, or one of STAGES
    packs: list[str]  # names, oldest first
    unix_s: list[float]
    levels: list[Level]
    steps: list[Step]  # of a time in its logarithm

    @property
    def is_time(self) -> bool:
        return self.measure in STAGES

    @property
    def label(self) -> str:
        if self.is_time:
            return f"{WORDS[self.measure].capitalize()} / that of {self.packs[0]}"
        return metric_spec(self.measure).label

    @property
    def meaning(self) -> str:
        return "calibrated time" if self.is_time else metric_spec(self.measure).meaning


def courses(
    packs: Sequence[Pack], margins: Mapping[str, Mapping], slower: Mapping[str, float]
) -> list[Course]:
    """Of the cells that all packs have finished, by the metrics and stages that have a margin.

    Raises UserError for fewer than two packs, packs of other experiments, and nothing in common.
    """
    if len(packs) < 2:
        raise UserError("give two packs or runs at least, of the same cells")
    order = sorted(packs, key=lambda pack: pack.unix_s)
    found: dict[int, tuple[str, list[PackedCell]]] = {}  # by cell of the first pack
    for later in order[1:]:
        for name, old, new in paired_cells(order[0], later):
            found.setdefault(id(old), (name, [old]))[1].append(new)
    whole = [(n, c) for n, c in found.values() if len(c) == len(order) and _done(c)]
    told: list[Course] = []
    for name, cells in whole:
        told += _of_metrics(name, cells, order, margins)
        told += _of_times(name, cells, order, slower)
    if not told:
        raise UserError("no cell is finished in all of them with a metric that has a margin")
    return told


def _done(cells: Sequence[PackedCell]) -> bool:
    return all(cell.status == "done" for cell in cells)


def _of_metrics(
    name: str, cells: Sequence[PackedCell], packs: Sequence[Pack], margins: Mapping[str, Mapping]
) -> Iterator[Course]:
    most = max(cell.samples for cell in cells)  # packs that only timed say nothing of quality
    kept = [place for place, cell in enumerate(cells) if cell.samples == most]
    if len(kept) < 2:
        return
    cells, packs = [cells[i] for i in kept], [packs[i] for i in kept]
    shared = [m for m in cells[0].metrics if all(m in cell.metrics for cell in cells)]
    for metric, gate in gates(margins, shared, {}).items():
        estimates = [cell.metrics[metric].estimate for cell in cells]
        if not all(of_same_samples(estimates[0], each) for each in estimates):
            raise UserError(f"{name}: {metric} is of other samples in some packs: leave those out")
        levels = [Level(each.value, *each.interval()) for each in estimates]
        margin = gate.margin_beside(estimates[0].value)
        yield _course(name, metric, packs, levels, steps(estimates, margin))


def _of_times(
    name: str, cells: Sequence[PackedCell], packs: Sequence[Pack], slower: Mapping[str, float]
) -> Iterator[Course]:
    """Where all packs were timed alike."""
    timed = [cell.latencies for cell in cells]
    if not all(timed) or any(other_timing(cells[0], each) for each in cells):
        return
    for stage in filter(slower.__contains__, STAGES):
        series = [of_processes(each, stage) for each in timed]
        if all(is_seen(each, stage) for each in series):
            freedom = known_freedom(*cells)
            ratios = [slowdown(each, series[0], known_freedom=freedom) for each in series[1:]]
            bounds = [(each.value, *each.interval()) for each in ratios]
            levels = [Level(1.0, 1.0, 1.0), *(Level(*map(math.exp, each)) for each in bounds)]
            found = steps_of_times(series, math.log1p(slower[stage]), known_freedom=freedom)
            yield _course(name, stage, packs, levels, found)


def _course(
    name: str, measure: str, packs: Sequence[Pack], levels: list[Level], found: list[Step]
) -> Course:
    names, times = [pack.name for pack in packs], [pack.unix_s for pack in packs]
    return Course(name, measure, names, times, levels, found)


def history_table(found: Sequence[Course]) -> Table | Text:
    """A line per step; courses without one are counted."""
    steady = sum(not course.steps for course in found)
    title = f"{len(found)} series of {len(found[0].packs)} packs; {steady} without a step"
    table = Table(title=Text(title), title_justify="left")
    for name in ("cell", "measure", "from", "date", "before", "change", "95 % interval", "is"):
        table.add_column(name)
    for course in found:
        for step in course.steps:
            table.add_row(*map(Text, _line(course, step)))
    return table if table.rows else Text(title)


def _line(course: Course, step: Step) -> list[str]:
    date = datetime.fromtimestamp(course.unix_s[step.at], UTC).strftime("%Y-%m-%d %H:%M")
    change = (step.change.value, *step.change.interval())
    if course.is_time:
        value, low, high = (f"{number(100 * math.expm1(each), 1)} %" for each in change)
        before, better = number(course.levels[step.at - 1].value, 2), step.change.value < 0
    else:
        decimals = decimals_for([step.change.se])
        value, low, high = (number(each, decimals) for each in change)
        before = number(course.levels[step.at - 1].value, decimals)
        better = (step.change.value > 0) == (metric_spec(course.measure).better == "higher")
    told = [course.cell, course.label, course.packs[step.at], date, before, value]
    return [*told, f"{low} to {high}", "better" if better else "worse"]
