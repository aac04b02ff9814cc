"""The record of a race: how it went, read once from race.json. Knows nothing of folders."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.names import cell_name
from denoisebench.metrics.decide.choose import Choice
from denoisebench.metrics.decide.racing import Course, Design, Rung, Trial


@dataclass(frozen=True)
class RacedCell:
    """A cell that took part."""

    key: str
    curve: str  # the scheduler
    steps: int
    cost: float  # network passes, known before the race

    @property
    def name(self) -> str:
        """`ddim, 8 steps`: what cells of one race differ in."""
        return cell_name({"scheduler": self.curve, "steps": self.steps})


@dataclass(frozen=True)
class RaceRecord:
    """A race of cells that differ in scheduler and steps alone; places are those in `cells`.

    Its fields are those of race.json, in that order; the last six are of the race's Course.
    """

    panel: dict[str, Any]  # by PANEL_FIELDS, what all its cells share
    design: Design
    cells: list[RacedCell]
    over: bool
    choice: Choice
    rungs: list[Rung]
    trials: list[Trial]
    drawn: list[int]  # samples of each cell
    broken: list[int] = field(default_factory=list)  # places that a draw left out

    @classmethod
    def of(
        cls, panel: dict[str, Any], design: Design, cells: list[RacedCell], *, course: Course
    ) -> "RaceRecord":
        return cls(panel, design, cells, **vars(course))

    @property
    def group(self) -> str:
        """`shapes-ddpm, guidance 4`"""
        return cell_name(self.panel)

    @property
    def asked_samples(self) -> int:
        samples: int = self.panel["asked_samples"]
        return samples

    @property
    def winner(self) -> int | None:
        """The place of the cell that was chosen, None as long as the race goes on."""
        return self.choice.chosen if self.over else None


def races_to_json(races: Sequence[RaceRecord]) -> bytes:
    return json.dumps([asdict(race) for race in races], indent=1).encode()


def races_from_json(content: bytes, entries: Sequence[Entry]) -> tuple[RaceRecord, ...]:
    """Raises ValueError for what no race of the entries has recorded."""
    races = TypeAdapter(tuple[RaceRecord, ...]).validate_json(content)
    if not races or not all(_has_panel(race) and _is_of(entries, race) for race in races):
        raise ValueError("no races of these entries")
    return races


def _has_panel(race: RaceRecord) -> bool:
    """Whether those fields of the panel are there that are read again."""
    types = {"model": str, "guidance": int | float, "asked_samples": int}
    return all(isinstance(race.panel.get(name), kind) for name, kind in types.items())


def _is_of(entries: Sequence[Entry], race: RaceRecord) -> bool:
    """Whether a race is of cells of the run, and speaks of its own cells alone."""
    keys = {e.cell.key for e in entries if e.asked_samples == race.asked_samples}
    return (
        len(race.rungs) > 0
        and len(race.cells) == len(race.drawn) == len(race.choice.standings)
        and keys.issuperset(cell.key for cell in race.cells)
        and all(0 <= place < len(race.cells) for place in _places(race))
    )


def _places(race: RaceRecord) -> list[int]:
    """All places that a record speaks of."""
    places = [trial.winner for trial in race.trials]
    for rung in race.rungs:
        places += [*rung.live, *rung.stopped]
    for standing in race.choice.standings:
        places += standing.rivals.values()
    return places + [i for i in (race.choice.chosen, race.choice.runner_up) if i is not None]
