"""A candidate against a baseline: what got worse, cell by cell, in quality and in speed.

Rows of plain values come out; reports/check_output.py writes them down.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.cell import Latency
from bench.errors import UserError
from bench.margins import gates
from bench.pack import Pack, PackedCell
from metrics.decide import PASS, UNDECIDED, Difference
from metrics.estimate import mean_estimate
from metrics.regression import REGRESSION, Judgement, Loss, judge, slowdown

# What makes a cell the same experiment's, whatever was changed: it is paired by these.
_SETTINGS = (
    *("task", "scheduler", "steps", "strength", "grid", "guidance_rescale"),
    *("guidance_interval", "negative_prompt"),
)
# What may not differ: samples would not be the same ones.
_EXPERIMENT = {
    "prompts_hash": "prompts",
    "seed": "seed",
    "height": "height",
    "width": "width",
    "inputs": "input images",
    "latents": "initial noise",
}
_GRID_TOLERANCE = 1e-4  # relative: noise levels that differ by less are the same
STAGES = {"latency": "total_s", "text": "text_s", "denoise": "denoise_s", "decode": "decode_s"}
MEMORY, DRIFT = "memory", "drift"
Pair = tuple[str, PackedCell, PackedCell]  # name of the cell, baseline, candidate


@dataclass(frozen=True)
class Row:
    """One comparison. Losses are in the metric's units; of times and memory they are ratios - 1."""

    cell: str
    measure: str  # metric column, "latency", "text", "denoise", "decode" or "memory"
    outcome: str
    baseline: float
    candidate: float
    loss: float
    low: float
    high: float
    margin: float
    p: float
    further: int
    note: str


@dataclass(frozen=True)
class _Pending:
    """A row before its family is judged."""

    cell: str
    measure: str
    baseline: float
    candidate: float
    loss: Loss
    is_ratio: bool  # whether the loss is the logarithm of one
    note: str = ""


@dataclass(frozen=True, eq=False)
class Check:
    """All of a check; a regression anywhere is one of the whole."""

    baseline: str
    candidate: str
    rows: list[Row]
    problems: dict[str, str]  # by cell: missing, failed or degenerate ones, which are regressions
    notes: list[str]  # that explain: grids and evaluations that changed, machines that differ
    pairs: list[Pair]  # that were compared

    @property
    def outcome(self) -> str:
        outcomes = {row.outcome for row in self.rows}
        if self.problems or REGRESSION in outcomes:
            return REGRESSION
        return UNDECIDED if UNDECIDED in outcomes else PASS


def check(
    baseline: Pack,
    candidate: Pack,
    margins: Mapping[str, Mapping],
    slower: Mapping[str, float],
    drift: float | None = None,
) -> Check:
    """margins: of the metrics that decide; slower: of times and memory, as ratios - 1; drift: how
    far images may move, see `drifts`; None does not ask.

    Raises UserError when the two are not of one experiment, or share nothing that can be compared.
    """
    pairs, missing = _match(baseline, candidate)
    _refuse_foreign(pairs)
    known = [pair for pair in pairs if pair[1].status == "done"]
    broken = {name: _why(new) for name, _, new in known if new.status != "done"}
    whole = [pair for pair in known if pair[0] not in broken]
    pending = [
        each
        for pair in whole
        for each in (*_quality(*pair, margins), *_drift(*pair, drift), *_speed(*pair, slower))
    ]
    if not pending and not missing and not broken:
        raise UserError("baseline and candidate share nothing that has a margin: see --margins")
    judged = judge([each.loss for each in pending])
    rows = [_row(*each) for each in zip(pending, judged, strict=True)]
    notes = [
        *_about_runs(baseline, candidate),
        *(
            f"{name}: {old.status} in the baseline, not compared"
            for name, old, _ in pairs
            if old.status != "done"
        ),
        *(note for pair in whole for note in _about_grid(*pair)),
    ]
    return Check(baseline.name, candidate.name, rows, missing | broken, notes, whole)


def paired_cells(baseline: Pack, candidate: Pack) -> list[Pair]:
    """Raises UserError when there is none, and when the two are not of one experiment."""
    pairs, _ = _match(baseline, candidate)
    _refuse_foreign(pairs)
    return pairs


def _match(baseline: Pack, candidate: Pack) -> tuple[list[Pair], dict[str, str]]:
    """Pairs of cells, and what the candidate lacks. Raises UserError when there is no pair."""
    one_model = all(len({c.cell.model for c in pack.cells}) == 1 for pack in (baseline, candidate))
    found: dict[tuple, list[PackedCell]] = defaultdict(list)
    for each in candidate.cells:
        found[_settings(each, one_model)].append(each)
    pairs: list[Pair] = []
    missing: dict[str, str] = {}
    for old in baseline.cells:
        alike = found.get(_settings(old, one_model), [])
        alike = [c for c in alike if c.cell.seed == old.cell.seed] or alike
        if alike:
            pairs.append((cell_name(old, with_model=not one_model), old, alike[0]))
        else:
            missing[cell_name(old, with_model=not one_model)] = (
                "missing: the candidate has no such cell"
            )
    if not pairs:
        raise UserError(
            f"{baseline.name} and {candidate.name} share no cell: sweep the candidate over the "
            "baseline's schedulers, steps and guidance"
        )
    return pairs, missing


def _settings(packed: PackedCell, one_model: bool) -> tuple:
    """A model may be called otherwise where each side has just one."""
    model = "" if one_model else packed.cell.model
    return model, packed.guidance, *(getattr(packed.cell, name) for name in _SETTINGS)


def same_curve(packed: PackedCell) -> tuple:
    """What cells share that differ in the step count alone."""
    cell, fields = packed.cell, (*_SETTINGS, *_EXPERIMENT, "model")
    return packed.guidance, *(getattr(cell, name) for name in fields if name != "steps")


def cell_name(packed: PackedCell, with_model: bool = True) -> str:
    cell = packed.cell
    words = [cell.model] if with_model else []
    words += [cell.scheduler, f"{cell.steps} steps", f"guidance {packed.guidance:g}"]
    if cell.task != "txt2img":
        words += [cell.task, f"strength {cell.strength:g}"]
    if cell.grid != "native":
        words.append(f"{cell.grid} grid")
    return ", ".join(words)


def _refuse_foreign(pairs: Sequence[Pair]) -> None:
    """Raises UserError with all that differs."""
    differs: dict[str, None] = {}
    for _, old, new in pairs:
        for field, words in _EXPERIMENT.items():
            a, b = getattr(old.cell, field), getattr(new.cell, field)
            if a != b:
                differs[
                    f"{words}: {a or 'none'} in the baseline, {b or 'none'} in the candidate"
                ] = None
        for metric in old.metrics.keys() & new.metrics.keys():
            if old.samples == new.samples and old.metrics[metric].kind != new.metrics[metric].kind:
                differs[f"{metric}: another extractor, reference or resize convention"] = None
    if differs:
        lines = "\n".join(f"  {line}" for line in differs)
        raise UserError(f"baseline and candidate are not of one experiment:\n{lines}")


def _why(packed: PackedCell) -> str:
    return f"{packed.status}: {packed.message}" if packed.message else packed.status


def _quality(
    name: str, old: PackedCell, new: PackedCell, margins: Mapping[str, Mapping]
) -> Iterator[_Pending]:
    shared = [metric for metric in old.metrics if metric in new.metrics]
    for metric, gate in gates(margins, shared, {}).items():
        a, b = old.metrics[metric].estimate, new.metrics[metric].estimate
        difference = gate.loss(b, a)
        loss = Loss(difference, gate.margin_beside(a.value), min(a.samples, b.samples))
        note = f"unpaired: {difference.unpaired}" if difference.unpaired else ""
        yield _Pending(name, metric, a.value, b.value, loss, is_ratio=False, note=note)


def drifts(old: PackedCell, new: PackedCell) -> np.ndarray | None:
    """How far each sample [n] has moved, by the first features that both have: its squared distance
    as a share of that between two images at random. 0 is the same image, 1 another one.

    None when there are no such features.
    """
    kind = next((kind for kind in old.features if kind in new.features), None)
    if kind is None:
        return None
    n = min(old.samples, new.samples)
    a, b = (each.features[kind][:n].astype(np.float64) for each in (old, new))
    spread = 2 * np.square(a - a.mean(0)).sum(1).mean()
    return np.square(a - b).sum(1) / spread if spread else None


def _drift(name: str, old: PackedCell, new: PackedCell, margin: float | None) -> Iterator[_Pending]:
    moved = drifts(old, new)
    if margin is None or moved is None:
        return
    found = mean_estimate(moved)
    loss = Loss(Difference(found.value, found.se, len(moved)), margin)
    yield _Pending(name, DRIFT, 0.0, found.value, loss, is_ratio=False)


def _speed(
    name: str, old: PackedCell, new: PackedCell, slower: Mapping[str, float]
) -> Iterator[_Pending]:
    """By time over the calibration that ran beside it, so that a slower machine is no slower
    candidate; memory as it is."""
    if old.latency is None or new.latency is None:
        return
    a, b = old.latency, new.latency
    if _other_timing(a, b):
        return
    for stage, field in STAGES.items():
        times = [_calibrated(latency, field) for latency in (a, b)]
        if stage in slower and all(len(t) and (t > 0).all() for t in times):
            loss = Loss(slowdown(times[1], times[0]), math.log1p(slower[stage]))
            before, now = (_seconds(latency, field) for latency in (a, b))
            yield _Pending(name, stage, before, now, loss, is_ratio=True)
    if MEMORY in slower:
        old_size, new_size = float(a.peak_memory_bytes), float(b.peak_memory_bytes)
        ratio = Difference(math.log(new_size / old_size), 0.0, 1)
        loss = Loss(ratio, math.log1p(slower[MEMORY]))
        yield _Pending(name, MEMORY, old_size, new_size, loss, is_ratio=True)


def _other_timing(a: Latency, b: Latency) -> str:
    """Why times cannot be compared."""
    pairs = {"batches": (a.batch_size, b.batch_size), "threads": (a.threads, b.threads)}
    return "; ".join(
        f"{old} {name}, then {new}" for name, (old, new) in pairs.items() if old != new
    )


def _seconds(latency: Latency, field: str) -> float:
    """Median per image."""
    return float(np.median(getattr(latency, field))) / latency.batch_size


def _calibrated(latency: Latency, field: str) -> np.ndarray:
    return np.array(getattr(latency, field)) / np.array(latency.calibration_s)


def _row(pending: _Pending, judgement: Judgement) -> Row:
    verdict, shown = judgement.verdict, math.expm1 if pending.is_ratio else float
    return Row(
        cell=pending.cell,
        measure=pending.measure,
        outcome=judgement.outcome,
        baseline=pending.baseline,
        candidate=pending.candidate,
        loss=shown(verdict.loss),
        low=shown(verdict.low),
        high=shown(verdict.high),
        margin=shown(verdict.margin),
        p=judgement.p,
        further=verdict.further if judgement.outcome == UNDECIDED else 0,
        note=pending.note,
    )


def _about_runs(baseline: Pack, candidate: Pack) -> Iterator[str]:
    """What differs in libraries and machines."""
    a, b = baseline.environment, candidate.environment
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) != b.get(name):
            yield f"{name}: {a.get(name, 'unknown')} before, {b.get(name, 'unknown')} now"
    if a.get("processor") != b.get("processor"):
        yield "other hardware: times are compared by calibration alone"


def _about_grid(name: str, old: PackedCell, new: PackedCell) -> Iterator[str]:
    """What changed in the work done, which explains quality that changed."""
    if old.cost and new.cost and old.cost.nfe != new.cost.nfe:
        yield f"{name}: {old.cost.nfe} evaluations before, {new.cost.nfe} now"
    if (
        old.grid
        and new.grid
        and (place := _first_change(old.grid.sigmas, new.grid.sigmas)) is not None
    ):
        levels = [_at(each.grid.sigmas, place) for each in (old, new) if each.grid]
        yield (
            f"{name}: the grid changed at N = {old.cell.steps}: "
            f"noise level {levels[0]} of evaluation {place + 1} is {levels[1]} now"
        )
    if old.latency and new.latency and (why := _other_timing(old.latency, new.latency)):
        yield f"{name}: times are not compared: {why}"
    changed = [
        f
        for f in ("weights", "scheduler_class", "scheduler_flags", "dtype", "call")
        if getattr(old.cell, f) != getattr(new.cell, f)
    ]
    if changed:
        yield f"{name}: {', '.join(changed)} changed"


def _first_change(a: Sequence[float], b: Sequence[float]) -> int | None:
    for place in range(max(len(a), len(b))):
        if place >= min(len(a), len(b)) or not math.isclose(
            a[place], b[place], rel_tol=_GRID_TOLERANCE
        ):
            return place
    return None


def _at(levels: Sequence[float], place: int) -> str:
    return f"{levels[place]:.4g}" if place < len(levels) else "none"
