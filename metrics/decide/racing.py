"""A race: cells get samples rung by rung until the cheapest within every margin is known.

The rule alone, from estimates: which cells go on after a rung, which are out, and why. NumPy only.

Verdicts are made with bounds that hold at all rungs together (sequential.py), so a pair
that is decided once stays decided. The bounds are at LEVEL for each curve, not split between the
curves. The level of the recommendation is held by its confirmation: the winner is tested again on
fresh samples, against the rivals that could most likely refute it.

Along a curve, quality by every gating metric is assumed to rise with the steps up to its best
and to fall after that. A cell that fails against a larger step count of its own curve then
lies on the rising side: all smaller step counts fail with it, and a larger one is better by every
metric, so that none of them is a rival any more.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from denoisebench.metrics.decide.choose import Candidate, Choice, Gate, Pairs, choice_from, judged
from denoisebench.metrics.decide.hopeless import is_hopeless
from denoisebench.metrics.decide.sequential import LEVEL, Reach, fixed_reach, sequential_reach
from denoisebench.metrics.decide.verdicts import FAIL, PASS, UNDECIDED, UNTESTED, Verdict, all_of
from denoisebench.metrics.estimate import Estimate

_TRIALS = (0.5, 1, 2)  # sizes of a trial, by the samples that chose the winner

# (places of cells, first, last) -> estimates of samples first to last - 1, by place and metric.
# Cells that have none, because they failed, are left out, except of the first draw.
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
    """The numbers of samples at which a race is looked at, and those of its confirmation."""

    first: int  # samples of the first rung
    cap: int  # of the last
    per_doubling: int  # rungs
    confirm: int  # fresh samples of a winner, at least
    batch: int = 1  # samples that are generated at once: rungs are whole batches
    prompts: int | None = None  # different ones among the samples up to the cap; None: all differ


@dataclass(frozen=True)
class Rung:
    """What became of cells at one number of samples, by their places."""

    samples: int
    live: list[int]  # cells that go on
    stopped: dict[int, str]  # cells that do not, and why
    drawn: list[int]  # samples of each cell so far


@dataclass(frozen=True)
class Trial:
    """The confirmation of a winner on fresh samples first to last - 1."""

    winner: int
    first: int
    last: int
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
    broken: list[int]  # places of cells that failed: they have no further part


@dataclass(frozen=True, eq=False)
class Look:
    """What is known after a rung, by places in the list of candidates."""

    pairs: Pairs  # of all cells: the next look starts from them
    low: frozenset[int]  # cells that fail on the rising side of their curve
    choice: Choice  # so far
    live: frozenset[int]  # cells that need more samples; none when the choice cannot change
    hopeless: frozenset[int]  # cells that are unlikely to pass by the cap


class Race:
    """Cells that race, and the state of their race.

    A winner is confirmed against its `witnesses` on samples beyond those that chose it. If it is
    not confirmed, the next cheapest is tried. Cells that failed are neither chosen nor rivals.
    """

    def __init__(
        self, cells: Sequence[Runner], gates: Mapping[str, Gate], design: Design, *, draw: Draw
    ):
        self._cells, self._gates, self._design, self._draw = cells, gates, design, draw
        self._reach = sequential_reach(tightest_at(gates, design))
        self._estimates: list[Mapping[str, Estimate]] = [{} for _ in cells]
        self._drawn = [0] * len(cells)
        self._broken: set[int] = set()  # places of cells that failed: a draw left them out
        self._rejected: set[int] = set()  # places of winners that were not confirmed
        self._rungs: list[Rung] = []
        self._trials: list[Trial] = []
        nobody: frozenset[int] = frozenset()
        self._seen = Look({}, nobody, Choice(UNDECIDED, None, None, []), nobody, nobody)

    def run(self) -> Iterator[Course]:
        """Yields the course after each rung, up to a confirmed winner or to the cap."""
        live: Collection[int] = range(len(self._cells))
        for samples in rungs(self._design):
            self._climb(live, samples)
            while not self._seen.live and self._seen.choice.chosen is not None:
                self._trials.append(self._trial(self._seen.choice.chosen, samples))
                if self._trials[-1].outcome == PASS:
                    break
                self._rejected.add(self._trials[-1].winner)
                self._climb((), samples)
            live = self._seen.live
            past = [*self._rungs], [*self._trials], [*self._drawn]
            yield Course(not live, self._seen.choice, *past, sorted(self._broken))
            if not live:
                return

    def _climb(self, live: Collection[int], samples: int) -> None:
        """Takes cells to a rung, then those that waited and that the choice now depends on."""
        began = {*live}
        while True:
            for place, estimates in self._fresh(live, 0, samples).items():
                self._estimates[place] = estimates
            self._seen = self._look()
            live = [i for i in self._seen.live if self._drawn[i] < samples]
            began |= {*live}
            if not live:
                break
        if began:
            self._rungs.append(self._rung(began, samples))

    def _rung(self, began: Collection[int], samples: int) -> Rung:
        seen = self._seen
        out = sorted({*began} - seen.live)
        stopped = {i: _why(i, self._cells, seen) for i in out}
        stopped |= dict.fromkeys(self._broken.intersection(out), "failed")
        return Rung(samples, sorted(seen.live), stopped, [*self._drawn])

    def _look(self) -> Look:
        return look(
            self._candidates,
            self._gates,
            self._reach,
            cap=self._design.cap,
            prompts=self._design.prompts,
            before=self._seen.pairs,
            rejected=self._rejected,
            broken=self._broken,
        )

    @property
    def _candidates(self) -> list[Candidate]:
        return [
            Candidate(cell.curve, cell.steps, cell.cost, estimates)
            for cell, estimates in zip(self._cells, self._estimates, strict=True)
        ]

    def _fresh(
        self, places: Collection[int], first: int, last: int
    ) -> Mapping[int, Mapping[str, Estimate]]:
        """Estimates of samples first to last - 1, by place; notes the cells that have none."""
        estimates = self._draw(sorted({*places} - self._broken), first, last)
        self._broken |= {*places} - {*estimates}
        for place in estimates:
            self._drawn[place] = max(self._drawn[place], last)
        return estimates

    def _trial(self, winner: int, samples: int) -> Trial:
        """Tests a winner on fresh samples: half as many as chose it, as many, then twice as many.

        It ends when it is decided; each size has its part of LEVEL. Rivals that the winner has
        passed against are not tested again."""
        candidates, reach = self._candidates, fixed_reach(LEVEL / len(_TRIALS))
        verdicts: dict[int, dict[str, Verdict]] = {}
        open_ = witnesses(candidates, self._seen, winner, broken=self._broken)
        if not open_:  # all others have failed: there is nothing left to hold it against
            return Trial(winner, samples, samples, verdicts, PASS)
        least = self._design.confirm, *(gate.enough for gate in self._gates.values())
        sizes = {_whole_batches(max(t * samples, *least), self._design) for t in _TRIALS}
        last = samples
        for size in sorted(sizes):
            last = samples + size
            fresh = self._fresh([winner, *open_], samples, last)
            if winner not in fresh:
                return Trial(winner, samples, last, verdicts, UNDECIDED)
            cells = {i: replace(candidates[i], estimates=new) for i, new in fresh.items()}
            for i in {*fresh} - {winner}:
                verdicts[i] = judged(cells[winner], cells[i], self._gates, reach=reach)
            open_ = [i for i in fresh if i != winner and _are_open(verdicts[i])]
            if not open_ or any(map(_fails, verdicts.values())):
                break
        of_all = [verdict for by_metric in verdicts.values() for verdict in by_metric.values()]
        outcome = all_of(of_all) if of_all else UNDECIDED  # no witness was left
        return Trial(winner, samples, last, verdicts, outcome)


def tightest_at(gates: Mapping[str, Gate], design: Design) -> int:
    """The number of units at which bounds should be narrowest: where most decisions fall."""
    first = min(design.first, design.prompts or design.first)
    return max(first, *(2 * gate.enough for gate in gates.values()))


def rungs(design: Design) -> list[int]:
    """Numbers of samples at which a race is looked at, from the first up to the cap."""
    sizes: list[int] = []
    while not sizes or sizes[-1] < design.cap:
        wanted = design.first * 2 ** (len(sizes) / design.per_doubling)
        least = sizes[-1] + 1 if sizes else 1
        sizes.append(min(design.cap, _whole_batches(max(least, wanted), design)))
    return sizes


def _whole_batches(samples: float, design: Design) -> int:
    return math.ceil(samples / design.batch) * design.batch


def look(
    candidates: Sequence[Candidate],
    gates: Mapping[str, Gate],
    reach: Reach,
    *,
    cap: int,
    prompts: int | None = None,
    before: Pairs,
    rejected: Collection[int] = (),
    broken: Collection[int] = (),
) -> Look:
    """What is known of candidates with their estimates so far.

    Candidates that went on have equally many samples. cap: the most samples that a cell can get,
    of so many different prompts; None: all differ. before: pairs of the last look. rejected: places
    of winners that were not confirmed; they stay rivals. broken: places of cells that failed; they
    are neither candidates nor rivals.
    """
    pairs = dict(_pairs(candidates, gates, reach, before=before))
    low = _low(candidates, pairs)
    counted = {
        (i, j): verdicts
        for (i, j), verdicts in pairs.items()
        if i == j or (j not in broken and (j not in low or _fails(verdicts)))
    }
    out = low.union(rejected, broken)
    choice = choice_from(candidates, counted, out, broken=broken)
    hopeless = {
        i
        for (i, j), verdicts in counted.items()
        if is_hopeless(
            candidates[i], candidates[j], verdicts, gates=gates, cap=cap, prompts=prompts
        )
    }
    outcomes = [
        UNTESTED if i in broken else all_of([*standing.worst.values()])
        for i, standing in enumerate(choice.standings)
    ]
    live = _live(candidates, counted, outcomes, chosen=choice.chosen, barred=out.union(hopeless))
    return Look(pairs, low, choice, live, frozenset(hopeless))


def _pairs(
    candidates: Sequence[Candidate], gates: Mapping[str, Gate], reach: Reach, *, before: Pairs
) -> Iterator[tuple[tuple[int, int], Mapping[str, Verdict]]]:
    """Verdicts of all pairs: those of before, and new ones where a metric was undecided and both
    cells went on."""
    for i, cell in enumerate(candidates):
        for j, rival in enumerate(candidates):
            old = before.get((i, j), {})
            open_ = {m: g for m, g in gates.items() if m not in old or old[m].is_open}
            went_on = not old or cell.samples == rival.samples
            new = judged(cell, rival, open_, reach=reach) if open_ and went_on else {}
            yield (i, j), {metric: new.get(metric) or old[metric] for metric in gates}


def _are_open(verdicts: Mapping[str, Verdict]) -> bool:
    return any(verdict.is_open for verdict in verdicts.values())


def _fails(verdicts: Mapping[str, Verdict]) -> bool:
    return all_of([*verdicts.values()]) == FAIL


def _low(candidates: Sequence[Candidate], pairs: Pairs) -> frozenset[int]:
    """Places of cells that fail against a larger step count of their curve, and all below them."""
    highest: dict[str, int] = defaultdict(int)  # step count that does, by curve
    for (i, j), verdicts in pairs.items():
        cell, rival = candidates[i], candidates[j]
        if cell.curve == rival.curve and cell.steps < rival.steps and _fails(verdicts):
            highest[cell.curve] = max(highest[cell.curve], cell.steps)
    return frozenset(i for i, c in enumerate(candidates) if c.steps <= highest[c.curve])


def _live(
    candidates: Sequence[Candidate],
    pairs: Pairs,
    outcomes: Sequence[str],
    *,
    chosen: int | None,
    barred: Collection[int],
) -> frozenset[int]:
    """Places of cells that need more samples: both sides of all open pairs of the cheapest cell
    that may still be chosen, and of the step counts that are tested before it.

    The other cells wait, as they may never be needed. outcomes: of each cell, without the sequence
    of its curve. barred: places of cells that will not be chosen; a cell that is tested after one
    of them is not waited for either."""
    for first in _hopeful(candidates, outcomes, chosen):
        tested = {j for j in _from_above(candidates, first) if outcomes[j] == UNDECIDED}
        if not {first, *tested}.intersection(barred):
            break
    else:
        return frozenset()
    open_ = [pair for pair, verdicts in pairs.items() if pair[0] in tested and _are_open(verdicts)]
    return frozenset(place for pair in open_ for place in pair)


def _hopeful(
    candidates: Sequence[Candidate], outcomes: Sequence[str], chosen: int | None
) -> Iterator[int]:
    """Places of undecided cells that are cheaper than the chosen one and that the sequence of their
    curve may reach, the cheapest first."""
    order = sorted(range(len(candidates)), key=lambda i: candidates[i].cost)
    for i in order[: None if chosen is None else order.index(chosen)]:
        above = [outcomes[j] for j in _from_above(candidates, i)]
        passed = above.index(PASS) if PASS in above else len(above)
        if FAIL not in [outcomes[i], *above[passed:]]:  # a failure below one that passed ends it
            yield i


def _from_above(candidates: Sequence[Candidate], place: int) -> list[int]:
    """Places of a cell's curve from the largest step count down to the cell itself."""
    cell = candidates[place]
    above = [i for i, c in enumerate(candidates) if c.curve == cell.curve and c.steps >= cell.steps]
    return sorted(above, key=lambda i: -candidates[i].steps)


def witnesses(
    candidates: Sequence[Candidate], seen: Look, winner: int, *, broken: Collection[int] = ()
) -> list[int]:
    """Rivals that a winner is confirmed against: the one that came nearest to failing it, and the
    dearest that may be as good; of several equally dear, one of the winner's curve."""
    cell, standing = candidates[winner], seen.choice.standings[winner]
    worst = standing.worst
    nearest = max(worst, key=lambda metric: worst[metric].in_margins(worst[metric].high))
    fit = [i for i in range(len(candidates)) if i not in seen.low and i not in broken]
    dearest = max(fit, key=lambda i: (candidates[i].cost, candidates[i].curve == cell.curve))
    return sorted({standing.rivals[nearest], dearest} - {winner})


def _why(place: int, cells: Sequence[Runner], seen: Look) -> str:
    """Why a cell does not go on."""
    standing, chosen = seen.choice.standings[place], seen.choice.chosen
    failed = [metric for metric, verdict in standing.worst.items() if verdict.outcome == FAIL]
    if failed:
        return f"fails {failed[0]} against {cells[standing.rivals[failed[0]]].name}"
    if place in seen.low:
        return "has fewer steps than one of its curve that fails"
    if place == chosen:
        return "passes, and nothing that comes before it can"
    if chosen is not None and cells[place].cost >= cells[chosen].cost:
        return f"is no cheaper than {cells[chosen].name}, which passes"
    if place in seen.hopeless:
        return "lies too near its margin to be decided by the last rung"
    return "was not needed: the choice did not hang on it"
