"""Whether a scheduler is what the model was trained with, and runs at all: by making it, and a
trajectory of a made-up network."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from denoisebench.bench.errors import first_line
from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.plan.fits import unsupported
from denoisebench.bench.plan.job import Job
from denoisebench.bench.plan.scheduler_fits import scheduler_misfits
from denoisebench.bench.records.names import counted
from denoisebench.bench.remembered import remembered
from denoisebench.bench.schedulers.catalogue import SchedulerSpec, spec_of
from denoisebench.bench.schedulers.flags import flag_problems
from denoisebench.bench.schedulers.grids import build_scheduler
from denoisebench.bench.schedulers.own import dotted_name, is_own
from denoisebench.bench.schedulers.reason import Reason
from denoisebench.bench.schedulers.training import (
    Difference,
    differences,
    own_scheduler,
    training_of,
)
from denoisebench.bench.schedulers.trial import failure, repeats
from denoisebench.bench.settings.job import Settings


def cell_problems(model: FoundModel, settings: Settings) -> list[Reason]:
    """Why a cell cannot be run. The first kind of reason that there is makes the others moot."""
    of_model = [Reason(text) for text in unsupported(model, settings)]
    if of_model:
        return [*of_model, *scheduler_misfits(model, settings)]
    return scheduler_problems(model, settings)


def scheduler_problems(model: FoundModel, settings: Settings) -> list[Reason]:
    """Why a cell cannot be run by its scheduler, the first kind of reason that there is."""
    return next((reasons for reasons in _problems(model, settings) if reasons), [])


def _problems(model: FoundModel, settings: Settings) -> Iterator[list[Reason]]:
    config = json.loads(model.scheduler_config)
    yield list(scheduler_misfits(model, settings))
    if settings.scheduler.flags:
        yield list(flag_problems(settings.scheduler, config, settings.steps, grid=settings.grid))
    yield list(training_problems(model, settings))
    yield list(run_problems(model, settings))


def training_problems(model: FoundModel, settings: Settings) -> Iterator[Reason]:
    """Differences of a scheduler from the model's own, without those that flags ask for."""
    scheduler = settings.scheduler
    unlike = _differences(scheduler.of, scheduler.flags, model, grid=settings.grid)
    if isinstance(unlike, str):
        text = f"scheduler={scheduler.of}: cannot be made for {settings.model.name}: {unlike}"
        yield Reason(text, by_scheduler=True)
        return
    left = _not_asked_for(unlike, scheduler.flags)
    if left:
        texts = "; ".join(difference.text for difference in left)
        yield Reason(
            f"scheduler={scheduler.of}: {settings.model.name}: {texts}",
            by_scheduler=True,
            besides=_insisting(left),
        )


def unlike_training(jobs: Sequence[Job]) -> Iterator[str]:
    """Differences of schedulers from what their model was trained with, as flags ask."""
    texts = {
        f"{job.entry.cell.scheduler}: {job.settings.model.name}: {text}"
        for job in jobs
        for text in _asked_differences(job.model, job.settings)
    }
    yield from sorted(texts)


def _asked_differences(model: FoundModel, settings: Settings) -> list[str]:
    """What the user's flags change of the model's own training."""
    scheduler = settings.scheduler
    unlike = _differences(scheduler.of, scheduler.flags, model, grid=settings.grid)
    return [] if isinstance(unlike, str) else [difference.text for difference in unlike]


def run_problems(model: FoundModel, settings: Settings) -> Iterator[Reason]:
    """Why a run would fail or end in no numbers."""
    scheduler = settings.scheduler
    spec = spec_of(scheduler.of)
    reason = failure(
        spec.class_name,
        json.dumps({**spec.flags, **scheduler.flags}),
        model.scheduler_config,
        steps=settings.steps,
        grid=settings.grid,
        variance=model.variance,
        channels=model.channels,
    )
    if reason is None and is_own(spec.class_name) and not _repeats(spec, model, settings):
        yield Reason(
            f"scheduler={scheduler.of}: adds noise that does not come from the generator that its "
            "step is given, so that a sample would not be the same again; draw it by diffusers' "
            "randn_tensor(…, generator=generator)"
        )
    if reason is not None:
        yield Reason(
            f"scheduler={scheduler.of}: {settings.model.name}: fails at "
            f"{counted(settings.steps, 'step')}: {reason}{_own_cure(spec)}",
            by_scheduler=not is_own(spec.class_name),
            besides=", or give another number of steps",
        )


def _own_cure(spec: SchedulerSpec) -> str:
    """What mends a class of the user's own, for which no other scheduler stands in."""
    if not is_own(spec.class_name):
        return ""
    return (
        f"; look at step and set_timesteps of {dotted_name(spec.class_name)}, "
        f"`denoisebench verify own.class_name={dotted_name(spec.class_name)}` shows where it "
        "deviates"
    )


def _repeats(spec: SchedulerSpec, model: FoundModel, settings: Settings) -> bool:
    laid = json.dumps({**spec.flags, **settings.scheduler.flags})
    return repeats(
        spec.class_name, laid, model.scheduler_config, steps=settings.steps, grid=settings.grid
    )


def _differences(
    name: str, flags: dict[str, Any], model: FoundModel, *, grid: str
) -> tuple[Difference, ...] | str:
    spec = spec_of(name)
    laid = json.dumps({**spec.flags, **flags}, sort_keys=True)
    try:
        unlike = _compared(spec.class_name, laid, model.scheduler_config, grid=grid)
    except Exception as error:  # each class has its own ways to say no
        return first_line(error)
    return tuple(Difference(text, tuple(flags)) for text, flags in unlike)


@remembered
def _compared(
    class_name: str, flags: str, config: str, *, grid: str
) -> list[tuple[str, tuple[str, ...]]]:
    """All differences from the model's own scheduler, as text and flags. Raises what a class says
    that cannot be made."""
    own_config = json.loads(config)
    own = own_scheduler(own_config)
    built = build_scheduler(class_name, json.loads(flags), own_config, grid=grid)
    if own is None:
        return [("the model's own scheduler is no class of diffusers", ())]
    unlike = differences(training_of(own), training_of(built))
    return [(difference.text, difference.flags) for difference in unlike]


def _not_asked_for(unlike: Collection[Difference], flags: Collection[str]) -> list[Difference]:
    return [difference for difference in unlike if not set(difference.flags) & set(flags)]


def _insisting(left: Collection[Difference]) -> str:
    """The flags by which a user can have the differences; empty where one has none."""
    if not all(difference.flags for difference in left):
        return ""
    flags = " ".join(f"scheduler.flags.{difference.flags[0]}=false" for difference in left)
    return f", or ask for the difference: {flags}"
