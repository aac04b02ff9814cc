"""From what a claim asserts to its verdict: points that several readers tell, in several cases."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from denoisebench.metrics.decide.assertion import (
    DEPENDS,
    REFUTED,
    SUPPORTED,
    Assertion,
    Held,
    combined,
    hold_points,
    over_cases,
)
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.claims.cells import Cells
from denoisebench.reports.claims.records import Judged, Part, Shown
from denoisebench.reports.formats import plus_minus

# Of a claim: half of what is allowed. A claim may be looked at twice, the second time with the
# samples that its page asked for, and is wrongly decided at either with at most that probability.
LOOKS = 2
CLAIM_LEVEL = LEVEL / LOOKS
Beside = Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Reading:
    """What is asserted of one number, with its name and its unit."""

    words: str
    unit: str
    assertion: Assertion

    def part(self, held: Held) -> Part:
        return Part(self.words, self.unit, self.assertion.above, self.assertion.threshold, held)


# What a claim says, by name: each point is told by one reader, or by several that have to agree.
Points = Mapping[str, Sequence[Reading]]


def judged(points: Points, *, beside: Beside = (), shown: Sequence[Shown] = ()) -> Judged:
    """The verdict on a claim that makes all these points."""
    return judged_by_case("", {"": points}, beside=beside, shown=shown)


def judged_by_case(
    kind: str, cases: Mapping[str, Points], *, beside: Beside = (), shown: Sequence[Shown] = ()
) -> Judged:
    """The verdict on a claim that is tested in several cases, each at its share of the level.

    kind: of case, such as "grid": what a verdict depends on that differs between them.
    """
    verdicts: dict[str, str] = {}
    parts: list[Part] = []
    notes: list[str] = []
    for case, points in cases.items():
        assertions = [[reading.assertion for reading in point] for point in points.values()]
        verdicts[case], held = hold_points(assertions, CLAIM_LEVEL / len(cases))
        for (name, point), results in zip(points.items(), held, strict=True):
            parts += [reading.part(result) for reading, result in zip(point, results, strict=True)]
            notes += _disagreement(f"{case}, {name}" if case else name, point, results)
    if len(cases) > 1:
        notes.insert(0, case_words(verdicts))
    verdict = over_cases([*verdicts.values()])
    return Judged(depending(verdict, kind), parts, [*beside], [*shown], tuple(notes))


def depending(verdict: str, kind: str) -> str:
    """The verdict in words: `depends on the grid`."""
    return f"{DEPENDS} on the {kind}" if verdict == DEPENDS else verdict


def case_words(verdicts: Mapping[str, str]) -> str:
    """`Native grid: refuted; matched grid: supported.`"""
    text = "; ".join(f"{case}: {verdict}" for case, verdict in verdicts.items())
    return f"{text[:1].upper()}{text[1:]}."


def _disagreement(name: str, point: Sequence[Reading], held: Sequence[Held]) -> Iterator[str]:
    """A sentence where one reader supports what another refutes."""
    verdicts = [result.verdict for result in held]
    if {SUPPORTED, REFUTED} <= {*verdicts}:
        pairs = zip(point, verdicts, strict=True)
        readers = "; ".join(f"{reading.words}: {verdict}" for reading, verdict in pairs)
        yield f"Readers disagree on this ({name}), so it is undecided: {readers}."


def number(estimate: Estimate) -> str:
    return plus_minus(estimate.value, estimate.se)


def less(cells: Cells, metric: str, row: int, *, than: int) -> Estimate:
    """One cell's value less another's."""
    return combined((1.0, cells.estimate(row, metric)), (-1.0, cells.estimate(than, metric)))


def shown_cells(cells: Cells, *rows: int) -> list[Shown]:
    return [Shown(cells.name(row), row) for row in rows]
