"""A candidate against a baseline: what got worse, cell by cell, in quality and in speed.

Rows of plain values come out; reports/check/output.py writes them down.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.cell import MADE, OTHER, PAIRED, fields_with
from denoisebench.bench.records.columns import UNSCORED, WHOLE
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.names import counted
from denoisebench.bench.records.pack import NO_FEATURES, Pack, PackedCell
from denoisebench.metrics.decide.regression import REGRESSION, Judgement, judge
from denoisebench.metrics.decide.verdicts import FAIL, PASS, UNDECIDED
from denoisebench.metrics.specs import OWN
from denoisebench.reports.check.families import FAMILIES, IMAGES, QUALITY, SPEED, family_of
from denoisebench.reports.check.losses import (
    Pair,
    Pending,
    drifts,
    have_same_images,
    losses,
    shared_features,
    uncompared,
    unscored,
)
from denoisebench.reports.check.pairing import Matching, match

# What may change; of the engine the device, as the rest is the environment's.
_CHANGES = (*fields_with(MADE, OTHER), "device")
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
    # Samples, or processes, of each side with which it would probably be decided; 0 if it is,
    # infinite if too many in practice, nan where no number would do.
    needed: float = 0
    # Standard errors, in the same units; nan where they are unknown or there is none.
    baseline_se: float = math.nan
    candidate_se: float = math.nan
    loss_se: float = math.nan

    @property
    def family(self) -> str:
        return family_of(self.measure)


@dataclass(frozen=True)
class Problem:
    """A cell that cannot be held against its margins, which is a regression."""

    cell: str
    why: str  # missing, failed, degenerate, or without what the baseline has
    families: tuple[str, ...] = FAMILIES  # that it is a regression of


@dataclass(frozen=True, eq=False)
class Check:
    """All of a check; a regression anywhere is one of the whole."""

    baseline: str
    candidate: str
    families: tuple[str, ...]  # that were asked for
    rows: list[Comparison]
    problems: list[Problem]
    notes: list[str]  # that explain: grids and evaluations that changed, machines that differ
    omitted: list[str]  # what is not compared, and why
    pairs: list[Pair]  # that were compared
    # Cells whose images are not the same and have no features that tell how far they moved, where
    # images were asked for.
    open_images: int = 0

    @property
    def outcome(self) -> str:
        return self.outcome_of(*self.families)

    def outcome_of(self, *families: str) -> str:
        """That of some of the families alone."""
        outcomes = {row.outcome for row in self.rows if row.family in families}
        is_broken = any({*families} & {*problem.families} for problem in self.problems)
        if is_broken or REGRESSION in outcomes:
            return REGRESSION
        is_open = UNDECIDED in outcomes or (IMAGES in families and self.open_images > 0)
        return UNDECIDED if is_open else PASS


def check(
    baseline: Pack,
    candidate: Pack,
    margins: Mapping[str, Mapping[str, Any]],
    *,
    slower: Mapping[str, float],
    drift: Mapping[str, float] | None = None,
    only: Sequence[str] = (),
    matching: Matching | None = None,
) -> Check:
    """Holds each cell of a candidate against the same one of the baseline.

    margins: of the metrics that decide; slower: of times, joules and memory, as ratios - 1;
    drift: how many images may move, and how far it takes to count, see bench/settings/margins.py;
    None does not ask. only: families to ask for, each of which must have something to compare; all
    that have by default. Images that were asked for and of which there are no features leave the
    check undecided, whatever else it compares. matching: what cells are paired by.

    Raises UserError when the two are not of one experiment, or share nothing that can be compared.
    """
    families = tuple(only) or FAMILIES
    margins = margins if QUALITY in families else {}
    drift = drift if IMAGES in families else None
    slower = slower if SPEED in families else {}
    pairs, lacking = match(baseline, candidate, matching)
    known = [pair for pair in pairs if pair.old.status in WHOLE]
    if not known and not lacking:
        raise UserError(f"no cell of {baseline.name} is done: there is nothing to compare with")
    whole = [pair for pair in known if pair.new.status in WHOLE]
    problems = [
        *(Problem(name, "missing: the candidate has no such cell") for name in lacking),
        *(Problem(p.name, _why(p.new)) for p in known if p.new.status not in WHOLE),
        *_deficits(whole, margins, with_features=bool(drift)),
    ]
    elsewhere = _other_machine(baseline, candidate)
    pending = [
        loss
        for pair in whole
        for loss in losses(pair, margins, slower=slower, drift=drift, elsewhere=elsewhere)
    ]
    unknown = [pair for pair in whole if drift and drifts(pair) is None]
    _refuse_emptiness(pending, problems, only, why=NO_FEATURES if unknown else "")
    notes = [*_about_runs(baseline, candidate), *_about_pairs(pairs, whole)]
    if SPEED in families:
        notes += _about_times(whole)
    omitted = [*_about_own_metrics(whole, margins)] if QUALITY in families else []
    if unknown:
        omitted.append(f"{len(unknown)} of {len(whole)} cells: {NO_FEATURES}")
    return Check(
        baseline.name,
        candidate.name,
        families,
        rows=_judged(pending),
        problems=problems,
        notes=notes,
        omitted=omitted,
        pairs=whole,
        open_images=len(unknown) if IMAGES in only else 0,
    )


def _deficits(
    pairs: Sequence[Pair], margins: Mapping[str, Mapping[str, Any]], *, with_features: bool
) -> Iterator[Problem]:
    """Metrics and features that the baseline has and the candidate lacks."""
    for pair in pairs:
        if metrics := unscored(pair, margins):
            why = f"missing: the candidate was not scored by {', '.join(metrics)}"
            why += f": {pair.new.message}" if pair.new.status == UNSCORED else ""
            yield Problem(pair.name, why, (QUALITY,))
        has_lost = pair.old.features and shared_features(pair) is None
        if with_features and has_lost and not have_same_images(pair):
            why = "missing: the candidate has no features of the baseline's kinds"
            yield Problem(pair.name, why, (IMAGES,))


def _refuse_emptiness(
    pending: Sequence[Pending], problems: Sequence[Problem], only: Sequence[str], *, why: str
) -> None:
    """Raises UserError where nothing is compared, or nothing of a family that was asked for: a gate
    that checks nothing must not pass. why: images that changed cannot be compared, or empty; they
    leave the check undecided beside what is compared."""
    compared = {family_of(loss.measure) for loss in pending}
    compared |= {family for problem in problems for family in problem.families}
    for family in only:
        if family not in compared and not (family == IMAGES and why and compared):
            reason = why if family == IMAGES and why else "leave it out, or see --margins"
            raise UserError(
                f"--only={','.join(only)}: baseline and candidate share nothing of {family} that "
                f"has a margin: {reason}"
            )
    if not compared:
        reason = "; ".join(filter(None, ["see --margins", why]))
        raise UserError(f"baseline and candidate share nothing that has a margin: {reason}")


def _judged(pending: Sequence[Pending]) -> list[Comparison]:
    """All of a check as one family of tests."""
    judgements = judge([comparison.loss for comparison in pending])
    return [_row(*pair) for pair in zip(pending, judgements, strict=True)]


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
        needed=_needed(pending, verdict.further) if is_undecided else 0,
        baseline_se=pending.baseline_se,
        candidate_se=pending.candidate_se,
        loss_se=_shown_se(pending),
    )


def _needed(pending: Pending, further: float) -> float:
    if pending.remedy:
        return pending.planned
    return (pending.loss.samples or pending.loss.difference.units) + further


def _shown_se(pending: Pending) -> float:
    """Error of the loss as it is shown; a share has exact bounds and no standard error."""
    difference = pending.loss.difference
    if pending.loss.share is not None:
        return math.nan
    return difference.se * (math.exp(difference.value) if pending.is_ratio else 1.0)


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


def _about_own_metrics(
    pairs: Sequence[Pair], margins: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Metrics of the user's own that are not compared: those without a margin, with the setting
    that would be one, and those that failed."""
    measured = [name for pair in pairs for packed in pair[1:] for name in packed.metrics]
    own = [name for name in dict.fromkeys(measured) if name in OWN]
    free = [name for name in own if not gates(margins, [name], {})]
    if free:
        cures = ", ".join(f"margins.gating.{name}.absolute=NUMBER" for name in free)
        yield (
            f"{', '.join(free)}: no margin; give one in the baseline's sweep, {cures}, or in a "
            "file of --margins"
        )
    for name, *sides in pairs:
        for side, packed in zip(("baseline", "candidate"), sides, strict=True):
            if packed.status == UNSCORED:
                yield f"{name}: {packed.message} in the {side}"


def _about_pairs(pairs: Sequence[Pair], whole: Sequence[Pair]) -> Iterator[str]:
    """What explains the comparisons of single cells. whole: the pairs that were compared."""
    for name, old, _ in pairs:
        if old.status not in WHOLE:
            yield f"{name}: {old.status} in the baseline, not compared"
    for pair in whole:
        yield from (f"{pair.name}: {note}" for note in _about_pair(pair))


def _about_pair(pair: Pair) -> Iterator[str]:
    """What changed in the work done, which explains quality that changed."""
    _, old, new = pair
    before, now = (side.cost.nfe if side.cost else None for side in (old, new))
    if before is not None and now is not None and before != now:
        yield f"{counted(before, 'evaluation')} before, {now} now"
    if old.grid and new.grid:
        yield from _about_levels(old.cell.steps, old.grid.sigmas, new.grid.sigmas)
    for name in fields_with(PAIRED):
        if old.asked[name] != new.asked[name]:
            yield f"{name}: {old.asked[name] or 'none'} before, {new.asked[name] or 'none'} now"
    changed = [name for name in _CHANGES if getattr(old.cell, name) != getattr(new.cell, name)]
    if old.cell.cache.split()[0] != new.cell.cache.split()[0]:
        changed = [name for name in changed if name != "cache_options"]  # those of another cache
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


def _about_times(pairs: Sequence[Pair]) -> Iterator[str]:
    """What times are not held against each other, and what they do not show."""
    yield from _about_calibration(pairs)
    for pair in pairs:
        yield from (f"{pair.name}: {note}" for note in uncompared(pair))


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
