"""Which cells of two packs are the same one, before and now.

Cells are paired by all their settings, unless a Matching says that some were changed on purpose.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import SequenceMatcher
from typing import Any, NamedTuple, Protocol, TypeVar

from denoisebench.bench.errors import UserError, suggestion
from denoisebench.bench.records.cell import FACTS, NAMED, PAIRED, Cell, fields_with
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.pack import Pack, PackedCell
from denoisebench.metrics.specs import OWN
from denoisebench.reports.check.losses import Pair

# What may not differ: samples would not be the same ones.
_EXPERIMENT = {name: known.experiment for name, known in FACTS.items() if known.experiment}
_OTHER_RULER = "another extractor, reference or resize convention"
_OTHER_OWN = (
    "this metric of your own has changed: its source, settings or files. Where that is meant, the "
    "baseline's own sweep, run again, scores its stored images anew: pack that"
)
_OWN_REFERENCE = "_converged"  # metrics against a trajectory that each side makes for itself
_SETTINGS = fields_with(PAIRED)
_SIDES = ("baseline", "candidate")


class HasSettings(Protocol):
    """An entry of a run, or a cell of a pack."""

    @property
    def cell(self) -> Cell: ...

    @property
    def asked(self) -> dict[str, Any]: ...


_Side = TypeVar("_Side", bound=HasSettings)
_Group = tuple[list[PackedCell], list[PackedCell]]  # of the baseline, of the candidate


@dataclass(frozen=True)
class Matching:
    """What to pair cells by where settings were changed on purpose."""

    by: tuple[str, ...] = _SETTINGS
    renamed: Mapping[str, str] = field(default_factory=dict)  # scheduler before -> scheduler now


def matching_of(by: str | None, renamed: str | None, packs: tuple[Pack, Pack]) -> Matching:
    """A matching from the words of a command: `steps,guidance` and `ddim=ddim+trailing`, None for
    none; packs: baseline and candidate.

    Raises UserError for a setting that cells do not have, and for a scheduler that a side has not.
    """
    names = _SETTINGS if by is None else tuple(by.split(","))
    for name in names:
        if name not in _SETTINGS:
            raise UserError(f"--by={by}: {name!r} is no setting; {suggestion(name, _SETTINGS)}")
    return Matching(names, {} if renamed is None else _renames(renamed, packs))


def _renames(text: str, packs: tuple[Pack, Pack]) -> dict[str, str]:
    """Scheduler of the candidate by that of the baseline. A name may itself have the sign in it, as
    `ddim+timestep_spacing=trailing` has."""
    sides = [{packed.cell.scheduler for packed in pack.cells} for pack in packs]
    renamed: dict[str, str] = {}
    for part in text.split(","):
        couples = {
            (old, new)
            for place, sign in enumerate(part)
            if sign == "="
            for old in _called(part[:place], sides[0])
            for new in _called(part[place + 1 :], sides[1])
        }
        if len(couples) != 1 or {old for old, _ in couples} & {*renamed}:
            have = (f"{', '.join(sorted(names))} in the {side}" for side, names in _beside(*sides))
            raise UserError(
                f"--map {text}: give BASELINE=CANDIDATE, each a scheduler, and each of the "
                f"baseline once; there are {' and '.join(have)}"
            )
        renamed |= dict(couples)
    return renamed


def _beside(old: Any, new: Any) -> Iterator[tuple[str, Any]]:
    return zip(_SIDES, (old, new), strict=True)


def _called(name: str, schedulers: set[str]) -> set[str]:
    """Schedulers of that name, or else those that are called so when only the values of their flags
    are said: `ddim+trailing`."""
    if name in schedulers:
        return {name}
    return {scheduler for scheduler in schedulers if name == _short(scheduler)}


def _short(scheduler: str) -> str:
    return "+".join(part.rpartition("=")[2] for part in scheduler.split("+"))


def paired_cells(baseline: Pack, candidate: Pack) -> list[Pair]:
    """Raises UserError when there is none, and when the two are not of one experiment."""
    pairs, _ = match(baseline, candidate)
    return pairs


def have_one_model(packs: Sequence[Pack]) -> bool:
    """Each of them: then it may be called otherwise in another."""
    return all(len({packed.cell.model for packed in pack.cells}) == 1 for pack in packs)


def match(
    baseline: Pack, candidate: Pack, matching: Matching | None = None
) -> tuple[list[Pair], list[str]]:
    """Pairs of cells, and names of finished cells of the baseline that the candidate lacks.

    Raises UserError when there is no pair, when two cells of a side are alike in all that they are
    matched by, and when the two are not of one experiment.
    """
    packs, matching = (baseline, candidate), matching or Matching()
    with_model = not have_one_model(packs)
    groups = _groups(packs, matching, with_model)
    if not groups:
        raise UserError(_nothing_shared(packs, with_model))
    if collision := next(_collisions(groups, with_model), None):
        raise UserError(_cannot_be_told_apart(collision, matching))
    partner_of = {id(old): new for group in groups for old, new in partners(*group)}
    named = list(zip(_names(baseline.cells, with_model), baseline.cells, strict=True))
    pairs = [Pair(name, old, partner_of[id(old)]) for name, old in named if id(old) in partner_of]
    _refuse_foreign(pairs)
    return pairs, [name for name, old in named if id(old) not in partner_of and old.status in WHOLE]


def _groups(packs: tuple[Pack, Pack], matching: Matching, with_model: bool) -> list[_Group]:
    """Cells of both sides that match each other."""
    alike: dict[tuple[Any, ...], _Group] = defaultdict(lambda: ([], []))
    for side, pack in enumerate(packs):
        renamed = {} if side else matching.renamed
        for packed in pack.cells:
            settings = dict(zip(_SETTINGS, settings_of(packed, with_model), strict=True))
            settings["scheduler"] = renamed.get(packed.cell.scheduler, packed.cell.scheduler)
            alike[tuple(settings[name] for name in matching.by)][side].append(packed)
    return [group for group in alike.values() if all(group)]


def settings_of(packed: HasSettings, with_model: bool = True) -> tuple[Any, ...]:
    """What makes a cell the same experiment's, whatever was changed: cells are paired by it."""
    settings = packed.asked if with_model else {**packed.asked, "model": ""}
    return tuple(settings[name] for name in _SETTINGS)


def unlike(a: PackedCell, b: PackedCell, with_model: bool = True) -> list[str]:
    """Names of the settings that two cells differ in."""
    sides = zip(_SETTINGS, settings_of(a, with_model), settings_of(b, with_model), strict=True)
    return [name for name, old, new in sides if old != new]


class _Collision(NamedTuple):
    """Two cells of a side that match the same ones of the other."""

    side: str
    cells: tuple[PackedCell, PackedCell]
    apart: list[str]  # settings that they differ in


def _collisions(groups: Sequence[_Group], with_model: bool) -> Iterator[_Collision]:
    """Cells that differ in no setting, as those of two seeds, collide with none: `partners` tells
    them apart."""
    for group in groups:
        for side, (first, *rest) in _beside(*group):
            for other in rest:
                if apart := unlike(first, other, with_model):
                    yield _Collision(side, (first, other), apart)


def _cannot_be_told_apart(collision: _Collision, matching: Matching) -> str:
    names = " and ".join(cell_name(packed.asked) for packed in collision.cells)
    added = [name for name in collision.apart if name not in matching.by]
    cure = "let --map give each scheduler another one"
    if added:
        cure = f"add {added[0]} to --by={','.join(matching.by)}"
    return f"{names} of the {collision.side} match the same cell: {cure}"


def partners(olds: Sequence[_Side], news: Sequence[_Side]) -> Iterator[tuple[_Side, _Side]]:
    """Pairs of cells with the same settings, such as those of two seeds or of two values of a
    flag: the most alike first, each once."""
    left = [*olds], [*news]
    while all(left):
        couples = [(old, new) for old in left[0] for new in left[1]]
        old, new = max(couples, key=lambda couple: _likeness(couple[0].cell, couple[1].cell))
        left[0].remove(old)
        left[1].remove(new)
        yield old, new


def _likeness(a: Cell, b: Cell) -> int:
    return sum(getattr(a, field.name) == getattr(b, field.name) for field in fields(a))


def _nothing_shared(packs: tuple[Pack, Pack], with_model: bool) -> str:
    """What to say where no two cells match: the two that nearly do, and how they would."""
    baseline, candidate = packs
    if empty := [pack.name for pack in packs if not pack.cells]:
        return f"{empty[0]} has no cell that can be run: there is nothing to compare with"
    old, new = max(
        ((old, new) for old in baseline.cells for new in candidate.cells),
        key=lambda couple: _nearness(*couple, with_model=with_model),
    )
    apart = unlike(old, new, with_model)
    cures = ", or ".join(_cures(packs, (old, new), apart, with_model=with_model))
    return (
        f"{baseline.name} and {candidate.name} share no cell. The nearest are "
        f"{cell_name(old.asked)} of the baseline and {cell_name(new.asked)} of the candidate, "
        f"which differ in {' and '.join(apart)}: {cures}"
    )


def _cures(
    packs: tuple[Pack, Pack],
    nearest: tuple[PackedCell, PackedCell],
    apart: Sequence[str],
    *,
    with_model: bool,
) -> Iterator[str]:
    """What would make two cells match that differ in some settings."""
    if apart == ["scheduler"]:
        yield "give --map {}={}".format(*(packed.cell.scheduler for packed in nearest))
    without = {*apart} if with_model else {*apart, "model"}
    by = tuple(name for name in fields_with(NAMED) if name not in without)
    groups = _groups(packs, Matching(by), with_model)
    if groups and not any(_collisions(groups, with_model)):
        yield f"give --by={','.join(by)}"
    yield "sweep the candidate over the baseline's settings"


def _nearness(old: PackedCell, new: PackedCell, *, with_model: bool) -> float:
    """Settings that are equal, and how near the others come, each 0 to 1."""
    sides = zip(settings_of(old, with_model), settings_of(new, with_model), strict=True)
    return sum(1.0 if a == b else 0.99 * _closeness(a, b) for a, b in sides)


def _closeness(a: Any, b: Any) -> float:
    if isinstance(a, str):
        return SequenceMatcher(None, a, b).ratio()
    low, high = sorted((abs(a), abs(b)))
    return low / high if math.isfinite(high) and high else 0.0


def same_curve(packed: PackedCell) -> tuple[Any, ...]:
    """What cells share that differ in the step count alone."""
    cell = packed.cell
    others = (getattr(cell, f.name) for f in fields(cell) if f.name != "steps")
    return packed.asked["guidance"], *others


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
        for name, words in _EXPERIMENT.items():
            a, b = getattr(old.cell, name), getattr(new.cell, name)
            if a != b:
                yield f"{words}: {a or 'none'} in the baseline, {b or 'none'} in the candidate"
        for metric in old.metrics.keys() & new.metrics.keys():
            kinds = {packed.metrics[metric].kind for packed in (old, new)}
            if len(kinds) > 1 and not metric.endswith(_OWN_REFERENCE):
                yield f"{metric}: {_OTHER_OWN if metric in OWN else _OTHER_RULER}"
