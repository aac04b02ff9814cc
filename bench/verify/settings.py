"""The composed config of `denoisebench verify`, checked."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from denoisebench.bench.caches.catalogue import CACHES, NONE
from denoisebench.bench.errors import UserError, suggestion
from denoisebench.bench.plugins.entry_points import dotted_of
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.schedulers.other_names import unknown_scheduler
from denoisebench.bench.settings.fields import config_problem
from denoisebench.bench.settings.job import SchedulerSettings
from denoisebench.bench.verify.own import own_subject
from denoisebench.bench.verify.subject import Subject

_Count = Annotated[int, Field(strict=True, ge=1)]


class OwnSettings(BaseModel):
    """A scheduler class of the user's own, and its facts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_name: Annotated[str, Field(min_length=1)] | None
    flags: dict[str, Any] | None
    order: _Count | None
    evaluations: tuple[_Count, int] | None
    period: _Count | None
    stochastic: bool | None
    family: Literal["diffusion", "flow", "edm", "consistency"] | None


class VerifySettings(BaseModel):
    """What to verify and where to write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheduler: SchedulerSettings
    own: OwnSettings
    caches: str | None
    out: Annotated[str, Field(min_length=1)]


def caches_to_verify(configs: Sequence[dict[str, Any]]) -> tuple[list[str], Path]:
    """Names of the caches that the configs ask for, each once, and the folder to write to."""
    names = list(dict.fromkeys(str(config["caches"]) for config in configs))
    if "all" in names:
        names = [name for name in CACHES if name != NONE]
    for name in names:
        if name not in CACHES or name == NONE:
            known = {"all", *CACHES} - {NONE}
            raise UserError(f"cache={name}: nothing to verify; {suggestion(name, known)}")
    if len({config["out"] for config in configs}) > 1:
        raise UserError("out: name one folder")
    return names, Path(str(configs[0]["out"]))


def what_to_verify(configs: Iterable[dict[str, Any]]) -> tuple[list[Subject], Path]:
    """The subjects, each once, and the folder to write to. Raises UserError with all problems."""
    settings, problems = [], []
    for config in configs:
        try:
            settings.append(VerifySettings(**config))
        except ValidationError as error:
            problems += [config_problem(item, VerifySettings) for item in error.errors()]
    schedulers = [config.scheduler for config in settings]
    problems += [
        f"scheduler={chosen.name}: unknown; {unknown_scheduler(chosen.name, SCHEDULERS)}"
        for chosen in schedulers
        if chosen.name not in SCHEDULERS and not (chosen.base or chosen.class_)
    ]
    problems += [
        f"scheduler={chosen.name}: verify takes schedulers of the catalogue and measures "
        f"their kinds of sigmas by itself; for other flags give own.class_name and own.flags"
        for chosen in schedulers
        if (chosen.base or chosen.flags) and not chosen.class_
    ]
    if len({config.out for config in settings}) > 1:
        problems.append("out: name one folder")
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    classes = {config.own.class_name: config.own for config in settings if config.own.class_name}
    subjects = [_own_subject(of_user) for of_user in classes.values()]
    subjects += [_as_in_a_sweep(chosen) for chosen in schedulers if chosen.class_]
    names = dict.fromkeys(chosen.name for chosen in schedulers if not chosen.class_)
    plain = [Subject(name, SCHEDULERS[name]) for name in names] if not classes else []
    return [*plain, *subjects], Path(settings[0].out)


def _as_in_a_sweep(chosen: SchedulerSettings) -> Subject:
    """The class of a scheduler as a sweep names it."""
    dotted = dotted_of("schedulers", str(chosen.class_), called="scheduler.class")
    return own_subject(dotted, chosen.flags, called="scheduler.class", family=chosen.family)


def _own_subject(of_user: OwnSettings) -> Subject:
    facts = of_user.model_dump(exclude={"class_name", "flags"})
    return own_subject(str(of_user.class_name), of_user.flags or {}, **facts)
