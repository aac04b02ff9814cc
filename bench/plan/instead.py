"""Schedulers that run in place of one that is refused: what a message tells a user to choose from.

A name is offered only where every check of the model passes with it and the other settings.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.plan.training import scheduler_problems
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.grids import given_levels
from denoisebench.bench.schedulers.reason import Reason
from denoisebench.bench.settings.job import Settings

Cell = tuple[FoundModel, Settings]
_READ = {"model", "task", "steps", "grid", "scheduler"}  # settings that the checks look at
_NONE = "no scheduler here runs with the model and these settings"


def with_cure(reason: Reason, cells: Sequence[Cell]) -> str:
    """The line that a user reads of a reason that cells of a sweep share: what is wrong, and the
    schedulers that run in all of them."""
    if not reason.by_scheduler:
        return reason.text
    distinct = {settings.model_dump_json(include=_READ): (m, settings) for m, settings in cells}
    different = [*distinct.values()]
    cure = _choice(different) or reason.otherwise or _plain_choice(*different[0]) or _NONE
    return f"{reason.text}; {cure}{reason.besides}"


def _choice(cells: Sequence[Cell]) -> str:
    """`choose from ddim, euler`; with other steps where no scheduler takes those of the settings,
    and empty where none runs at all."""
    names = [*SCHEDULERS]
    for cell in cells:
        names = [name for name in names if runs_instead(name, *cell)]
    if names:
        return f"choose from {', '.join(names)}"
    model, settings = cells[0]
    by_steps: dict[int, list[str]] = defaultdict(list)
    for name, spec in SCHEDULERS.items():
        steps = min(max(settings.steps, spec.min_steps), spec.max_steps or settings.steps)
        moved = settings.model_copy(update={"steps": steps})
        if steps != settings.steps and runs_instead(name, model, moved):
            by_steps[steps].append(name)
    groups = (f"{', '.join(able)} with steps={steps}" for steps, able in by_steps.items())
    return f"choose from {', or '.join(groups)}" if by_steps else ""


def _plain_choice(model: FoundModel, settings: Settings) -> str:
    """`choose from ddim, euler, and leave out scheduler.flags`; empty where that helps nothing."""
    changes = {"scheduler.flags": settings.scheduler.flags, "grid": settings.grid != "native"}
    scheduler = settings.scheduler.model_copy(update={"flags": {}})
    plain = settings.model_copy(update={"scheduler": scheduler, "grid": "native"})
    names = [name for name in SCHEDULERS if runs_instead(name, model, plain)]
    left_out = " and ".join(name for name, is_set in changes.items() if is_set)
    besides = f", and leave out {left_out}" if left_out else ""
    return f"choose from {', '.join(names)}{besides}" if names else ""


def runs_instead(name: str, model: FoundModel, settings: Settings) -> bool:
    """Whether a scheduler of the catalogue passes all checks in place of the one
    of the settings. Steps that fit no scheduler are told
    beside; the rest is checked with steps that do."""
    levels = next(iter(given_levels(settings.grid).values()), None)
    least = 2 if settings.grid == "matched" else 1
    steps = len(levels) if levels else max(min(settings.steps, model.train_timesteps), least)
    own: dict[str, Any] = (
        {"flags": {}} if settings.scheduler.base else {}
    )  # of a file that is not chosen then
    plain = {"name": name, "base": None, "class_": None, "family": None, **own}
    scheduler = settings.scheduler.model_copy(update=plain)
    given = settings.model_copy(update={"scheduler": scheduler, "steps": steps})
    return not scheduler_problems(model, given)
