"""A candidate against a baseline: what got worse, cell by cell, in quality and in speed.

Rows of plain values come out; reports/check/output.py writes them down.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.cell import FACTS, Cell, fields_with
from denoisebench.bench.records.facts import MADE, OTHER, PAIRED
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.pack import Pack, PackedCell
from denoisebench.metrics.decide.regression import REGRESSION, Judgement, judge
from denoisebench.metrics.decide.verdicts import FAIL, PASS, UNDECIDED
from denoisebench.reports.check.losses import (
    MOVED,
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
Pair = tuple[str, PackedCell, PackedCell]  # name of the cell, baseline, candidate


@dataclass(frozen=True)
class Row:
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
    further: int
    note: str


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
    drift: Mapping[str, float] | None = None,
) -> Check:
    """margins: of the metrics that decide; slower: of times, joules and memory, as ratios - 1;
    drift: how many images may move, and how far it takes to count, see bench/settings/job.py; None
    does not ask.

    Raises UserError when the two are not of one experiment, or share nothing that can be compared.
    """
    pairs, missing = _match(baseline, candidate)
    _refuse_foreign(pairs)
    known = [pair for pair in pairs if pair[1].status == "done"]
    if not known and not missing:
        raise UserError(f"no cell of {baseline.name} is done: there is nothing to compare with")
    broken = {name: _why(new) for name, _, new in known if new.status != "done"}
    whole = [pair for pair in known if pair[0] not in broken]
    for name, old, new in whole:
        if lacks := unscored(old, new, margins):
            broken[name] = f"missing: the candidate was not scored by {', '.join(lacks)}"
        elif drift and old.features and shared_features(old, new) is None:
            broken[name] = "missing: the candidate has no features of the baseline's kinds"
    elsewhere = _other_machine(baseline, candidate)
    pending = [each for pair in whole for each in losses(*pair, margins, slower, drift, elsewhere)]
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
        *_about_calibration(whole),
        *(note for pair in whole for note in _about_cells(*pair)),
    ]
    return Check(baseline.name, candidate.name, rows, missing | broken, notes, whole)


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
    alike: dict[tuple, tuple[list[PackedCell], list[PackedCell]]] = defaultdict(lambda: ([], []))
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
    pairs = [(name, old, partners[id(old)]) for name, old in named if id(old) in partners]
    lacking = "missing: the candidate has no such cell"
    return pairs, {
        name: lacking for name, old in named if id(old) not in partners and old.status == "done"
    }


def _partners(
    olds: Sequence[PackedCell], news: Sequence[PackedCell]
) -> Iterator[tuple[PackedCell, PackedCell]]:
    """Of cells with the same settings, such as those of two seeds or of two values of a flag: the
    most alike first, each once."""
    left = [*olds], [*news]
    while all(left):
        couples = [(old, new) for old in left[0] for new in left[1]]
        old, new = max(couples, key=lambda couple: _likeness(couple[0].cell, couple[1].cell))
        left[0].remove(old)
        left[1].remove(new)
        yield old, new


def settings_of(packed: PackedCell, with_model: bool = True) -> tuple:
    """What makes a cell the same experiment's, whatever was changed: cells are paired by it."""
    asked = packed.asked if with_model else {**packed.asked, "model": ""}
    return tuple(asked[name] for name in fields_with(PAIRED))


def _likeness(a: Cell, b: Cell) -> int:
    return sum(getattr(a, each.name) == getattr(b, each.name) for each in fields(a))


def same_curve(packed: PackedCell) -> tuple:
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
    differs: dict[str, None] = {}
    for _, old, new in pairs:
        for field, words in _EXPERIMENT.items():
            a, b = getattr(old.cell, field), getattr(new.cell, field)
            if a != b:
                differs[
                    f"{words}: {a or 'none'} in the baseline, {b or 'none'} in the candidate"
                ] = None
        for metric in old.metrics.keys() & new.metrics.keys():
            kinds = {each.metrics[metric].kind for each in (old, new)}
            if len(kinds) > 1 and not metric.endswith(_OWN_REFERENCE):
                differs[f"{metric}: another extractor, reference or resize convention"] = None
    if differs:
        lines = "\n".join(f"  {line}" for line in differs)
        raise UserError(f"baseline and candidate are not of one experiment:\n{lines}")


def _why(packed: PackedCell) -> str:
    return f"{packed.status}: {packed.message}" if packed.message else packed.status


def _row(pending: Pending, judgement: Judgement) -> Row:
    verdict = judgement.verdict
    shown: Callable[[float], float] = math.expm1 if pending.is_ratio else float
    if pending.measure == MOVED:
        shown = _as_share
    is_alone = judgement.outcome == UNDECIDED and verdict.outcome == FAIL
    alone = "above the margin by itself, not among so many" if is_alone else ""
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
        further=0 if judgement.outcome != UNDECIDED or pending.remedy else verdict.further,
        note=", ".join(filter(None, (pending.note, pending.remedy, alone))),
    )


def _as_share(value: float) -> float:
    return value if math.isnan(value) else min(1.0, max(0.0, value))


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


def _about_cells(name: str, old: PackedCell, new: PackedCell) -> Iterator[str]:
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
    yield from (f"{name}: {why}" for why in uncompared(old, new))
    changed = [name for name in _CHANGES if getattr(old.cell, name) != getattr(new.cell, name)]
    if changed:
        yield f"{name}: {', '.join(changed)} changed"


def _about_calibration(pairs: Sequence[Pair]) -> Iterator[str]:
    """Ratios of times to it hide what slows both."""
    before = [t for _, old, _ in pairs for each in old.latencies for t in each.calibration_s]
    now = [t for _, _, new in pairs for each in new.latencies for t in each.calibration_s]
    if not before or not now:
        return
    ratio = float(np.median(now) / np.median(before))
    if abs(math.log(ratio)) > _CALIBRATION_NOTED:
        yield (
            f"the calibration itself takes {ratio:.2f} times as long: another or a busier machine, "
            "or a library that slows all alike, which times over the calibration do not show"
        )


def _first_change(a: Sequence[float], b: Sequence[float]) -> int | None:
    for place in range(max(len(a), len(b))):
        if place >= min(len(a), len(b)) or not math.isclose(
            a[place], b[place], rel_tol=_GRID_TOLERANCE
        ):
            return place
    return None


def _at(levels: Sequence[float], place: int) -> str:
    return f"{levels[place]:.4g}" if place < len(levels) else "none"
