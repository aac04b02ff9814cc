"""The cheapest cell within a margin of every other, from estimates alone. NumPy only.

A cell that is within a margin of every other cell is within it of the best one, whichever that is.
This is an intersection-union test, so choosing among cells takes no correction. No best cell is
singled out first: it would look better than it is (Hsu, 1996, "Multiple comparisons with the
best").
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.rivals import Held, are_alike, worst_rivals
from denoisebench.metrics.decide.sequential import LEVEL, Reach, fixed_reach
from denoisebench.metrics.decide.shape import FEWEST
from denoisebench.metrics.decide.verdicts import (
    FAIL,
    NO_PLATEAU,
    PASS,
    UNDECIDED,
    UNTESTED,
    Plateau,
    Verdict,
    all_of,
    non_inferiority,
    other_units_missing,
    plateau,
    samples_missing,
)
from denoisebench.metrics.estimate import Estimate, are_bound, are_equal


@dataclass(frozen=True)
class Gate:
    """What a metric asks of a cell."""

    sign: int  # 1: higher is better, -1: lower is
    margin: float  # of loss, > 0
    relative: bool = False  # whether the margin is a share of the other cell's value
    # Units below which nothing is decided, as a bias has not faded yet: prompts where an estimate
    # is of all prompts like them, else samples.
    enough: int = 0
    draws: int = 2  # of each prompt, from which samples are the units of such an estimate

    def margin_beside(self, value: float) -> float:
        return self.margin * abs(value) if self.relative else self.margin

    def beside(self, rival: Estimate) -> Estimate:
        """The rival as others are compared with it: its value, with the error of value and margin.

        A margin that is a share of the value is no better known than the value."""
        if not self.relative:
            return rival
        growth = 1 - self.sign * self.margin * math.copysign(1.0, rival.value)
        nested = {samples: self.beside(smaller) for samples, smaller in rival.nested.items()}
        left = growth * rival.left
        return replace(rival, influence=growth * rival.influence, nested=nested, left=left)

    def loss(self, cell: Estimate, rival: Estimate, *, of_equal_images: bool = False) -> Difference:
        """How much worse a cell is than another."""
        # What is equal loses nothing by any margin.
        other = rival if are_equal(cell, rival) else self.beside(rival)
        pair = (other, cell) if self.sign > 0 else (cell, other)
        return difference_of(*pair, of_equal_images=of_equal_images)


@dataclass(frozen=True, eq=False)
class Candidate:
    """What a decision needs of a cell. Those of one choice differ in scheduler and steps alone."""

    curve: str  # the scheduler
    steps: int
    cost: float  # known before the sweep, such as network passes
    estimates: Mapping[str, Estimate]  # by gating metric

    @property
    def samples(self) -> int:
        return min(estimate.samples for estimate in self.estimates.values())


@dataclass(frozen=True)
class Standing:
    """How one candidate does against the others."""

    outcome: str  # of decide: PASS, FAIL, UNDECIDED or UNTESTED
    worst: Mapping[str, Verdict]  # by metric: the one nearest to failing, or failing most
    rivals: Mapping[str, int]  # by metric: place of the candidate behind `worst`


@dataclass(frozen=True)
class Choice:
    """What to recommend, by places in the list of candidates."""

    outcome: str  # PASS, UNDECIDED, or NO_PLATEAU: the chosen curve still gains at its end
    chosen: int | None
    runner_up: int | None  # the next cheapest that passes
    standings: list[Standing]


Reaches = Callable[[float], Reach]  # of a level
# Verdicts by metric of a candidate against a rival, by their places.
Pairs = Mapping[tuple[int, int], Mapping[str, Verdict]]


def judged(
    cell: Candidate, rival: Candidate, gates: Mapping[str, Gate], *, reach: Reach | None = None
) -> dict[str, Verdict]:
    """The loss of a cell against another by each metric, held against its margin."""
    pairs = {metric: (cell.estimates[metric], rival.estimates[metric]) for metric in gates}
    equal = any(are_equal(*pair) and are_bound(*pair) for pair in pairs.values())
    return {
        metric: _judged(*pairs[metric], gate, of_equal_images=equal, reach=reach)
        for metric, gate in gates.items()
    }


def _judged(
    cell: Estimate, rival: Estimate, gate: Gate, *, of_equal_images: bool, reach: Reach | None
) -> Verdict:
    margin = gate.margin_beside(rival.value)
    loss = gate.loss(cell, rival, of_equal_images=of_equal_images)
    verdict = non_inferiority(loss, margin, reach, samples=loss.samples)
    if loss.units >= gate.enough:
        return verdict
    missing = _missing_to_enough(gate, loss)
    if loss.goes_round:  # other units will decide, of which nothing is known yet
        return replace(verdict, outcome=UNDECIDED, further=missing, other_units=0)
    return replace(
        verdict,
        outcome=UNDECIDED,
        further=max(missing, verdict.further),
        other_units=max(other_units_missing(gate.enough, loss), verdict.other_units),
    )


def _missing_to_enough(gate: Gate, loss: Difference) -> float:
    """Samples. Once prompts are drawn so many times, samples are the units of a distance."""
    if loss.goes_round:
        return max(gate.enough, gate.draws * loss.units) - loss.samples
    return samples_missing(gate.enough, loss, loss.samples)


def plateau_of(
    curve: Sequence[Candidate], gates: Mapping[str, Gate], reach: Reach | None = None
) -> tuple[Plateau, dict[int, dict[str, Verdict]]]:
    """Where a curve is flat, and the verdicts of each smaller step count by metric."""
    last = max(curve, key=lambda cell: cell.steps)
    verdicts = {
        cell.steps: judged(cell, last, gates, reach=reach) for cell in curve if cell is not last
    }
    return _plateau(last.steps, verdicts), verdicts


def _plateau(last: int, verdicts: Mapping[int, Mapping[str, Verdict]]) -> Plateau:
    outcomes = {steps: all_of([*by_metric.values()]) for steps, by_metric in verdicts.items()}
    return plateau(last, outcomes)


def choose(
    candidates: Sequence[Candidate],
    gates: Mapping[str, Gate],
    reaches: Reaches = fixed_reach,
    *,
    out: Collection[int] = (),
) -> Choice:
    """The cheapest candidate proven to be within all margins of every other one; of several that
    cost the same the first in the list, which noise does not change.

    Within a curve candidates are tested from many steps down, in fixed sequence; the level is split
    equally between the curves. A cell outside its margins is thus recommended with a probability
    of at most `LEVEL` if quality along a curve rises, of twice that if it then falls.

    out: places of candidates that are rivals alone, for reasons that are not their quality.
    """
    reach = reach_of(candidates, reaches)
    rivals = _rivals(candidates, gates, reach) if candidates else []
    pairs = {
        (i, j): judged(candidates[i], candidates[j], gates, reach=reach)
        for i, of_cell in enumerate(rivals)
        for j in sorted(of_cell)
    }
    return choice_from(candidates, pairs, out, skipped=out)


def _rivals(
    candidates: Sequence[Candidate], gates: Mapping[str, Gate], reach: Reach
) -> Iterable[Collection[int]]:
    """The rivals that the standing of each candidate may depend on, and the last of its curve."""
    held = [
        _held([c.estimates[metric] for c in candidates], gate) for metric, gate in gates.items()
    ]
    known = [of_metric for of_metric in held if of_metric is not None]
    if len(known) < len(held):
        return [range(len(candidates))] * len(candidates)
    last: dict[str, int] = {}
    for i in sorted(range(len(candidates)), key=lambda i: candidates[i].steps):
        last[candidates[i].curve] = i
    worst = worst_rivals(known, reach)
    return [{*of_cell, last[cell.curve]} for cell, of_cell in zip(candidates, worst, strict=True)]


def _held(cells: Sequence[Estimate], gate: Gate) -> Held | None:
    """Estimates of one metric as all pairs at once are judged by them; None where their samples are
    not the same."""
    if not all(are_alike(cells[0], cell) for cell in cells):
        return None
    beside = [gate.beside(cell) for cell in cells]
    own, others = (
        -gate.sign * np.stack([estimate.units - estimate.units.mean() for estimate in estimates])
        for estimates in (cells, beside)
    )
    values = np.array([cell.value for cell in cells])
    return Held(
        own,
        others,
        losses=-gate.sign * values,
        left=(np.array([e.left for e in cells]), np.array([e.left for e in beside])),
        margins=np.array([gate.margin_beside(value) for value in values]),
        is_decided=own.shape[1] >= max(FEWEST, gate.enough),
    )


def reach_of(candidates: Sequence[Candidate], reaches: Reaches) -> Reach:
    """The reach of bounds at the level that each curve has: LEVEL, split between the curves."""
    return reaches(LEVEL / max(1, len({cell.curve for cell in candidates})))


def choice_from(
    candidates: Sequence[Candidate],
    pairs: Pairs,
    out: Collection[int] = (),
    *,
    broken: Collection[int] = (),
    skipped: Collection[int] = (),
) -> Choice:
    """The choice that verdicts of candidates against their rivals lead to.

    out: places of candidates that are not to be chosen. skipped: places of those among them that
    are left out of the sequence of their curve as well; broken: likewise, and they are no rivals.
    """
    if not candidates:
        return Choice(UNDECIDED, None, None, [])
    places, rows = range(len(candidates)), _rows(pairs)
    if len({*places}.difference(broken)) < 2:  # nothing to compare it with
        return Choice(UNDECIDED, None, None, [_stand(rows[i]) for i in places])
    standings = _in_sequence(candidates, [_stand(rows[i]) for i in places], {*broken, *skipped})
    passed = [i for i in places if standings[i].outcome == PASS and i not in out]
    passed.sort(key=lambda i: candidates[i].cost)  # stable: of equal cost, the first given
    if not passed:
        return Choice(UNDECIDED, None, None, standings)
    grows = _still_gains(candidates, passed[0], pairs)
    outcome = NO_PLATEAU if grows else PASS
    return Choice(outcome, passed[0], passed[1] if len(passed) > 1 else None, standings)


def _still_gains(candidates: Sequence[Candidate], place: int, pairs: Pairs) -> bool:
    """Whether a candidate is the last of a curve that has no plateau."""
    cell = candidates[place]
    places = {c.steps: i for i, c in enumerate(candidates) if c.curve == cell.curve}
    if cell.steps != max(places):
        return False
    verdicts = {steps: pairs[i, place] for steps, i in places.items() if i != place}
    return _plateau(cell.steps, verdicts).outcome == NO_PLATEAU


def _rows(pairs: Pairs) -> dict[int, dict[int, Mapping[str, Verdict]]]:
    """Verdicts against each rival, by candidate."""
    rows: dict[int, dict[int, Mapping[str, Verdict]]] = {}
    for (cell, rival), verdicts in pairs.items():
        rows.setdefault(cell, {})[rival] = verdicts
    return rows


def _stand(against: Mapping[int, Mapping[str, Verdict]]) -> Standing:
    """The standing of a candidate by its verdicts alone, before the sequence of its curve."""
    metrics = next(iter(against.values()))
    rivals = {m: max(against, key=lambda rival: _badness(against[rival][m])) for m in metrics}
    worst = {metric: against[rival][metric] for metric, rival in rivals.items()}
    return Standing(all_of([*worst.values()]), worst, rivals)


def _badness(verdict: Verdict) -> tuple[int, float, float]:
    """Rank of the outcome, the bound that decides, and where that is unknown the loss itself."""
    rank = {PASS: 0, UNDECIDED: 1, FAIL: 2}[verdict.outcome]
    bound = verdict.low if verdict.outcome == FAIL else verdict.high
    beyond = math.inf if math.isnan(bound) else bound - verdict.margin
    return rank, beyond, verdict.loss - verdict.margin


def _in_sequence(
    candidates: Sequence[Candidate], standings: Sequence[Standing], skipped: Collection[int]
) -> list[Standing]:
    """Standings once each curve is tested from many steps down.

    Failures above the first pass are skipped: quality can fall with steps, as a distilled model's
    does, and a cell that is proven worse is no reason to stop.
    """
    result = list(standings)
    tested = [i for i in range(len(candidates)) if i not in skipped]
    order = sorted(tested, key=lambda i: (candidates[i].curve, -candidates[i].steps))
    for _, places in groupby(order, key=lambda i: candidates[i].curve):
        open_, passed = True, False
        for i in places:
            outcome = standings[i].outcome
            if not open_ and outcome != FAIL:  # a proven failure is one, tested in turn or not
                result[i] = replace(standings[i], outcome=UNTESTED)
            passed |= open_ and outcome == PASS
            open_ &= outcome == PASS or (outcome == FAIL and not passed)
    return result
