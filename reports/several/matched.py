"""Cells that runs have in common, and their differences: paired where their samples match.

Cells are matched by the settings that a check matches them by; differences are those of compare.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from denoisebench.bench.records.cell import FACTS, PAIRED, Cell, Entry, fields_with
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.names import cell_name, plain
from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.check.pairing import partners, settings_of
from denoisebench.reports.rows.compare import is_comparable, mismatch
from denoisebench.reports.several.metrics import Common
from denoisebench.reports.several.sides import Side

_EXPERIMENT = {name: known.experiment for name, known in FACTS.items() if known.experiment}


@dataclass(frozen=True, eq=False)
class Shared:
    """A cell that two runs have, by the number of its row in the frame of each."""

    name: str
    first: int
    later: int


@dataclass(frozen=True, eq=False)
class Contrast:
    """A cell of a later run less the same one of the first, by one metric."""

    cell: str
    side: str  # the later run
    first: Estimate
    later: Estimate
    difference: Difference | None  # None where they are not compared
    footing: str  # what the samples share, or why they are not paired, or not compared


def contrasts(common: Common) -> list[Contrast]:
    """Each later run that measures the metric against the first, cell by cell."""
    first, *others = common.sides
    return [
        contrast
        for later in others
        for shared in shared_cells(first, later)
        for contrast in _contrasts(common.name, shared, (first, later))
    ]


def default_contrasts(common: Common) -> list[Contrast]:
    """The default of each later run by the metric against that of the first, whatever their
    settings, where both have one."""
    first, *others = common.sides
    return [
        contrast
        for later in others
        for shared in _defaults(common.name, first, later)
        for contrast in _contrasts(common.name, shared, (first, later))
    ]


def _defaults(metric: str, first: Side, later: Side) -> Iterator[Shared]:
    """The chosen cells of both, where each run has just one that was chosen by the metric."""
    chosen = [
        [r.chosen_row for r in side.decisions.recommendations if r.target == metric]
        for side in (first, later)
    ]
    if any(len(rows) != 1 for rows in chosen):
        return
    (a,), (b,) = chosen
    if a is not None and b is not None:
        names = [cell_name(first.run.entries[a].asked), cell_name(later.run.entries[b].asked)]
        yield Shared(f"{names[1]} less {names[0]}", a, b)


def shared_cells(first: Side, later: Side) -> list[Shared]:
    """Finished cells with the same settings; the model is left out where each run has one."""
    with_model = len(first.models) > 1 or len(later.models) > 1
    groups: dict[object, tuple[list[Entry], list[Entry]]] = defaultdict(lambda: ([], []))
    for place, side in enumerate((first, later)):
        for entry in _finished(side):
            groups[settings_of(entry, with_model)][place].append(entry)
    rows = [{id(entry): i for i, entry in enumerate(side.run.entries)} for side in (first, later)]
    return [
        Shared(_name(a, b, with_model), rows[0][id(a)], rows[1][id(b)])
        for olds, news in groups.values()
        for a, b in partners(olds, news)
    ]


def nothing_shared(first: Side, later: Side) -> str:
    """Why two runs have no cell in common."""
    apart = [
        {"steps": "step count", "options": "model.call"}.get(name, name.replace("_", " "))
        for name in fields_with(PAIRED)
        if (name != "model" or len(first.models) > 1 or len(later.models) > 1)
        and not _values(first, name) & _values(later, name)
    ]
    why = f"no {' and no '.join(apart)} is in both" if apart else "no cell is finished in both"
    return (
        f"{later.label} has no cell in common with {first.label}: {why}. denoisebench compare "
        "takes any cell of each."
    )


def _values(side: Side, name: str) -> set[str]:
    return {plain(name, entry.asked[name]) for entry in _finished(side)}


def _finished(side: Side) -> list[Entry]:
    statuses = side.frame["status"]
    return [e for e, status in zip(side.run.entries, statuses, strict=True) if status in WHOLE]


def _name(a: Entry, b: Entry, with_model: bool) -> str:
    """What both are called, without what they differ in."""
    apart = [name for name in FACTS if a.asked[name] != b.asked[name]]
    return cell_name(a.asked, without=[*apart, *([] if with_model else ["model"])])


def _contrasts(name: str, shared: Shared, sides: tuple[Side, Side]) -> Iterator[Contrast]:
    """One, or none where a side has no number."""
    places = (shared.first, shared.later)
    estimates = [side.estimates[name].get(i) for side, i in zip(sides, places, strict=True)]
    a, b = (side.run.entries[i] for side, i in zip(sides, places, strict=True))
    first, later = estimates
    if first is None or later is None:
        return
    unlike = mismatch(a.cell, b.cell)
    why = _not_compared(a, b, name)
    difference = None if why else difference_of(later, first, unlike)
    if difference is None:
        footing = f"not compared: {why}"
    elif apart := difference.unpaired or unlike:
        footing = f"unpaired: {apart}"
    else:
        footing = _footing(a.cell, b.cell)
    yield Contrast(shared.name, sides[1].label, first, later, difference, footing)


def _not_compared(a: Entry, b: Entry, metric: str) -> str:
    """Why two cells have no difference, as a check has none of other numbers of samples."""
    if (a.samples, a.first) != (b.samples, b.first):
        return f"{a.scored:,} and {b.scored:,} samples; sweep as many"
    if not is_comparable(a, b, metric):
        return "another extractor or reference"
    return ""


def _footing(a: Cell, b: Cell) -> str:
    """What the samples of two cells share: `same prompts and noise`."""
    apart = [
        words
        for name, words in {"weights": "model", **_EXPERIMENT}.items()
        if getattr(a, name) != getattr(b, name)
    ]
    return f"same prompts, other {' and '.join(apart)}" if apart else "same prompts and noise"
