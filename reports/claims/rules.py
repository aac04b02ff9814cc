"""The rule of each claim: from a run's cells to inequalities of paired estimates and a verdict.

Thresholds and sides are set here, before cells are looked at; claims.py has the reasons. Both sides
of each comparison have the same prompts and noise.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

from denoisebench.metrics.decide.assertion import (
    Assertion,
    combined,
    hold_all,
    share_of_the_way,
    unevenness,
)
from denoisebench.metrics.decide.two_sample import classifier_accuracy
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.claims.cells import Cells, NotTested
from denoisebench.reports.claims.records import Judged, Part, Shown
from denoisebench.reports.formats import plus_minus

POINTS = 0.02  # of attribute accuracy: a loss that does not matter
GAIN = 0.01  # of attribute accuracy: the smallest gain that counts
FINE_DB = 0.5  # of power in the finest octave
CHROMA = 2.0  # of CIELAB
CLOSE, FAR = 0.8, 0.2  # of the way from chance to the input itself
TOLD_APART = 0.05  # of a classifier's accuracy
# Metrics that stand for edges, colours and fine texture, with the loss that does not matter. The
# first of a row that was measured counts.
_EDGES = {"accuracy_shape": POINTS, "sharpness": FINE_DB}
_COLOURS = {"accuracy_colour": POINTS, "saturation_distance": CHROMA}
_TEXTURES = {"accuracy_texture": GAIN, "power_octave_1": FINE_DB}
_Asserted = tuple[str, str, Assertion]  # name of the number, its unit, what is asserted of it


def _all(
    asserted: Sequence[_Asserted],
    beside: Sequence[tuple[str, str]] = (),
    shown: Sequence[Shown] = (),
) -> Judged:
    """The verdict on a claim that makes all these assertions."""
    verdict, held = hold_all([assertion for _, _, assertion in asserted])
    parts = [
        Part(words, unit, assertion.above, assertion.threshold, result)
        for (words, unit, assertion), result in zip(asserted, held, strict=True)
    ]
    return Judged(verdict, parts, [*beside], [*shown])


def _number(estimate: Estimate) -> str:
    return plus_minus(estimate.value, estimate.se)


def _less(cells: Cells, metric: str, row: int, *, than: int) -> Estimate:
    return combined((1.0, cells.estimate(row, metric)), (-1.0, cells.estimate(than, metric)))


def _measured(cells: Cells, *metrics: str) -> list[str]:
    """The metrics that this run has."""
    return [metric for metric in metrics if metric in cells.estimates]


def _shown(cells: Cells, *rows: int) -> list[Shown]:
    return [Shown(cells.name(row), row) for row in rows]


def distilled_matches(cells: Cells) -> Judged:
    fast = cells.row("distilled", "distilled_solver", "some")
    slow = cells.row("diffusion", "naive", "many")
    asserted = []
    for metric, gate in cells.gating().items():
        ours, theirs = cells.gated(fast, metric), cells.gated(slow, metric)
        loss = combined((-gate.sign, ours), (gate.sign, gate.beside(theirs)))
        words = f"{metric_spec(metric).label}: loss against {cells.name(slow)}"
        margin = gate.margin_beside(theirs.value)
        asserted.append((words, "", Assertion(loss, above=False, threshold=margin)))
    return _all(asserted, shown=_shown(cells, fast, slow))


def flow_is_less_sensitive(cells: Cells) -> Judged:
    native = [("flow", "flow_solver", "native"), ("diffusion", "naive", "native")]
    matched = [("flow", "flow_solver", "matched"), ("diffusion", "matched", "matched")]
    asserted, beside = [], []
    for metric, gate in cells.gating().items():
        label = metric_spec(metric).label
        flow, diffusion = (_loss_of_few(cells, metric, gate.sign, which=which) for which in native)
        words = f"{label}: loss of {cells.parts['flow']} less that of {cells.parts['diffusion']}"
        excess = combined((1.0, flow), (-1.0, diffusion))
        asserted.append((words, "", Assertion(excess, above=False)))
        beside += [
            (f"{label}: loss of {cells.parts[part]}", _number(loss))
            for part, loss in (("flow", flow), ("diffusion", diffusion))
        ]
        try:
            losses = [_loss_of_few(cells, metric, gate.sign, which=which) for which in matched]
        except NotTested:
            continue  # a scheduler that cannot run on matched levels
        excess = combined((1.0, losses[0]), (-1.0, losses[1]))
        beside.append((f"{label}: the same difference on matched noise levels", _number(excess)))
    rows = [cells.row(*which, s) for which in (x[:2] for x in native) for s in ("few", "many")]
    return _all(asserted, beside, _shown(cells, *rows))


def _loss_of_few(cells: Cells, metric: str, sign: int, *, which: tuple[str, str, str]) -> Estimate:
    model, scheduler, grid = which
    few, many = (
        cells.gated(cells.row(model, scheduler, steps, grid=grid), metric)
        for steps in ("few", "many")
    )
    return combined((sign, many), (-sign, few))


def flow_is_more_even(cells: Cells) -> Judged:
    flow = cells.row("flow", "flow_solver", "many")
    diffusion = cells.row("diffusion", "naive", "many")
    octaves = {row: cells.octaves(row) for row in (flow, diffusion)}
    uneven = {row: unevenness(levels) for row, levels in octaves.items()}
    excess = combined((1.0, uneven[flow]), (-1.0, uneven[diffusion]))
    words = f"unevenness of {cells.name(flow)} less that of {cells.name(diffusion)}"
    beside = [(f"{cells.name(row)}: unevenness in dB²", _number(uneven[row])) for row in uneven]
    beside += [
        (f"{cells.name(row)}: power at {2**k} to {2 ** (k + 1)} px in dB", _number(level))
        for row, levels in octaves.items()
        for k, level in enumerate(levels, 1)
    ]
    shown = _shown(cells, flow, diffusion)
    return _all([(words, "dB²", Assertion(excess, above=False))], beside, shown)


def few_steps_are_gritty(cells: Cells) -> Judged:
    asserted, beside, shown = [], [], []
    steps = "{few} steps less {many}".format(**cells.parts)
    for part in ("naive", "solver", "noisy"):
        few, many = (cells.row("diffusion", part, count) for count in ("few", "many"))
        finest, crisp = (
            _less(cells, metric, few, than=many) for metric in ("power_octave_1", "sharpness")
        )
        words = f"{cells.parts[part]}: power of the finest octave, {steps}"
        asserted.append((words, "dB", Assertion(finest, above=True, threshold=FINE_DB)))
        beside.append((f"{cells.parts[part]}: local sharpness in dB, {steps}", _number(crisp)))
        shown += _shown(cells, few, many)
    return _all(asserted, beside, shown)


def textures_come_last(cells: Cells) -> Judged:
    fast = cells.row("distilled", "distilled_solver", "few")
    longer = cells.row("distilled", "distilled_solver", "some")
    slow = cells.row("diffusion", "naive", "many")
    few, some = cells.parts["few"], cells.parts["some"]
    asserted = []
    for readings in (_EDGES, _COLOURS):
        metric, threshold = _first_measured(cells, readings)
        words = f"{metric_spec(metric).label}: loss in {few} steps against {cells.name(slow)}"
        loss = _better(cells, metric, slow, than=fast)
        asserted.append((words, metric_spec(metric).unit, Assertion(loss, False, threshold)))
    metric, threshold = _first_measured(cells, _TEXTURES)
    label, unit = metric_spec(metric).label, metric_spec(metric).unit
    gain = Assertion(_better(cells, metric, longer, than=fast), True, threshold)
    asserted.append((f"{label}: gain from {few} to {some} steps", unit, gain))
    beside = [
        (
            f"{label}: loss in {few} steps against {cells.name(slow)}",
            _number(_better(cells, metric, slow, than=fast)),
        )
    ]
    beside += [
        (f"{metric_spec(name).label} of {cells.name(row)}", _number(cells.estimate(row, name)))
        for name in _measured(cells, metric, "power_octave_1", "sharpness")
        for row in (fast, longer, slow)
    ]
    return _all(asserted, beside, _shown(cells, fast, longer, slow))


def _first_measured(cells: Cells, readings: Mapping[str, float]) -> tuple[str, float]:
    for metric, threshold in readings.items():
        if metric in cells.estimates:
            return metric, threshold
    raise NotTested(f"neither {' nor '.join(readings)} was measured in this run")


def _better(cells: Cells, metric: str, row: int, *, than: int) -> Estimate:
    """How much better one cell is than another; for a metric that should be 0, how much nearer."""
    a, b = cells.estimate(row, metric), cells.estimate(than, metric)
    spec = metric_spec(metric)
    if spec.is_signed:
        return combined((math.copysign(1, b.value), b), (-math.copysign(1, a.value), a))
    sign = 1.0 if spec.better == "higher" else -1.0
    return combined((sign, a), (-sign, b))


def guidance_over_saturates(cells: Cells) -> Judged:
    weights = {name: cells.parts[name] for name in ("low_guidance", "guidance", "high_guidance")}
    rows = {
        name: cells.row("diffusion", "naive", "usual", guidance=weight)
        for name, weight in weights.items()
    }
    low, usual, high = rows.values()
    clip = cells.metric("clip_score")
    label = metric_spec(clip).label
    gate = cells.gating().get(clip)
    if gate is None:
        raise NotTested(f"{clip} has no margin: name one in conf/margins")
    margin = gate.margin_beside(cells.estimate(usual, clip).value)
    follows, drifts = (_less(cells, clip, row, than=low) for row in (high, usual))
    colour = cells.estimate(high, "saturation")
    a, b, c = (f"{weight:g}" for weight in weights.values())
    asserted = [
        (f"{label}: guidance {c} less guidance {a}", "", Assertion(follows, True)),
        (f"{label}: guidance {b} less guidance {a}", "", Assertion(drifts, True, margin)),
        (
            f"Saturation against the reference at guidance {c}",
            "ΔC*",
            Assertion(colour, True, CHROMA),
        ),
    ]
    metrics = _measured(cells, clip, "accuracy", "saturation", "clipped")
    beside = [
        (
            f"{metric_spec(metric).label} at guidance {weights[name]:g}",
            _number(cells.estimate(row, metric)),
        )
        for metric in metrics
        for name, row in rows.items()
    ]
    richer = _less(cells, "saturation", high, than=usual)
    beside.append((f"Saturation at guidance {c} less that at {b}", _number(richer)))
    shown = [Shown(f"guidance {weights[name]:g}", row) for name, row in rows.items()]
    return _all(asserted, beside, shown)


def strength_is_distance(cells: Cells) -> Judged:
    strengths = cells.parts["low_strength"], cells.parts["high_strength"]
    rows = [
        cells.row("diffusion", "naive", "usual", task="img2img", strength=strength)
        for strength in strengths
    ]
    cosine = cells.metric("cosine")
    chance = cosine.replace("cosine", "chance", 1)
    near, far = (
        share_of_the_way(cells.estimate(row, chance), cells.estimate(row, cosine)) for row in rows
    )
    low, high = (f"strength {strength:g}" for strength in strengths)
    asserted = [
        (f"{low}: share of the way from chance to the input", "", Assertion(near, True, CLOSE)),
        (f"{high}: the same", "", Assertion(far, False, FAR)),
    ]
    metrics = _measured(cells, cosine, chance, "psnr_input", "ssim_input")
    beside = [
        (f"{name}: {metric_spec(metric).label}", _number(cells.estimate(row, metric)))
        for name, row in zip((low, high), rows, strict=True)
        for metric in metrics
    ]
    shown = [Shown("input", rows[0], given=True), Shown(low, rows[0]), Shown(high, rows[1])]
    return _all(asserted, beside, shown)


def schedulers_have_character(cells: Cells) -> Judged:
    names = ("naive", "solver", "noisy")
    seeds = cells.seeds()
    rows = {
        (name, seed): cells.row("diffusion", name, "some", seed=seed)
        for name in names
        for seed in seeds
    }
    looks = {which: cells.looks(row) for which, row in rows.items()}
    clusters = next(iter(cells.estimates.values()))[rows["naive", seeds[0]]].clusters
    first, second = seeds

    def told_apart(a: tuple[str, int], b: tuple[str, int]) -> Estimate:
        return classifier_accuracy(looks[a], looks[b], clusters)

    control = {name: told_apart((name, first), (name, second)) for name in names}
    asserted, beside = [], []
    for a, b in combinations(names, 2):
        both = told_apart((a, first), (b, second)), told_apart((b, first), (a, second))
        accuracy = combined((0.5, both[0]), (0.5, both[1]))
        beyond = combined((1.0, accuracy), (-0.5, control[a]), (-0.5, control[b]))
        words = f"{cells.parts[a]} and {cells.parts[b]}"
        share = f"{words}: share put right, less that of the control"
        asserted.append((share, "", Assertion(beyond, True, TOLD_APART)))
        beside.append((f"{words}: share put right", _number(accuracy)))
    beside += [
        (f"Control, {cells.parts[name]} under two noise seeds: share put right", _number(accuracy))
        for name, accuracy in control.items()
    ]
    return _all(asserted, beside, _shown(cells, *(rows[name, first] for name in names)))
