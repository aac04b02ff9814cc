"""A candidate against a baseline: what got worse, cell by cell, in quality and in speed.

Rows of plain values come out; reports/check/output.py writes them down.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.cell import FACTS, MADE, OTHER, PAIRED, Cell, fields_with
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.pack import Pack, PackedCell
from denoisebench.metrics.decide.regression import REGRESSION, Judgement, judge
from denoisebench.metrics.decide.verdicts import FAIL, PASS, UNDECIDED
from denoisebench.reports.check.losses import (
    Pair,
    Pending,
    losses,
    shared_features,
    uncompared,
    unscored,
)

# What may not differ: samples would not be the same ones.
_EXPERIMENT = {name: known.experiment for name, known in FACTS.items() if known.experiment}
# What may change; of the engine the device, as the rest is the environment's.
_CHANGES = (*fields_with(MADE, OTHER), "device")
_OWN_REFERENCE = "_converged"  # metrics against a trajectory that each side makes for itself
_GRID_TOLERANCE = 1e-4  # relative: noise levels that differ by less are the same
_HARDWARE = ("processor", "accelerator")  # of an environment
_CALIBRATION_NOTED = 0.25  # of its logarithm: a change that is worth a line


@dataclass(frozen=True)
class Comparison:
    """One comparison. Losses are in the metric's units; of times, joules and bytes ratios - 1."""

    cell: str
    measure: str  # metric column, or one of reports/check/losses.py
    outcome: str
    baseline: float
    candidate: float
    loss: float
    low: float
    high: float
    margin: float
    p: float
    further: float  # samples or processes; infinite if too many in practice
    note: str


@dataclass(frozen=True, eq=False)
class Check:
    """All of a check; a regression anywhere is one of the whole."""

    baseline: str
    candidate: str
    rows: list[Comparison]
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
    margins: Mapping[str, Mapping[str, Any]],
    *,
    slower: Mapping[str, float],
    drift: Mapping[str, float] | None = None,
) -> Check:
    """Holds each cell of a candidate against the same one of the baseline.

    margins: of the metrics that decide; slower: of times, joules and memory, as ratios - 1;
    drift: how many images may move, and how far it takes to count, see bench/settings/margins.py;
    None does not ask.

    Raises UserError when the two are not of one experiment, or share nothing that can be compared.
    """
    pairs, missing = _match(baseline, candidate)
    _refuse_foreign(pairs)
    known = [pair for pair in pairs if pair.old.status == "done"]
    if not known and not missing:
        raise UserError(f"no cell of {baseline.name} is done: there is nothing to compare with")
    failed = {pair.name: _why(pair.new) for pair in known if pair.new.status != "done"}
    whole = [pair for pair in known if pair.name not in failed]
    problems = missing | failed | _lacking(whole, margins, with_features=bool(drift))
    elsewhere = _other_machine(baseline, candidate)
    pending = [
        loss
        for pair in whole
        for loss in losses(pair, margins, slower=slower, drift=drift, elsewhere=elsewhere)
    ]
    if not pending and not problems:
        raise UserError("baseline and candidate share nothing that has a margin: see --margins")
    notes = [*_about_runs(baseline, candidate), *_about_pairs(pairs, whole)]
    return Check(baseline.name, candidate.name, _judged(pending), problems, notes, whole)


def _lacking(
    pairs: Sequence[Pair], margins: Mapping[str, Mapping[str, Any]], *, with_features: bool
) -> dict[str, str]:
    """Metrics and features that the baseline has and the candidate lacks, said by cell."""
    problems = {}
    for pair in pairs:
        if metrics := unscored(pair, margins):
            problems[pair.name] = f"missing: the candidate was not scored by {', '.join(metrics)}"
        elif with_features and pair.old.features and shared_features(pair) is None:
            problems[pair.name] = "missing: the candidate has no features of the baseline's kinds"
    return problems


def _judged(pending: Sequence[Pending]) -> list[Comparison]:
    """All of a check as one family of tests."""
    judgements = judge([comparison.loss for comparison in pending])
    return [_row(*pair) for pair in zip(pending, judgements, strict=True)]


def paired_cells(baseline: Pack, candidate: Pack) -> list[Pair]:
    """Raises UserError when there is none, and when the two are not of one experiment."""
    pairs, _ = _match(baseline, candidate)
    _refuse_foreign(pairs)
    return pairs


def have_one_model(packs: Sequence[Pack]) -> bool:
    """Each of them: then it may be called otherwise in another."""
    return all(len({packed.cell.model for packed in pack.cells}) == 1 for pack in packs)


def _match(baseline: Pack, candidate: Pack) -> tuple[list[Pair], dict[str, str]]:
    """Pairs of cells, and what the candidate lacks. Raises UserError when there is no pair."""
    one_model = have_one_model((baseline, candidate))
    alike: dict[tuple[Any, ...], tuple[list[PackedCell], ...]] = defaultdict(lambda: ([], []))
    for side, pack in enumerate((baseline, candidate)):
        for packed in pack.cells:
            alike[settings_of(packed, not one_model)][side].append(packed)
    partners = {id(old): new for group in alike.values() for old, new in _partners(*group)}
    if not partners:
        raise UserError(
            f"{baseline.name} and {candidate.name} share no cell: sweep the candidate over the "
            "baseline's schedulers, steps and guidance"
        )
    named = list(zip(_names(baseline.cells, not one_model), baseline.cells, strict=True))
    pairs = [Pair(name, old, partners[id(old)]) for name, old in named if id(old) in partners]
    lacking = "missing: the candidate has no such cell"
    return pairs, {
        name: lacking for name, old in named if id(old) not in partners and old.status == "done"
    }


def _partners(
    olds: Sequence[PackedCell], news: Sequence[PackedCell]
) -> Iterator[tuple[PackedCell, PackedCell]]:
    """Pairs of cells with the same settings, such as those of two seeds or of two values of a
    flag: the most alike first, each once."""
    left = [*olds], [*news]
    while all(left):
        couples = [(old, new) for old in left[0] for new in left[1]]
        old, new = max(couples, key=lambda couple: _likeness(couple[0].cell, couple[1].cell))
        left[0].remove(old)
        left[1].remove(new)
        yield old, new


def settings_of(packed: PackedCell, with_model: bool = True) -> tuple[Any, ...]:
    """What makes a cell the same experiment's, whatever was changed: cells are paired by it."""
    settings = packed.asked if with_model else {**packed.asked, "model": ""}
    return tuple(settings[name] for name in fields_with(PAIRED))


def _likeness(a: Cell, b: Cell) -> int:
    return sum(getattr(a, field.name) == getattr(b, field.name) for field in fields(a))


def same_curve(packed: PackedCell) -> tuple[Any, ...]:
    """What cells share that differ in the step count alone."""
    cell = packed.cell
    return packed.guidance, *(getattr(cell, f.name) for f in fields(cell) if f.name != "steps")


def _names(cells: Sequence[PackedCell], with_model: bool) -> list[str]:
    """Where several would be called the same, what they differ in is added."""
    without = () if with_model else ("model",)
    plain = [cell_name(packed.asked, without=without) for packed in cells]
    alike: dict[str, list[Cell]] = defaultdict(list)
    for name, packed in zip(plain, cells, strict=True):
        alike[name].append(packed.cell)
    return [
        cell_name(packed.asked, without=without, also=_differing(alike[name]))
        for name, packed in zip(plain, cells, strict=True)
    ]


def _differing(cells: Sequence[Cell]) -> list[str]:
    """Fields that tell some of the cells apart."""
    return [name for name in FACTS if len({getattr(cell, name) for cell in cells}) > 1]


def _refuse_foreign(pairs: Sequence[Pair]) -> None:
    """Raises UserError with all that differs."""
    lines = [f"  {line}" for line in dict.fromkeys(_foreign(pairs))]
    if lines:
        problem = "\n".join(["baseline and candidate are not of one experiment:", *lines])
        raise UserError(problem)


def _foreign(pairs: Sequence[Pair]) -> Iterator[str]:
    """What may not differ between two runs of one experiment, and does."""
    for _, old, new in pairs:
        for field, words in _EXPERIMENT.items():
            a, b = getattr(old.cell, field), getattr(new.cell, field)
            if a != b:
                yield f"{words}: {a or 'none'} in the baseline, {b or 'none'} in the candidate"
        for metric in old.metrics.keys() & new.metrics.keys():
            kinds = {packed.metrics[metric].kind for packed in (old, new)}
            if len(kinds) > 1 and not metric.endswith(_OWN_REFERENCE):
                yield f"{metric}: another extractor, reference or resize convention"


def _why(packed: PackedCell) -> str:
    return f"{packed.status}: {packed.message}" if packed.message else packed.status


def _row(pending: Pending, judgement: Judgement) -> Comparison:
    verdict = judgement.verdict
    shown: Callable[[float], float] = math.expm1 if pending.is_ratio else float
    is_undecided = judgement.outcome == UNDECIDED
    is_alone = is_undecided and verdict.outcome == FAIL
    alone = "above the margin by itself, not among so many" if is_alone else ""
    return Comparison(
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
        further=verdict.further if is_undecided and not pending.remedy else 0,
        note=", ".join(filter(None, (pending.note, pending.remedy, alone))),
    )


def _about_runs(baseline: Pack, candidate: Pack) -> Iterator[str]:
    """What differs in libraries and machines."""
    a, b = baseline.environment, candidate.environment
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) != b.get(name):
            yield f"{name}: {a.get(name, 'unknown')} before, {b.get(name, 'unknown')} now"
    if _other_machine(baseline, candidate):
        yield (
            "other hardware: images may move by the allowance for it, times are compared by "
            "calibration alone, joules not at all"
        )


def _other_machine(baseline: Pack, candidate: Pack) -> bool:
    a, b = baseline.environment, candidate.environment
    return any(a.get(name) != b.get(name) for name in _HARDWARE)


def _about_pairs(pairs: Sequence[Pair], whole: Sequence[Pair]) -> Iterator[str]:
    """What explains the comparisons of single cells. whole: the pairs that were compared."""
    for name, old, _ in pairs:
        if old.status != "done":
            yield f"{name}: {old.status} in the baseline, not compared"
    yield from _about_calibration(whole)
    for pair in whole:
        yield from (f"{pair.name}: {note}" for note in _about_pair(pair))


def _about_pair(pair: Pair) -> Iterator[str]:
    """What changed in the work done, which explains quality that changed."""
    _, old, new = pair
    if old.cost and new.cost and old.cost.nfe != new.cost.nfe:
        yield f"{old.cost.nfe} evaluations before, {new.cost.nfe} now"
    if old.grid and new.grid:
        yield from _about_levels(old.cell.steps, old.grid.sigmas, new.grid.sigmas)
    yield from uncompared(pair)
    changed = [name for name in _CHANGES if getattr(old.cell, name) != getattr(new.cell, name)]
    if changed:
        yield f"{', '.join(changed)} changed"


def _about_levels(steps: int, before: Sequence[float], now: Sequence[float]) -> Iterator[str]:
    """The first noise level that changed."""
    place = _first_change(before, now)
    if place is not None:
        yield (
            f"the grid changed at N = {steps}: noise level {_at(before, place)} of evaluation "
            f"{place + 1} is {_at(now, place)} now"
        )


def _about_calibration(pairs: Sequence[Pair]) -> Iterator[str]:
    """Whether the calibration itself took another time: ratios of times to it do not show that."""
    before = _calibrations(pair.old for pair in pairs)
    now = _calibrations(pair.new for pair in pairs)
    if not before or not now:
        return
    ratio = float(np.median(now) / np.median(before))
    if abs(math.log(ratio)) > _CALIBRATION_NOTED:
        yield (
            f"the calibration itself takes {ratio:.2f} times as long: another or a busier machine, "
            "or a library that slows all alike, which times over the calibration do not show"
        )


def _calibrations(cells: Iterable[PackedCell]) -> list[float]:
    return [t for packed in cells for latency in packed.latencies for t in latency.calibration_s]


def _first_change(a: Sequence[float], b: Sequence[float]) -> int | None:
    for place in range(max(len(a), len(b))):
        if place >= min(len(a), len(b)) or not math.isclose(
            a[place], b[place], rel_tol=_GRID_TOLERANCE
        ):
            return place
    return None


def _at(levels: Sequence[float], place: int) -> str:
    return f"{levels[place]:.4g}" if place < len(levels) else "none"
