"""claims.md: the claims in one world or several, a column each. No statistics, no pictures."""

from collections.abc import Mapping, Sequence

from denoisebench.bench.records.run import Run
from denoisebench.reports.claims.claims import NOT_TESTABLE, NOT_TESTED, Finding
from denoisebench.reports.claims.together import World, by_claim, together
from denoisebench.reports.claims.words import (
    claimed_text,
    decisive,
    measured_text,
    parts_in_words,
    samples_of,
)

_HEAD = """# Claims, measured

Written by `denoisebench sweep experiment=claims claims.worlds=[{worlds}]` (`make claims`) with
{samples}, with {versions}. Do not edit: make it again.

Verdicts hold for the models and cells named here. A claim is wrongly supported with a probability
of at most 2.5 %, and wrongly refuted with the same, at two looks together: the second is at what
was undecided, with the samples that this page asks for. Points of a claim are tested together: it
is supported when all are, and refuted when one is. A point that several readers tell is decided
when they agree. Where a claim is tested in several cases (grids, schedulers, prompts), the level is
split between them, and it depends on the case when it holds in one and not in another. Not testable
here: the world has not what the claim is about. The bounds are those that decide; estimates are
paired by prompt and noise. Rules were mended after an earlier run of other noise had been read, as
each says, and committed before anything of these runs was looked at.
"""


def claims_markdown(worlds: Sequence[World]) -> str:
    """The findings in all worlds as Markdown, without pictures."""
    names = [world.name for world in worlds]
    last = ["together"] if len(worlds) > 1 else []
    lines = [
        _HEAD.format(
            worlds=_text(",".join(names)),
            samples=", ".join(
                f"{_text(world.name)} of {samples_of(world.run)} images a cell" for world in worlds
            ),
            versions=_versions(worlds[0].run),
        ),
        f"| claim | {' | '.join([*map(_text, names), *last])} |",
        f"| --- |{' --- |' * (len(names) + len(last))}",
        *(_line(findings, is_last=bool(last)) for findings in by_claim(worlds)),
        "",
    ]
    for findings in by_claim(worlds):
        lines += _section(findings)
    lines += ["## Who plays which part", ""]
    for world in worlds:
        parts = ", ".join(f"{name} {part}" for name, part in parts_in_words(world.run).items())
        samples = samples_of(world.run)
        lines += [f"{_text(world.name)}, {samples} images a cell: {_text(parts)}.", ""]
    return "\n".join(lines)


def _versions(run: Run) -> str:
    """`torch 2.15.0, diffusers 0.42.1, Python 3.11.7, on 2 x AMD EPYC`"""
    versions = run.environment
    libraries = [f"{name} {versions[name]}" for name in ("torch", "diffusers") if name in versions]
    machine = f", on {versions['processor']}" if versions.get("processor") else ""
    return f"{', '.join(libraries)}, Python {versions['python']}{machine}"


def _line(findings: Mapping[str, Finding], *, is_last: bool) -> str:
    cells = [_heading(findings).statement, *map(_verdict, findings.values())]
    if is_last:
        cells.append(together({**findings}))
    return f"| {' | '.join(map(_text, cells))} |"


def _verdict(finding: Finding) -> str:
    """The verdict with the number that decides, or why there is none."""
    part = decisive(finding)
    verdict = f"**{finding.judged.verdict}**" + (
        ", no fair pair" if finding.unfair and part else ""
    )
    if part is None:
        return f"{verdict}: {finding.note}"
    return f"{verdict}: {part.words} {measured_text(part)}, claimed {claimed_text(part)}"


def _heading(findings: Mapping[str, Finding]) -> Finding:
    """The finding whose words stand for all: of the first world that could test the claim."""
    some = [*findings.values()]
    tested = [f for f in some if f.judged.verdict not in (NOT_TESTABLE, NOT_TESTED)]
    return next(iter([*tested, *some]))


def _section(findings: Mapping[str, Finding]) -> list[str]:
    """A claim's rule, and of each world the parts that decide and other numbers."""
    heading = _heading(findings)
    rule = _text(f"Rule: {heading.rule} {heading.reason}")
    lines = [f"## {_text(heading.statement)}", "", rule, ""]
    if heading.mended:
        lines += [_text(f"Changed: {heading.mended}"), ""]
    for name, finding in findings.items():
        lines += _in_world(name, finding)
    return [line.rstrip() for line in lines]


def _in_world(name: str, finding: Finding) -> list[str]:
    judged = finding.judged
    unfair = f"It does not count for families: {finding.unfair}." if finding.unfair else ""
    notes = " ".join(filter(None, (finding.note, unfair if judged.parts else "")))
    lines = [f"### {_text(name)}: {judged.verdict}", "", *([_text(notes), ""] if notes else [])]
    if judged.parts:
        lines += ["| part | measured | claimed | verdict |", "| --- | --- | --- | --- |"]
        for part in judged.parts:
            cells = (part.words, measured_text(part), claimed_text(part), part.held.verdict)
            lines.append(f"| {' | '.join(map(_text, cells))} |")
        lines.append("")
    lines += [f"- {_text(words)}: {text}" for words, text in judged.beside]
    return [*lines, *([""] if judged.beside else [])]


def _text(text: str) -> str:
    """Text that is safe in a cell of a table."""
    return text.replace("|", r"\|").replace("<", "&lt;")
