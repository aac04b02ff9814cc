"""What a run decides: where each curve is flat, and the cheapest cell within every margin.

The rules are those of metrics/decide/, verdicts.py and choose.py; here they meet the rows of a run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from denoisebench.bench.records.columns import PANEL_FIELDS, UNSCORED
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.race import RaceRecord
from denoisebench.metrics.decide.choose import (
    Candidate,
    Choice,
    Gate,
    Reaches,
    choose,
    plateau_of,
)
from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.racing import tightest_at
from denoisebench.metrics.decide.sequential import LEVEL, Reach, fixed_reach, sequential_reach
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED, Plateau, Verdict
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import is_of_convergence, leading
from denoisebench.reports.rows.curves import with_panels
from denoisebench.reports.rows.frame import done, records, work
from denoisebench.reports.rows.services import of_services

HELD = tuple(name for name in PANEL_FIELDS if name != "guidance")  # fixed for a default
Estimates = Mapping[str, Mapping[int, Estimate]]  # by metric and row number of the frame


@dataclass(frozen=True)
class CurvePlateau:
    """Where one curve is flat, by all gating metrics together."""

    panel: str
    scheduler: str
    plateau: Plateau
    verdicts: dict[int, dict[str, Verdict]]  # by step count below the largest, and metric
    rows: dict[int, int]  # row number of each step count


@dataclass(frozen=True)
class Recommendation:
    """The default of what one model does, for one metric."""

    target: str  # the metric that chose the guidance
    panel: str  # what is held fixed, guidance included
    choice: Choice
    rows: list[int]  # row number of each candidate
    other_guidances: dict[float, Difference]  # best by target there less the best here
    note: str = ""  # why nothing can be recommended yet
    free: tuple[str, ...] = ()  # what its cells differ in beside scheduler, steps and guidance

    @property
    def chosen_row(self) -> int | None:
        """Row number of the default, None where nothing was chosen."""
        return None if self.choice.chosen is None else self.rows[self.choice.chosen]


@dataclass(frozen=True)
class Decisions:
    gates: dict[str, Gate]
    curves: list[CurvePlateau]
    recommendations: list[Recommendation]
    reaches: Reaches = fixed_reach  # of bounds that hold at the numbers of samples of the run


NOTHING = Decisions({}, [], [])
_ALONE = (
    "Only one scheduler with one step count was measured, so there is nothing to compare it with; "
    "sweep more steps or another scheduler."
)
_HOSTED = (
    "A service decides steps, scheduler and guidance, so there is nothing to choose; `denoisebench "
    "report` of this run and others shows them side by side."
)
_NO_GUIDANCE = (
    "Closeness to many steps does not say which guidance is better: sweep one guidance, or give a "
    "margin to a metric that does, such as CLIP score."
)


def decide(
    frame: pd.DataFrame,
    estimates: Estimates,
    margins: Mapping[str, Mapping[str, Any]],
    *,
    races: Sequence[RaceRecord] = (),
) -> Decisions:
    """Decides by the metrics that have a margin: nothing where none has, or no cell has them all.

    races: of the run. What a race chose stands, and curves are judged by bounds that hold at
    whatever number of samples a cell stopped.
    """
    gating = gates(margins, estimates, _features(frame, estimates))
    if not gating:
        return NOTHING
    reaches = (
        partial(sequential_reach, tightest_at(gating, races[0].design)) if races else fixed_reach
    )
    judged = judged_cells(frame, estimates, gating)
    cells, candidates, own = judged.cells, judged.candidates, judged.gates
    raced = [_Raced.of(race, with_panels(frame)) for race in races]
    return Decisions(
        gating,
        list(_curves(cells, candidates, own, reach=reaches(LEVEL))),
        list(_defaults(cells, candidates, own, races=raced)),
        reaches,
    )


@dataclass(frozen=True, eq=False)
class Judged:
    """The cells that decisions are about, by row number of the frame."""

    cells: pd.DataFrame  # their rows, with panels
    candidates: dict[int, Candidate]
    gates: dict[int, dict[str, Gate]]  # the metrics that decide of each


def judged_cells(frame: pd.DataFrame, estimates: Estimates, gating: Mapping[str, Gate]) -> Judged:
    """Finished cells that have every metric that decides of them."""
    finished = done(with_panels(frame))
    own = _gates_by_row(finished, estimates, gating)
    cells = _judged_cells(finished, estimates, own)
    return Judged(cells, dict(_candidates(cells, estimates, own)), own)


def _features(frame: pd.DataFrame, metrics: Estimates) -> dict[str, int]:
    """Dimensions of the metrics whose bias fades with samples per dimension."""
    known = [name for name in metrics if f"{name}_n_per_dim" in frame and metrics[name]]
    sizes = {
        name: np.nanmax(
            [len(e.units) / frame[f"{name}_n_per_dim"][i] for i, e in metrics[name].items()]
        )
        for name in known
    }
    return {name: round(size) for name, size in sizes.items() if np.isfinite(size)}


def _gates_by_row(
    finished: pd.DataFrame, estimates: Estimates, gating: Mapping[str, Gate]
) -> dict[int, dict[str, Gate]]:
    """The metrics that decide of each cell: those that its model and task have. One without
    captions has no CLIP score and is decided by the others, as in a run of its own; a cell whose
    metric failed waits for it."""
    own: dict[int, dict[str, Gate]] = {}
    for _, group in finished.groupby([*HELD], sort=False, dropna=False):
        waits = bool((group["status"] == UNSCORED).any())
        decides = {
            metric: gate
            for metric, gate in gating.items()
            if waits or not estimates[metric].keys().isdisjoint(group.index)
        }
        own |= dict.fromkeys(group.index, decides)
    return own


def _judged_cells(
    finished: pd.DataFrame, estimates: Estimates, own: Mapping[int, Mapping[str, Gate]]
) -> pd.DataFrame:
    """Those of finished cells that have every metric that decides of them, once each."""
    known = [bool(own[i]) and all(i in estimates[m] for m in own[i]) for i in finished.index]
    return finished[np.array(known, bool)].drop_duplicates(["panel", "scheduler", "steps"])


def _candidates(
    cells: pd.DataFrame, estimates: Estimates, own: Mapping[int, Mapping[str, Gate]]
) -> Iterator[tuple[int, Candidate]]:
    """Candidates, each after its row number in the frame."""
    for i, row in zip(cells.index, records(cells), strict=True):
        yield (
            int(i),
            Candidate(
                curve=row["scheduler"],
                steps=int(row["steps"]),
                cost=work(row),
                estimates={metric: estimates[metric][int(i)] for metric in own[int(i)]},
            ),
        )


def _curves(
    cells: pd.DataFrame,
    candidates: Mapping[int, Candidate],
    own: Mapping[int, Mapping[str, Gate]],
    *,
    reach: Reach,
) -> Iterator[CurvePlateau]:
    for (panel, scheduler), curve in cells.groupby(["panel", "scheduler"], sort=False):
        gating = own[curve.index[0]]
        plateau, verdicts = plateau_of([candidates[i] for i in curve.index], gating, reach)
        rows = dict(zip(curve["steps"].astype(int), curve.index, strict=True))
        yield CurvePlateau(str(panel), str(scheduler), plateau, verdicts, rows)


def _defaults(
    cells: pd.DataFrame,
    candidates: Mapping[int, Candidate],
    own: Mapping[int, Mapping[str, Gate]],
    *,
    races: Sequence["_Raced"],
) -> Iterator[Recommendation]:
    """One for each leading metric, of each group that differs in guidance, scheduler and steps
    alone."""
    for _, group in cells.groupby([*HELD], sort=False, dropna=False):
        gating = own[group.index[0]]
        for target in leading(gating, gating):
            yield _recommendation(target, group, candidates, gating=gating, races=races)


def _recommendation(
    target: str,
    group: pd.DataFrame,
    candidates: Mapping[int, Candidate],
    *,
    gating: Mapping[str, Gate],
    races: Sequence["_Raced"],
) -> Recommendation:
    """The guidance is the one whose best cell is best by the target; within it `choose` decides."""
    best = _best_by_guidance(target, group, candidates, gate=gating[target])
    guidance, *other_guidances = best
    at_best = candidates[best[guidance]].estimates[target]
    gaps = {
        g: difference_of(candidates[best[g]].estimates[target], at_best) for g in other_guidances
    }
    cells = group[group["guidance"] == guidance]
    panel = cells["panel"].iloc[0]
    race = next((race for race in races if race.panel == panel), None)
    if race is None:
        rows, note = [*cells.index], ""
        choice = choose([candidates[i] for i in rows], gating)
    else:
        rows, (choice, note) = race.rows, race.choice_among({*cells.index})
    if other_guidances and is_of_convergence(target):
        gaps, note = {}, _NO_GUIDANCE
    elif not note and choice.chosen is None and len(cells) == 1:
        note = _HOSTED if of_services(cells).all() else _ALONE
    return Recommendation(
        target, panel, _without_choice(choice) if note else choice, rows, gaps, note
    )


def _best_by_guidance(
    target: str, group: pd.DataFrame, candidates: Mapping[int, Candidate], *, gate: Gate
) -> dict[float, int]:
    """Row number of the best cell of each guidance, the best guidance first."""

    def quality(i: int) -> tuple[bool, float]:
        """How good a cell is; the value is no guide where a race left it with few samples."""
        estimate = candidates[i].estimates[target]
        return len(estimate.units) >= gate.enough, gate.sign * estimate.value

    best = {
        float(guidance): max(part.index, key=quality)  # type: ignore[arg-type]
        for guidance, part in group.groupby("guidance", sort=False)
    }
    first = max(best, key=lambda guidance: quality(best[guidance]))
    return {first: best[first], **best}


@dataclass(frozen=True)
class _Raced:
    """A race beside the rows of its cells. What it chose stands, finished or not: its cells stopped
    at numbers of samples that depend on what was seen, where bounds of a fixed number do not hold.
    """

    panel: str
    rows: list[int]  # row number of each of its places
    race: RaceRecord

    @classmethod
    def of(cls, race: RaceRecord, frame: pd.DataFrame) -> "_Raced":
        """frame: all rows of the run, with their panels."""
        cells = frame[frame["asked_samples"] == race.asked_samples]
        numbers = {key: int(i) for i, key in cells["key"].items()}  # type: ignore[call-overload]
        rows = [numbers[cell.key] for cell in race.cells]
        return cls(str(frame.loc[rows[0], "panel"]), rows, race)

    def choice_among(self, finished: set[int]) -> tuple[Choice, str]:
        """The choice, and why there is none. finished: rows of cells that have all estimates."""
        choice = self.race.choice
        if not self.race.over:
            why = "The race is not finished: the same command goes on."
        elif choice.chosen is not None and self.rows[choice.chosen] not in finished:
            why = "The winner failed after it was chosen: the same command tries it again."
        else:
            why = ""
        return choice, why


def _without_choice(choice: Choice) -> Choice:
    return replace(choice, outcome=UNDECIDED, chosen=None, runner_up=None)


def decided(points: pd.DataFrame, metric: str, decisions: Decisions) -> pd.DataFrame:
    """Points of a metric's curves with `flat`, whether one is where its curve begins to be flat,
    and `recommended`, whether it is the default by this metric; without both if none is."""
    flat = {c.rows[c.plateau.steps] for c in decisions.curves if c.plateau.outcome == PASS}
    defaults = {r.chosen_row for r in decisions.recommendations if r.target == metric} - {None}
    if not flat | defaults:
        return points
    return points.assign(flat=points.index.isin(flat), recommended=points.index.isin(defaults))
