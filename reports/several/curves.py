"""The curves of several runs over each other: a colour each run, a shape each scheduler."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from denoisebench.bench.records.columns import PANEL_FIELDS
from denoisebench.bench.records.names import describe
from denoisebench.reports import theme
from denoisebench.reports.charts import Figure
from denoisebench.reports.page.axes import NFE, PRICE, SECONDS, STEPS, STRENGTH, Cost
from denoisebench.reports.page.figures import SERVICE_NOTE, curves_figure
from denoisebench.reports.page.looks import Look, looks_of, placed
from denoisebench.reports.rows.curves import panel_names, points_of
from denoisebench.reports.rows.frame import done, joined, records, varying
from denoisebench.reports.rows.services import (
    in_each_panel,
    of_services,
    with_prices,
    with_services_named,
)
from denoisebench.reports.several.metrics import Common
from denoisebench.reports.several.sides import Side

_NOTE = (
    "A run has one colour, a scheduler one shape. Whether a cell of two runs differs is in the "
    "table, not in whether bands meet."
)


def overlays(
    common: Common,
    looks: Mapping[str, Look],
    *,
    in_full: bool,
    is_timed: bool,
    usd_per_hour: float | None = None,
) -> list[Figure]:
    """Figures of a metric with the curves of all runs that measure it alike.

    in_full: against every cost, else against steps alone. is_timed: whether times of the runs may
    be held against each other. usd_per_hour: of the machine that was timed.
    """
    drawn = []
    for cost in _costs(in_full=in_full, is_timed=is_timed):
        rent = usd_per_hour if is_timed else None  # else seconds cannot be compared
        frame = with_prices(_overlaid(common.sides, cost), rent)
        least = 0 if cost in (SECONDS, PRICE) else 1
        points = placed(points_of(frame, common.name, cost.order, least=least), looks)
        points = points[points[cost.field].notna()]
        if _is_drawn(points, cost):
            shown = _without_absent(looks, frame, points, cost=cost)
            figure = curves_figure(frame, common.name, points, cost=cost, looks=shown)
            note = f"{_NOTE} {SERVICE_NOTE}" if of_services(frame).any() else _NOTE
            drawn.append(replace(figure, note=f"{figure.note} {note}"))
    return drawn


def _without_absent(
    looks: Mapping[str, Look], frame: pd.DataFrame, points: pd.DataFrame, *, cost: Cost
) -> dict[str, Look]:
    """The looks without those that have no point: services have none against steps, and what runs
    on a machine of no known price has none against that."""
    may_lack = frame if cost is PRICE else frame.loc[of_services(frame)]
    absent = {*may_lack["scheduler"]} - {*points["scheduler"]}
    return {name: look for name, look in looks.items() if name not in absent}


def _costs(*, in_full: bool, is_timed: bool) -> Iterator[Cost]:
    yield STEPS
    if in_full:
        yield NFE
    if in_full and is_timed:
        yield SECONDS
    if in_full:
        yield PRICE
    yield STRENGTH


def _is_drawn(points: pd.DataFrame, cost: Cost) -> bool:
    """Strength is drawn where a curve runs along it; it takes the place of single step counts."""
    if points.empty:
        return False
    strengths = points.groupby(["panel", "scheduler"])["strength"].nunique()
    return cost is not STRENGTH or strengths.max() > 1


def run_looks(sides: Sequence[Side]) -> dict[str, Look]:
    """The look of each curve, by its name: the run's colour, the shape and dash of the scheduler.
    Those of one run are a family."""
    of_sides = {side.label: looks_of(with_services_named(side.frame)) for side in sides}
    schedulers = dict.fromkeys(name for looks in of_sides.values() for name in looks)
    places = {name: place for place, name in enumerate(schedulers)}
    return {
        curve_name(side, name): Look(
            curve_name(side, name),
            side.label,
            side.colour,
            theme.SHAPES[places[name] % len(theme.SHAPES)],
            theme.DASHES[places[name] % len(theme.DASHES)],
        )
        for side in sides
        for name in of_sides[side.label]
    }


def curve_name(side: Side, scheduler: str) -> str:
    """`demo: ddim`"""
    return f"{side.label}: {scheduler}"


def _overlaid(sides: Sequence[Side], cost: Cost) -> pd.DataFrame:
    """Finished cells of all runs, curves named by run and scheduler. A panel is what differs within
    a run; what differs between runs alone, such as the model, does not part them."""
    cells = [with_services_named(done(side.frame)) for side in sides]
    names = _panel_names([frame[~of_services(frame)] for frame in cells], cost.order)
    together = _shared_name(cells)
    frames = [
        frame.assign(
            scheduler=[curve_name(side, name) for name in frame["scheduler"]],
            panel=[describe(row, names) or together for row in records(frame)],
        )
        for side, frame in zip(sides, cells, strict=True)
    ]
    return in_each_panel(joined(frames), together)


def _panel_names(frames: Sequence[pd.DataFrame], along: str) -> list[str]:
    within = {
        name for frame in frames if len(frame) for name in varying(frame, panel_names(frame, along))
    }
    return [name for name in (*PANEL_FIELDS, "steps") if name in within]


def _shared_name(frames: Sequence[pd.DataFrame]) -> str:
    """What a single panel is called: by the model and guidance that all runs share."""
    cells = joined(frames)
    shared = [name for name in ("model", "guidance") if cells[name].nunique() == 1]
    return describe(records(cells)[0], shared) or "all runs"
