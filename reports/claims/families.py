"""The rules of claims that compare flow matching with diffusion, under native and matched grids."""

from collections.abc import Sequence

from denoisebench.metrics.decide.assertion import Assertion, combined, unevenness
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.claims.cells import Cells
from denoisebench.reports.claims.judge import (
    Points,
    Reading,
    judged_by_case,
    number,
    shown_cells,
)
from denoisebench.reports.claims.records import Judged

EVEN = 0.25  # dB²: the square of half a decibel
GRIDS = ("native", "matched")
_Curve = tuple[str, str, str]  # parts of model and scheduler, and the grid


def half_looks_like_enough(cells: Cells) -> Judged:
    """Whether a flow model loses less than the margins from many steps to half of them."""
    cases = {f"{grid} grid": _saved(cells, ("flow", "flow_solver", grid)) for grid in GRIDS}
    same = _saved(cells, ("diffusion", "naive", "native"))
    beside = [
        (reading.words, number(reading.assertion.estimate))
        for point in same.values()
        for reading in point
    ]
    rows = [cells.row("flow", "flow_solver", steps) for steps in ("half", "enough")]
    return judged_by_case("grid", cases, beside=beside, shown=shown_cells(cells, *rows))


def _saved(cells: Cells, curve: _Curve) -> Points:
    """Points that half of enough steps lose less than the margin against them, by gating metric."""
    model, scheduler, grid = curve
    half, enough = (cells.row(model, scheduler, steps, grid=grid) for steps in ("half", "enough"))
    points = {}
    for metric, gate in cells.gating().items():
        ours, theirs = cells.gated(half, metric), cells.gated(enough, metric)
        loss = combined((-gate.sign, ours), (gate.sign, gate.beside(theirs)))
        label = metric_spec(metric).label
        words = f"{label}: loss of {cells.name(half)} against {cells.parts['enough']}"
        margin = gate.margin_beside(theirs.value)
        points[label] = [Reading(words, "", Assertion(loss, above=False, threshold=margin))]
    return points


def flow_is_less_sensitive(cells: Cells) -> Judged:
    """Whether a flow model loses less than a diffusion model from many steps to few."""
    flow, diffusion = cells.part("flow"), cells.part("diffusion")
    cases, beside = {}, []
    for grid in GRIDS:
        points = {}
        for metric, gate in cells.gating().items():
            label = metric_spec(metric).label
            losses = [_loss_of_few(cells, metric, gate.sign, curve=c) for c in _curves(grid)]
            excess = combined((1.0, losses[0]), (-1.0, losses[1]))
            words = f"{grid} grid, {label}: loss of {flow} less that of {diffusion}"
            points[label] = [Reading(words, "", Assertion(excess, above=False))]
            beside += [
                (f"{grid} grid, {label}: loss of {model}", number(loss))
                for model, loss in zip((flow, diffusion), losses, strict=True)
            ]
        cases[f"{grid} grid"] = points
    rows = [cells.row(*curve[:2], steps) for curve in _curves("native") for steps in _ENDS]
    return judged_by_case("grid", cases, beside=beside, shown=shown_cells(cells, *rows))


_ENDS = ("few", "many")


def _curves(grid: str) -> Sequence[_Curve]:
    """The curve of flow and that of diffusion which are compared under a grid."""
    solver = "naive" if grid == "native" else "matched"
    return ("flow", "flow_solver", grid), ("diffusion", solver, grid)


def _loss_of_few(cells: Cells, metric: str, sign: int, *, curve: _Curve) -> Estimate:
    model, scheduler, grid = curve
    few, many = (
        cells.gated(cells.row(model, scheduler, steps, grid=grid), metric) for steps in _ENDS
    )
    return combined((sign, many), (-sign, few))


def flow_is_more_even(cells: Cells) -> Judged:
    """Whether the power of a flow model's images is off more evenly over octaves."""
    cases, beside, shown = {}, [], []
    for grid in GRIDS:
        flow, diffusion = (cells.row(*c[:2], "many", grid=grid) for c in _curves(grid))
        octaves = {row: cells.octaves(row) for row in (flow, diffusion)}
        uneven = {row: unevenness(levels) for row, levels in octaves.items()}
        excess = combined((1.0, uneven[flow]), (-1.0, uneven[diffusion]))
        words = f"unevenness of {cells.name(flow)} less that of {cells.name(diffusion)}"
        asserted = Assertion(excess, above=False, threshold=-EVEN)
        cases[f"{grid} grid"] = {"unevenness": [Reading(words, "dB²", asserted)]}
        beside += [(f"{cells.name(row)}: unevenness in dB²", number(uneven[row])) for row in uneven]
        beside += [
            (f"{cells.name(row)}: power at {2**k} to {2 ** (k + 1)} px in dB", number(level))
            for row, levels in octaves.items()
            for k, level in enumerate(levels, 1)
        ]
        shown += shown_cells(cells, flow, diffusion)
    return judged_by_case("grid", cases, beside=beside, shown=shown)
