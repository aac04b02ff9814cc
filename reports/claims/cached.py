"""The rule of the claim that step caches are worth more than fewer steps."""

from denoisebench.metrics.decide.assertion import Assertion
from denoisebench.metrics.decide.budget import costs_no_more
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.claims.cells import Cells, NotTested
from denoisebench.reports.claims.distilled import better
from denoisebench.reports.claims.judge import Reading, judged_by_case, shown_cells
from denoisebench.reports.claims.records import Judged
from denoisebench.reports.formats import significant

_STEPS = ("some", "usual")


def caches_beat_fewer_steps(cells: Cells) -> Judged:
    """Whether cached cells are better than the plain ones of the most steps that cost no more."""
    caches = cells.caches("cached")
    if not caches:
        raise NotTested("no cell of this run has a step cache")
    cases, beside, pairs = {}, [], []
    for cache in caches:
        points = {}
        for steps in _STEPS:
            cached = cells.row("cached", "flow_solver", steps, cache=cache)
            plain = as_costly(cells, cached)
            pairs.append((cached, plain))
            point = f"{cells.steps_of(cached)} steps"
            points[point] = [
                _gains(cells, metric, cached, plain=plain) for metric in cells.part("evaluators")
            ]
            beside += [
                (f"TFLOPs of {cells.name(row)}", significant(cells.operations(row)))
                for row in (cached, plain)
            ]
        cases[cache] = points
    shown = shown_cells(cells, *dict.fromkeys(row for pair in pairs for row in pair))
    return judged_by_case("cache", cases, beside=beside, shown=shown)


def as_costly(cells: Cells, cached: int) -> int:
    """The plain cell of the most steps whose operations are no more than those of a cached one.

    Raises NotTested where the next number of steps was not run: it may cost no more either.
    """
    curve, limit = cells.in_all_steps(cached), cells.operations(cached)
    paid = [steps for steps, row in curve.items() if costs_no_more(cells.operations(row), limit)]
    if not paid or max(paid) + 1 not in curve:
        name, steps = cells.name(cached), f"{max(paid) + 1}" if paid else "fewer"
        raise NotTested(f"{name} is held against plain steps that cost as much: sweep {steps} too")
    return curve[max(paid)]


def _gains(cells: Cells, metric: str, cached: int, *, plain: int) -> Reading:
    if metric in cells.gating():
        for row in (cached, plain):
            cells.gated(row, metric)
    gain = better(cells, metric, cached, than=plain)
    words = f"{metric_spec(metric).label}: gain of {cells.name(cached)} on {cells.name(plain)}"
    return Reading(words, "", Assertion(gain, above=True))
