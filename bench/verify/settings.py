"""The composed config of `denoisebench verify`, checked."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from denoisebench.bench.errors import UserError, suggestion
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.settings.fields import config_problem
from denoisebench.bench.settings.job import SchedulerSettings
from denoisebench.bench.verify.subject import Subject, own_subject

_Count = Annotated[int, Field(strict=True, ge=1)]


class OwnSettings(BaseModel):
    """A class of the user's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_name: Annotated[str, Field(min_length=1)] | None
    flags: dict[str, Any] | None
    order: _Count | None
    evaluations: tuple[_Count, int]
    period: _Count
    stochastic: bool
    family: Literal["diffusion", "flow", "edm"]


class VerifySettings(BaseModel):
    """What to verify and where to write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheduler: SchedulerSettings
    own: OwnSettings
    out: Annotated[str, Field(min_length=1)]


def what_to_verify(configs: Iterable[dict]) -> tuple[list[Subject], Path]:
    """The subjects, each once, and the folder to write to. Raises UserError with all problems."""
    settings, problems = [], []
    for config in configs:
        try:
            settings.append(VerifySettings(**config))
        except ValidationError as error:
            problems += [config_problem(item) for item in error.errors()]
    problems += [
        f"scheduler={one.scheduler.name}: unknown; {suggestion(one.scheduler.name, SCHEDULERS)}"
        for one in settings
        if one.scheduler.name not in SCHEDULERS and not one.scheduler.base
    ]
    problems += [
        f"scheduler={one.scheduler.name}: verify takes schedulers of the catalogue and measures "
        f"their kinds of sigmas by itself; for other flags give own.class_name and own.flags"
        for one in settings
        if one.scheduler.base or one.scheduler.flags
    ]
    if len({one.out for one in settings}) > 1:
        problems.append("out: name one folder")
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    owns = {one.own.class_name: one.own for one in settings if one.own.class_name}
    subjects = [_own(own) for own in owns.values()]
    names = dict.fromkeys(one.scheduler.name for one in settings)
    return subjects or [Subject(n, SCHEDULERS[n]) for n in names], Path(settings[0].out)


def _own(own: OwnSettings) -> Subject:
    facts = own.model_dump(exclude={"class_name", "flags"})
    return own_subject(str(own.class_name), own.flags or {}, **facts)
