"""The rules of claims about a model that was distilled to few steps."""

from collections.abc import Mapping

from denoisebench.metrics.decide.assertion import Assertion, combined
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.claims.cells import Cells, NotTested
from denoisebench.reports.claims.judge import Reading, judged, number, shown_cells
from denoisebench.reports.claims.records import Judged

POINTS = 0.02  # of accuracy: a loss that does not matter
GAIN = 0.01  # of accuracy: the smallest gain that counts
FINE_DB = 0.5  # of power, of energy
CHROMA = 2.0  # of CIELAB
QUARTER = 0.25  # of what few steps lose by the same metric: what a margin is of that with one
# Metrics that stand for edges, colours and fine texture, with the loss that does not matter. The
# first of a row that was measured counts.
_EDGES = {"accuracy_shape": POINTS, "sharpness": FINE_DB}
_COLOURS = {"accuracy_colour": POINTS, "saturation_distance": CHROMA}
_TEXTURES = {"accuracy_texture": GAIN, "grain": FINE_DB}


def distilled_matches(cells: Cells) -> Judged:
    """Whether a distilled model in some steps is as good as its teacher in many."""
    fast = cells.row("distilled", "distilled_solver", "some")
    slow = cells.row("diffusion", "naive", "many")
    points = {
        point: [_matches(cells, metric, fast, slow=slow) for metric in cells.part(part)]
        for point, part in (("images", "evaluators"), ("prompt", "readers"))
    }
    return judged(points, shown=shown_cells(cells, fast, slow))


def _matches(cells: Cells, metric: str, fast: int, *, slow: int) -> Reading:
    """That a metric's loss is below what does not matter."""
    loss, label = better(cells, metric, slow, than=fast), metric_spec(metric).label
    words = f"{label}: loss against {cells.name(slow)}"
    if metric in cells.gating():
        gate, theirs = cells.gating()[metric], cells.gated(slow, metric)
        loss = combined((-gate.sign, cells.gated(fast, metric)), (gate.sign, gate.beside(theirs)))
        return Reading(words, "", Assertion(loss, False, gate.margin_beside(theirs.value)))
    if metric.startswith("accuracy"):
        return Reading(words, "", Assertion(loss, False, POINTS))
    few = cells.row("diffusion", "naive", "few")
    excess = combined((1.0, loss), (-QUARTER, better(cells, metric, slow, than=few)))
    return Reading(
        f"{words}, less a quarter of that of {cells.name(few)}", "", Assertion(excess, False)
    )


def textures_come_last(cells: Cells) -> Judged:
    """Whether a distilled model has edges and colours in few steps, and gains texture in more."""
    fast = cells.row("distilled", "distilled_solver", "few")
    longer = cells.row("distilled", "distilled_solver", "some")
    slow = cells.row("diffusion", "naive", "many")
    few, some = cells.parts["few"], cells.parts["some"]
    points = {}
    for name, readings in (("edges", _EDGES), ("colours", _COLOURS)):
        metric, threshold = _first_measured(cells, readings)
        words = f"{metric_spec(metric).label}: loss in {few} steps against {cells.name(slow)}"
        loss = better(cells, metric, slow, than=fast)
        points[name] = [Reading(words, metric_spec(metric).unit, Assertion(loss, False, threshold))]
    metric, threshold = _first_measured(cells, _TEXTURES)
    label, unit = metric_spec(metric).label, metric_spec(metric).unit
    gain = Assertion(better(cells, metric, longer, than=fast), True, threshold)
    points["textures"] = [Reading(f"{label}: gain from {few} to {some} steps", unit, gain)]
    lost = better(cells, metric, slow, than=fast)
    beside = [(f"{label}: loss in {few} steps against {cells.name(slow)}", number(lost))]
    beside += [
        (f"{metric_spec(name).label} of {cells.name(row)}", number(cells.estimate(row, name)))
        for name in cells.measured(metric, "grain", "power_octave_1", "sharpness")
        for row in (fast, longer, slow)
    ]
    return judged(points, beside=beside, shown=shown_cells(cells, fast, longer, slow))


def better(cells: Cells, metric: str, row: int, *, than: int) -> Estimate:
    """How much better one cell is than another, by the metric's own direction; for one that is best
    at zero, how much nearer to it."""
    spec, a, b = metric_spec(metric), cells.estimate(row, metric), cells.estimate(than, metric)
    if spec.is_signed:
        return combined((_side(b), b), (-_side(a), a))
    sign = 1.0 if spec.better == "higher" else -1.0
    return combined((sign, a), (-sign, b))


def _side(estimate: Estimate) -> float:
    return 1.0 if estimate.value >= 0 else -1.0


def _first_measured(cells: Cells, readings: Mapping[str, float]) -> tuple[str, float]:
    for metric, threshold in readings.items():
        if metric in cells.estimates:
            return metric, threshold
    raise NotTested(f"neither {' nor '.join(readings)} was measured in this run")
