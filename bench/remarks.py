"""What to tell of the schedulers of a sweep: known defects that its cells hit."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bench.cell import Cell
from bench.known_defects import Known, known_defects, warnings_for
from bench.run import Mark
from bench.schedulers import FULL_ORDER, LOWER_ORDER_FINAL

Curve = tuple[str, str, str]  # model, scheduler, grid


@dataclass(frozen=True)
class Driven:
    """A cell with what its scheduler is made from."""

    cell: Cell
    base: str  # name of the scheduler in the catalogue, without flags
    config: dict[str, Any]  # of the model, with all flags over it

    @property
    def curve(self) -> Curve:
        return self.cell.model, self.cell.scheduler, self.cell.grid


def warnings_of(cells: Sequence[Driven]) -> list[str]:
    """A sentence for each known defect, with the schedulers and steps that hit it."""
    told = []
    for known, curves in _hit(cells).items():
        steps: dict[str, set[int]] = defaultdict(set)
        for (_, scheduler, _), counts in curves.items():
            steps[scheduler] |= counts
        told.append(f"{_where(steps)}: {known.told}")
    switching = list(dict.fromkeys(scheduler for _, scheduler, _ in _switching(cells)))
    if switching:
        told.append(
            f"{', '.join(switching)}: below {FULL_ORDER} steps the last step is of lower order "
            f"(lower_order_final); a jump of the curve there is the solver's"
        )
    return told


def marks_of(cells: Sequence[Driven]) -> list[Mark]:
    """The same in a few words, for the charts. What the report measures itself is left to it."""
    defects = [
        Mark(*curve, f"{known.name.replace('-', ' ')} at {_listed(steps)} steps")
        for known, curves in _hit(cells).items()
        if known.name != "leading-start"
        for curve, steps in curves.items()
    ]
    text = f"ends with a step of lower order below {FULL_ORDER} steps"
    return [*defects, *(Mark(*curve, text) for curve in _switching(cells))]


def _hit(cells: Sequence[Driven]) -> dict[Known, dict[Curve, set[int]]]:
    """The steps at which each curve hits a known defect."""
    table = known_defects(version("diffusers"))
    hit: dict[Known, dict[Curve, set[int]]] = defaultdict(lambda: defaultdict(set))
    for one in cells:
        cell = one.cell
        for known in warnings_for(one.base, cell.scheduler_class, one.config, cell.steps, table):
            hit[known][one.curve].add(cell.steps)
    return hit


def _switching(cells: Sequence[Driven]) -> list[Curve]:
    """Curves that cross the step count at which multistep solvers change their last step."""
    steps: dict[Curve, set[int]] = defaultdict(set)
    for one in cells:
        flag = one.config.get("lower_order_final", True)
        if flag and one.cell.scheduler_class in LOWER_ORDER_FINAL:
            steps[one.curve].add(one.cell.steps)
    return [curve for curve, counts in steps.items() if min(counts) < FULL_ORDER <= max(counts)]


def _where(steps: dict[str, set[int]]) -> str:
    """`ddim, euler at 16, 32 steps; heun at 8 steps`."""
    alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for scheduler, counts in steps.items():
        alike[tuple(sorted(counts))].append(scheduler)
    return "; ".join(
        f"{', '.join(names)} at {_listed(counts)} steps" for counts, names in alike.items()
    )


def _listed(steps: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(steps)))
