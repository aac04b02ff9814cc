"""A grid of models whose files are not here: what is known of it before they are fetched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.tasks import WITH_INPUTS
from denoisebench.bench.plan.execution import same_fields
from denoisebench.bench.plan.fits import unfit
from denoisebench.bench.plan.own_scheduler import with_own_class
from denoisebench.bench.plan.wanted import (
    Place,
    absent_of_metrics,
    absent_of_model,
    fetch_command,
)
from denoisebench.bench.records.cell import kept
from denoisebench.bench.records.guidance import guidance_of
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.schedulers.catalogue import spec_of
from denoisebench.bench.schedulers.flags import asked
from denoisebench.bench.settings.job import Settings, check_settings, without_unset


@dataclass(frozen=True)
class SketchedCell:
    """A cell as the settings alone describe it."""

    name: str
    samples: int
    nfe: int | None  # None: known with the files alone
    passes: tuple[int, int] | None  # at least and at most, of one sample
    image_bytes: int | None  # of one sample


@dataclass(frozen=True)
class Sketch:
    """What a dry run can say without the files."""

    cells: list[SketchedCell]
    models: list[str]  # whose files are not here
    waits: list[str]  # for settings that a sweep needs, a line each
    places: list[Place]  # what `denoisebench fetch` would get
    commands: list[str]  # by which


def sketched(configs: Sequence[Mapping[str, Any]]) -> Sketch | None:
    """What is known of a grid; None where the files of all its models are here, and it can be
    planned. The hub is not asked.

    Raises UserError for settings that are wrong whatever the files hold, one a line.
    """
    filled = [without_unset(dict(config)) for config in configs]
    checked = [check_settings(config) for config, _ in filled]
    grid = [settings for settings, _ in checked if settings]
    missing = {s.model.model_dump_json(): s for s in grid if absent_of_model(s.model)}
    if not missing:
        return None
    problems = [line for _, lines in checked for line in lines]
    problems += [line for settings in grid for line in _problems(settings)]
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    grid = [with_own_class(settings) for settings in grid]
    cells = {settings.model_dump_json(): _cell(settings) for settings in grid}
    return Sketch(
        [*cells.values()],
        list(dict.fromkeys(settings.model.name for settings in missing.values())),
        list(dict.fromkeys(line for _, unset in filled for line in unset)),
        list(dict.fromkeys(place for settings in missing.values() for place in _places(settings))),
        list(dict.fromkeys(map(fetch_command, missing.values()))),
    )


def _problems(settings: Settings) -> Iterable[str]:
    try:
        return [*unfit(with_own_class(settings))]
    except UserError as error:
        return str(error).splitlines()


def _places(settings: Settings) -> Iterator[Place]:
    yield from absent_of_model(settings.model)
    yield from absent_of_metrics(settings.metrics)


def _cell(settings: Settings) -> SketchedCell:
    model = settings.model
    nfe = _nfe(settings)
    sides = (model.width, model.height)
    return SketchedCell(
        cell_name(_asked(settings)),
        settings.samples,
        nfe,
        None if nfe is None else _passes(settings, nfe),
        3 * sides[0] * sides[1] if sides[0] and sides[1] else None,
    )


def _asked(settings: Settings) -> dict[str, Any]:
    """Fields of the cell that settings of the same name hold, and those that name it."""
    model = settings.model
    own = model.call if model.call_of_files is None else model.call_of_files
    options = {name: value for name, value in model.call.items() if own.get(name) != value}
    return {
        **same_fields(settings),
        **guidance_of(settings, "").fields(),
        "options": kept("options", options),
        "model": model.name,
        "task": settings.task.name,
        "scheduler": asked(settings.scheduler).name,
        "strength": settings.strength if settings.task.name in WITH_INPUTS else 1.0,
    }


def _nfe(settings: Settings) -> int | None:
    """Evaluations; how many steps start from an image depends on the pipeline."""
    if settings.task.name in WITH_INPUTS and settings.strength < 1:
        return None
    return spec_of(settings.scheduler.of).expected_nfe(settings.steps)


def _passes(settings: Settings, nfe: int) -> tuple[int, int]:
    """Twice as many under guidance, which the form of an unknown pipeline decides."""
    form = settings.model.guidance_form
    if form is None:
        return nfe, (2 if settings.guidance else 1) * nfe
    passes = nfe * guidance_of(settings, form).passes
    return passes, passes
