"""A race: cells get samples rung by rung until the cheapest within every margin is known.

The rule alone, from estimates: who goes on after a rung, who is out and why. NumPy only.

Verdicts are made with bounds that hold at all rungs together (metrics/sequential.py), so a pair
that is decided once stays decided. Along a curve it is assumed that quality, by every gating
metric, rises with the steps until its best and only falls after that. A cell that fails against a
larger step count of its own curve then lies on the rising side: all smaller step counts fail with
it, and a larger one is better by every metric, so that none of them is a rival any more.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from metrics.choose import (
    Candidate,
    Choice,
    Gate,
    Pairs,
    Reaches,
    choice_from,
    judged,
    reach_of,
)
from metrics.decide import FAIL, PASS, UNDECIDED, Verdict, all_of
from metrics.estimate import Estimate
from metrics.sequential import fixed_reach, sequential_reach

# Estimates by metric of some cells' samples first to last - 1; cells that have none are left out.
Draw = Callable[[Collection[int], int, int], Mapping[int, Mapping[str, Estimate]]]


@dataclass(frozen=True)
class Runner:
    """A cell before anything is known of it."""

    curve: str  # the scheduler
    steps: int
    cost: float

    @property
    def name(self) -> str:
        return f"{self.curve} {self.steps}"


@dataclass(frozen=True)
class Design:
    """When a race is looked at."""

    first: int  # samples of the first rung
    cap: int  # of the last
    per_doubling: int  # rungs
    confirm: int  # fresh samples of a winner, at least


@dataclass(frozen=True)
class Rung:
    """What came of one, by places."""

    samples: int
    live: list[int]  # that go on
    stopped: dict[int, str]  # by it, and why
    drawn: list[int]  # samples of each cell so far


@dataclass(frozen=True)
class Trial:
    """A winner on fresh samples."""

    winner: int
    first: int  # sample
    last: int  # one beyond
    verdicts: dict[int, dict[str, Verdict]]  # by rival and metric
    outcome: str


@dataclass(frozen=True)
class Course:
    """How a race has gone so far."""

    over: bool
    choice: Choice
    rungs: list[Rung]
    trials: list[Trial]
    drawn: list[int]  # samples of each cell, those of trials included


@dataclass(frozen=True, eq=False)
class Look:
    """What is known after a rung, by places in the list of candidates."""

    pairs: Pairs  # all of them: what the next look starts from
    low: frozenset[int]  # fail on the rising side of their curve
    choice: Choice  # so far
    live: frozenset[int]  # need more samples; none when nothing can change the choice any more


def run_race(
    cells: Sequence[Runner], gates: Mapping[str, Gate], design: Design, draw: Draw
) -> Iterator[Course]:
    """Rung by rung, to a winner that is confirmed or to the cap.

    A winner is confirmed on samples beyond those that chose it, as many again, by one test at the
    fixed level against its `witnesses`. If it is not, the next cheapest is tried. No cell that a
    draw left out is sampled again.
    """
    field = _Field(cells, draw)
    reaches = partial(sequential_reach, tightest_at(gates, design))
    live: Collection[int] = range(len(cells))
    pairs: Pairs = {}
    history: list[Rung] = []
    trials: list[Trial] = []
    for samples in rungs(design.first, design.cap, design.per_doubling):
        field.extend(live, samples)
        seen = look(field.candidates, gates, reaches, pairs, field.out)
        stopped = {i: _why(i, cells, seen) for i in sorted({*live} - seen.live)}
        history.append(Rung(samples, sorted(seen.live), stopped, [*field.drawn]))
        final = not seen.live or samples == design.cap
        while final and seen.choice.chosen is not None:
            trials.append(_trial(field, seen, gates, samples, design))
            if trials[-1].outcome == PASS:
                break
            field.rejected.add(trials[-1].winner)
            seen = look(field.candidates, gates, reaches, seen.pairs, field.out)
            final = not seen.live or samples == design.cap
        yield Course(final, seen.choice, [*history], [*trials], [*field.drawn])
        if final:
            return
        live, pairs = seen.live, seen.pairs


def tightest_at(gates: Mapping[str, Gate], design: Design) -> int:
    """Samples at which the bounds are as narrow as they can be."""
    return max(design.first, *(gate.enough for gate in gates.values()))


class _Field:
    """The candidates of a race, with the samples that they have."""

    def __init__(self, cells: Sequence[Runner], draw: Draw):
        self._cells, self._draw = cells, draw
        self._estimates: list[Mapping[str, Estimate]] = [{} for _ in cells]
        self.drawn = [0] * len(cells)
        self.broken: set[int] = set()  # places that a draw left out
        self.rejected: set[int] = set()  # of winners that were not confirmed

    @property
    def out(self) -> set[int]:
        """Places that are not to be chosen."""
        return self.broken | self.rejected

    @property
    def candidates(self) -> list[Candidate]:
        return [
            Candidate(cell.curve, cell.steps, cell.cost, estimates)
            for cell, estimates in zip(self._cells, self._estimates, strict=True)
        ]

    def extend(self, places: Collection[int], last: int) -> None:
        for place, found in self.fresh(places, 0, last).items():
            self._estimates[place] = found

    def fresh(
        self, places: Collection[int], first: int, last: int
    ) -> Mapping[int, Mapping[str, Estimate]]:
        """Estimates of samples first to last - 1."""
        found = self._draw(sorted({*places} - self.broken), first, last)
        self.broken |= {*places} - {*found}
        for place in found:
            self.drawn[place] = max(self.drawn[place], last)
        return found


def _trial(
    field: _Field, seen: Look, gates: Mapping[str, Gate], samples: int, design: Design
) -> Trial:
    candidates, winner = field.candidates, seen.choice.chosen
    assert winner is not None  # there is one to confirm
    last = samples + max(samples, design.confirm)
    rivals = witnesses(candidates, seen, winner)
    fresh = field.fresh([winner, *rivals], samples, last)
    if winner not in fresh:
        return Trial(winner, samples, last, {}, UNDECIDED)
    cells = {i: replace(candidates[i], estimates=found) for i, found in fresh.items()}
    verdicts = {
        i: judged(cells[winner], cells[i], gates, fixed_reach()) for i in rivals if i in cells
    }
    outcome = all_of([verdict for found in verdicts.values() for verdict in found.values()])
    return Trial(winner, samples, last, verdicts, outcome)


def rungs(first: int, cap: int, per_doubling: int) -> list[int]:
    """Numbers of samples at which a race is looked at, from the first up to the cap."""
    found: list[int] = []
    while not found or found[-1] < cap:
        found.append(min(cap, round(first * 2 ** (len(found) / per_doubling))))
    return found


def look(
    candidates: Sequence[Candidate],
    gates: Mapping[str, Gate],
    reaches: Reaches,
    before: Pairs,
    out: Collection[int] = (),
) -> Look:
    """candidates: with their estimates so far, those that went on of equally many samples.

    before: pairs of the last look. out: places of winners that were not confirmed, rivals as ever.
    """
    pairs = dict(_pairs(candidates, gates, reaches, before))
    low = _low(candidates, pairs)
    counted = {(i, j): found for (i, j), found in pairs.items() if j not in low or _fails(found)}
    choice = choice_from(candidates, counted, low.union(out))
    live = _live(candidates, counted, choice, low.union(out))
    return Look(pairs, low, choice, live)


def _pairs(
    candidates: Sequence[Candidate], gates: Mapping[str, Gate], reaches: Reaches, before: Pairs
) -> Iterator[tuple[tuple[int, int], Mapping[str, Verdict]]]:
    """Judged again by the metrics that are undecided, where both cells went on."""
    reach = reach_of(candidates, reaches)
    for i, cell in enumerate(candidates):
        for j, rival in enumerate(candidates):
            old = before.get((i, j), {})
            open_ = {m: g for m, g in gates.items() if m not in old or _is_open(old[m])}
            went_on = not old or _samples(cell) == _samples(rival)
            new = judged(cell, rival, open_, reach) if open_ and went_on else {}
            yield (i, j), {metric: new.get(metric) or old[metric] for metric in gates}


def _samples(cell: Candidate) -> int:
    return min(estimate.samples for estimate in cell.estimates.values())


def _is_open(verdict: Verdict) -> bool:
    return verdict.outcome == UNDECIDED


def _fails(verdicts: Mapping[str, Verdict]) -> bool:
    return all_of([*verdicts.values()]) == FAIL


def _low(candidates: Sequence[Candidate], pairs: Pairs) -> frozenset[int]:
    """Those that fail against a larger step count of their curve, and all below them."""
    highest: dict[str, int] = defaultdict(int)  # step count of a curve that does
    for (i, j), found in pairs.items():
        cell, rival = candidates[i], candidates[j]
        if cell.curve == rival.curve and cell.steps < rival.steps and _fails(found):
            highest[cell.curve] = max(highest[cell.curve], cell.steps)
    return frozenset(i for i, c in enumerate(candidates) if c.steps <= highest[c.curve])


def _live(
    candidates: Sequence[Candidate], pairs: Pairs, choice: Choice, out: Collection[int]
) -> frozenset[int]:
    """Both sides of all pairs that the choice may still hang on."""
    own = [all_of([*standing.worst.values()]) for standing in choice.standings]
    hopeful = [i for i in _hopeful(candidates, own, choice) if i not in out]
    tested = {j for i in hopeful for j in _from_above(candidates, i) if own[j] == UNDECIDED}
    open_ = [
        pair
        for pair, found in pairs.items()
        if pair[0] in tested and any(map(_is_open, found.values()))
    ]
    return frozenset(place for pair in open_ for place in pair)


def _hopeful(candidates: Sequence[Candidate], own: Sequence[str], choice: Choice) -> Iterator[int]:
    """Undecided ones, cheaper than what is chosen so far, that their curve's sequence may reach."""
    limit = None if choice.chosen is None else candidates[choice.chosen].cost
    for i, cell in enumerate(candidates):
        if limit is not None and cell.cost >= limit:
            continue
        above = [own[j] for j in _from_above(candidates, i)]
        passed = above.index(PASS) if PASS in above else len(above)
        if FAIL not in [own[i], *above[passed:]]:  # a failure below one that passed ends it
            yield i


def _from_above(candidates: Sequence[Candidate], place: int) -> list[int]:
    """Places of its curve from the largest step count down to its own."""
    cell = candidates[place]
    found = [i for i, c in enumerate(candidates) if c.curve == cell.curve and c.steps >= cell.steps]
    return sorted(found, key=lambda i: -candidates[i].steps)


def witnesses(candidates: Sequence[Candidate], seen: Look, winner: int) -> list[int]:
    """Rivals that a winner is confirmed against: those that came nearest to failing it, and the
    dearest that may be as good, of its own curve if that is one."""
    cell = candidates[winner]
    fit = [i for i in range(len(candidates)) if i not in seen.low]
    dearest = max(fit, key=lambda i: (candidates[i].cost, candidates[i].curve == cell.curve))
    found = {*seen.choice.standings[winner].rivals.values(), dearest} - {winner}
    return sorted(found)


def _why(place: int, cells: Sequence[Runner], seen: Look) -> str:
    """Why a cell does not go on."""
    standing, chosen = seen.choice.standings[place], seen.choice.chosen
    failed = [metric for metric, verdict in standing.worst.items() if verdict.outcome == FAIL]
    if failed:
        return f"fails {failed[0]} against {cells[standing.rivals[failed[0]]].name}"
    if place in seen.low:
        return "has fewer steps than one of its curve that fails"
    if place == chosen:
        return "passes, and nothing cheaper can"
    if chosen is not None and cells[place].cost >= cells[chosen].cost:
        return f"is no cheaper than {cells[chosen].name}, which passes"
    return "passes" if standing.outcome == PASS else "nothing hangs on it any more"
