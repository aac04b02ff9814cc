"""Claims in several worlds: what became of each in all of them. No statistics."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from denoisebench.bench.records.run import Run
from denoisebench.metrics.decide.assertion import UNDECIDED
from denoisebench.reports.claims.claims import NOT_TESTABLE, NOT_TESTED, Finding

DISAGREE = "worlds disagree"


@dataclass(frozen=True, eq=False)
class World:
    """The run of a world with what it found."""

    run: Run
    findings: Sequence[Finding]  # in the order of the claims

    @property
    def name(self) -> str:
        return str(self.run.claims["world"])


def by_claim(worlds: Sequence[World]) -> Iterator[dict[str, Finding]]:
    """Yields the findings of each claim, by the name of the world."""
    for findings in zip(*(world.findings for world in worlds), strict=True):
        yield dict(zip([world.name for world in worlds], findings, strict=True))


def together(findings: dict[str, Finding]) -> str:
    """What the worlds that tested a claim say of it together: their verdict where it is the same.

    Of a claim about families of models only those worlds count whose models differ in the objective
    alone. Worlds that are undecided beside others do not disagree, and do not agree either.
    """
    tested = {
        name: finding
        for name, finding in findings.items()
        if finding.judged.verdict not in (NOT_TESTED, NOT_TESTABLE)
    }
    counted = {
        name: finding.judged.verdict for name, finding in tested.items() if not finding.unfair
    }
    if not counted:
        return "no fair pair of models" if tested else NOT_TESTED
    if len({*counted.values()}) == 1:
        verdict = next(iter(counted.values()))
        return verdict if len(counted) > 1 else f"{verdict}, in {next(iter(counted))} alone"
    decided = {verdict for verdict in counted.values() if verdict != UNDECIDED}
    words = ", ".join(f"{verdict} in {name}" for name, verdict in counted.items())
    return f"{DISAGREE}: {words}" if len(decided) > 1 else words
