"""What to tell of the schedulers of a sweep: known defects that its cells hit."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from denoisebench.bench.plan.job import Job, scheduler_config
from denoisebench.bench.records.run import Mark
from denoisebench.bench.schedulers.catalogue import FULL_ORDER, lowers_last_order
from denoisebench.bench.schedulers.known_defects import Known, known_defects, warnings_for

Curve = tuple[str, str, str]  # model, scheduler, grid


def warnings_of(jobs: Sequence[Job]) -> list[str]:
    """A sentence for each known defect, with the schedulers and steps that hit it."""
    told = []
    for known, curves in _hit(jobs).items():
        steps: dict[str, set[int]] = defaultdict(set)
        for (_, scheduler, _), counts in curves.items():
            steps[scheduler] |= counts
        told.append(f"{_where(steps)}: {known.told}")
    switching = list(dict.fromkeys(scheduler for _, scheduler, _ in _switching(jobs)))
    if switching:
        told.append(
            f"{', '.join(switching)}: below {FULL_ORDER} steps the last step is of lower order "
            f"(lower_order_final); a jump of the curve there is the solver's"
        )
    return told


def marks_of(jobs: Sequence[Job]) -> list[Mark]:
    """The same in a few words, for the charts. What the report measures itself is left to it."""
    defects = [
        Mark(*curve, f"{known.name.replace('-', ' ')} at {_listed(steps)} steps")
        for known, curves in _hit(jobs).items()
        if known.name != "leading-start"
        for curve, steps in curves.items()
    ]
    text = f"ends with a step of lower order below {FULL_ORDER} steps"
    return [*defects, *(Mark(*curve, text) for curve in _switching(jobs))]


def _hit(jobs: Sequence[Job]) -> dict[Known, dict[Curve, set[int]]]:
    """The steps at which each curve hits a known defect."""
    table = known_defects(version("diffusers"))
    hit: dict[Known, dict[Curve, set[int]]] = defaultdict(lambda: defaultdict(set))
    for job in jobs:
        cell, config = job.entry.cell, scheduler_config(job)
        for known in warnings_for(job.base, cell.scheduler_class, config, cell.steps, table):
            hit[known][_curve(job)].add(cell.steps)
    return hit


def _switching(jobs: Sequence[Job]) -> list[Curve]:
    """Curves that cross the step count at which multistep solvers change their last step."""
    steps: dict[Curve, set[int]] = defaultdict(set)
    for job in jobs:
        if lowers_last_order(job.entry.cell.scheduler_class, scheduler_config(job)):
            steps[_curve(job)].add(job.entry.cell.steps)
    return [curve for curve, counts in steps.items() if min(counts) < FULL_ORDER <= max(counts)]


def _curve(job: Job) -> Curve:
    cell = job.entry.cell
    return cell.model, cell.scheduler, cell.grid


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
