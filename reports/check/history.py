"""A series of packs, oldest first: metrics and times of each cell, and where they took a step."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.pack import Pack, PackedCell
from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.history import Step, steps, steps_of_times
from denoisebench.metrics.decide.speed import slowdown
from denoisebench.metrics.estimate import of_same_samples
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.check.columns import Column, add_rows, terminal_table
from denoisebench.reports.check.losses import (
    STAGES,
    WORDS,
    is_seen,
    of_processes,
    other_timing,
)
from denoisebench.reports.check.pairing import paired_cells
from denoisebench.reports.formats import number, places_of


@dataclass(frozen=True)
class Level:
    """One pack's point of a course: a metric's value; a time over the first pack's, calibrated."""

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
    packs: Sequence[Pack], margins: Mapping[str, Mapping[str, Any]], slower: Mapping[str, float]
) -> list[Course]:
    """Courses of the cells that all packs have finished, by metrics and stages with a margin.

    Raises UserError for fewer than two packs, packs of other experiments, and nothing in common.
    """
    if len(packs) < 2:
        raise UserError("give two packs or runs at least, of the same cells")
    order = sorted(packs, key=lambda pack: pack.unix_s)
    result: list[Course] = []
    for name, cells in _finished_in_all(order):
        result += _of_metrics(name, cells, order, margins=margins)
        result += _of_times(name, cells, order, slower=slower)
    if not result:
        raise UserError("no cell is finished in all of them with a metric that has a margin")
    return result


def _finished_in_all(packs: Sequence[Pack]) -> list[tuple[str, list[PackedCell]]]:
    """Name of each cell that all packs have finished, and what each pack has of it."""
    first, *rest = packs
    series: dict[int, tuple[str, list[PackedCell]]] = {}  # by cell of the first pack
    for later in rest:
        for name, old, new in paired_cells(first, later):
            series.setdefault(id(old), (name, [old]))[1].append(new)
    return [
        (name, cells)
        for name, cells in series.values()
        if len(cells) == len(packs) and all(packed.status in WHOLE for packed in cells)
    ]


def _of_metrics(
    name: str,
    cells: Sequence[PackedCell],
    packs: Sequence[Pack],
    *,
    margins: Mapping[str, Mapping[str, Any]],
) -> Iterator[Course]:
    most = max(cell.samples for cell in cells)  # packs that only timed say nothing of quality
    kept = [place for place, cell in enumerate(cells) if cell.samples == most]
    if len(kept) < 2:
        return
    cells, packs = [cells[i] for i in kept], [packs[i] for i in kept]
    shared = [m for m in cells[0].metrics if all(m in cell.metrics for cell in cells)]
    for metric, gate in gates(margins, shared, {}).items():
        estimates = [cell.metrics[metric].estimate for cell in cells]
        if not all(of_same_samples(estimates[0], estimate) for estimate in estimates):
            raise UserError(f"{name}: {metric} is of other samples in some packs: leave those out")
        levels = [Level(estimate.value, *estimate.interval()) for estimate in estimates]
        margin = gate.margin_beside(estimates[0].value)
        yield _course(name, metric, packs, levels=levels, steps=steps(estimates, margin))


def _of_times(
    name: str, cells: Sequence[PackedCell], packs: Sequence[Pack], *, slower: Mapping[str, float]
) -> Iterator[Course]:
    """Where all packs were timed alike."""
    timed = [cell.latencies for cell in cells]
    if not all(timed) or any(other_timing(cells[0], cell) for cell in cells):
        return
    for stage in filter(slower.__contains__, STAGES):
        series = [of_processes(latencies, stage) for latencies in timed]
        if all(is_seen(processes, stage) for processes in series):
            ratios = [slowdown(now, series[0]) for now in series[1:]]
            levels = [Level(1.0, 1.0, 1.0), *map(_level_of_time, ratios)]
            margin = math.log1p(slower[stage])
            lasting = steps_of_times(series, margin)
            yield _course(name, stage, packs, levels=levels, steps=lasting)


def _level_of_time(ratio: Difference) -> Level:
    """ratio: the logarithm of one."""
    return Level(*map(math.exp, (ratio.value, *ratio.interval())))


def _course(
    name: str, measure: str, packs: Sequence[Pack], *, levels: list[Level], steps: list[Step]
) -> Course:
    names, times = [pack.name for pack in packs], [pack.unix_s for pack in packs]
    return Course(name, measure, names, times, levels, steps)


def course_record(course: Course) -> dict[str, Any]:
    """A course as plain values. The change of a time is that of its logarithm."""
    return {
        "cell": course.cell,
        "measure": course.measure,
        "packs": course.packs,
        "unix_s": course.unix_s,
        "levels": [*map(asdict, course.levels)],
        "steps": [
            {
                "at": course.packs[step.at],
                "change": step.change.value,
                "interval": step.change.interval(),
                "p": step.p,
            }
            for step in course.steps
        ],
    }


class _Taken(NamedTuple):
    """A step of a course."""

    course: Course
    step: Step


def history_table(courses: Sequence[Course]) -> Table | Text:
    """A line per step; courses without one are counted."""
    steady = sum(not course.steps for course in courses)
    title = f"{len(courses)} series of {len(courses[0].packs)} packs; {steady} without a step"
    table = terminal_table(COLUMNS, title)
    add_rows(table, COLUMNS, (_Taken(course, step) for course in courses for step in course.steps))
    return table if table.rows else Text(title)


def _date(taken: _Taken) -> str:
    unix_s = taken.course.unix_s[taken.step.at]
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M")


def _before(taken: _Taken) -> str:
    value = taken.course.levels[taken.step.at - 1].value
    return number(value, 2 if taken.course.is_time else places_of(taken.step.change.se))


def _change(taken: _Taken) -> str:
    return _change_text(taken, taken.step.change.value)


def _interval(taken: _Taken) -> str:
    low, high = taken.step.change.interval()
    return f"{_change_text(taken, low)} to {_change_text(taken, high)}"


def _change_text(taken: _Taken, change: float) -> str:
    """The change in words: of a time in percent, since it is that of its logarithm."""
    if taken.course.is_time:
        return f"{number(100 * math.expm1(change), 1)} %"
    return number(change, places_of(taken.step.change.se))


def _direction(taken: _Taken) -> str:
    rises = taken.step.change.value > 0
    if taken.course.is_time:
        return "worse" if rises else "better"
    return "better" if rises == (metric_spec(taken.course.measure).better == "higher") else "worse"


COLUMNS: tuple[Column[_Taken], ...] = (
    Column("cell", lambda taken: taken.course.cell),
    Column("measure", lambda taken: taken.course.label),
    Column("from", lambda taken: taken.course.packs[taken.step.at]),
    Column("date", _date),
    Column("before", _before),
    Column("change", _change),
    Column("95 % interval", _interval),
    Column("is", _direction),
)
