"""A scheduler class of the user's own as one of a sweep's schedulers."""

import inspect
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.plugins.entry_points import dotted_of
from denoisebench.bench.schedulers.catalogue import (
    CLASSES,
    SCHEDULERS,
    SIGMAS,
    ClassFacts,
    SchedulerSpec,
    add_own,
)
from denoisebench.bench.schedulers.own import PLAINEST, dotted_name, like, own_name, remember
from denoisebench.bench.schedulers.training import family_of
from denoisebench.bench.settings.job import SchedulerSettings, Settings

_STEPS = (6, 12, 24)  # of which timesteps are counted
_VP = ("epsilon", "v_prediction", "sample")  # prediction types


def with_own_class(settings: Settings) -> Settings:
    """The settings with a name for a class of the user's own, by which all that follows knows it; a
    class of the catalogue is its entry there.

    Raises UserError for what is no scheduler class, and for one whose family cannot be read off it.
    """
    scheduler = settings.scheduler
    if scheduler.class_ is None:
        return settings
    dotted = dotted_of("schedulers", scheduler.class_, called="scheduler.class")
    return settings.model_copy(update={"scheduler": _named(scheduler, dotted)})


def _named(scheduler: SchedulerSettings, dotted: str) -> SchedulerSettings:
    from denoisebench.bench.verify.own import checked_class  # imports torch

    cls = checked_class(dotted, scheduler.flags, "scheduler.class")
    entry, spec = _known(dotted, own_name(dotted, cls), cls, family=scheduler.family)
    if entry:
        plain = {"name": entry, "class_": None, "family": None}
        return scheduler.model_copy(update=plain)
    is_usual = scheduler.name in SCHEDULERS  # the config's own choice: it has no name yet
    name = cls.__name__ if is_usual else scheduler.name
    if name in SCHEDULERS:
        raise UserError(f"scheduler.class={dotted}: {name} is in the catalogue; give it a name")
    _add(name, replace(spec, label=name), cls)
    return scheduler.model_copy(update={"name": name})


def recall(class_name: str, flags: Mapping[str, Any], *, family: str | None) -> None:
    """Makes a class of the user's own known that a file names, where the process has imported it
    and its source is the one that was measured. Nothing is imported for what a file says.

    family: of the models that it was measured on, as the file says; None in files of before, where
    the class of the catalogue that it is made from tells. Raises UserError with the lines that go
    on from there.
    """
    from denoisebench.bench.verify.own import catalogue_class

    dotted = dotted_name(class_name)
    module, _, name = dotted.partition(":")
    cls, line = getattr(sys.modules.get(module), name, None), f"from {module} import {name}"
    if not isinstance(cls, type):
        raise UserError(f"{dotted} is a class of your own: `{line}` first, then apply sets it")
    if own_name(dotted, cls) != class_name:
        given = "".join(f", {flag}={value!r}" for flag, value in flags.items())
        raise UserError(
            f"the source of {dotted} has changed since it was measured: sweep it again, or set it "
            f"as it is now: `{line}; pipe.scheduler = {name}.from_config(pipe.scheduler.config"
            f"{given})`"
        )
    base = catalogue_class(cls)
    family = family or (family_of(base, flags) if base else None)
    if family is None:
        raise UserError(
            f"{dotted}: the file does not say on which family of models it was measured; the same "
            "sweep again writes it anew, and generates nothing"
        )
    if family not in {*PLAINEST, *_families(cls, base)}:
        raise UserError(
            f"{dotted}: drives no {family} models; `denoisebench report RUN` writes the file anew"
        )
    _, spec = _known(dotted, class_name, cls, family=family)
    _add(class_name, spec, cls)


def _add(name: str, spec: SchedulerSpec, cls: Any) -> None:
    """Makes a scheduler of the user's own known by its name; of a class that drives several
    families, the last."""
    from denoisebench.bench.verify.own import catalogue_class

    remember(spec.class_name, cls, base=catalogue_class(cls), family=spec.family)
    add_own(name, spec, _facts(spec, cls))


@cache
def _known(dotted: str, name: str, cls: Any, *, family: str | None) -> tuple[str, SchedulerSpec]:
    """The entry of the catalogue that a class is, else empty; and what it can do."""
    from denoisebench.bench.verify.own import catalogue_class, own_subject

    base = catalogue_class(cls)
    family = family or _family_of(dotted, cls, base)
    subject = own_subject(dotted, {}, called="scheduler.class", family=family)
    if not subject.own:
        return subject.name, subject.spec
    remember(name, cls, base=base, family=family)
    evaluations = _evaluations(_built(dotted, subject), subject.spec)
    return "", replace(subject.spec, class_name=name, evaluations=evaluations)


def _families(cls: Any, base: str) -> list[str]:
    """The families that a class drives, its usual one first, by what it is made from or by its
    arguments; none where these do not tell."""
    if base:
        return sorted({spec.family for spec in SCHEDULERS.values() if spec.class_name == base})
    arguments = set(inspect.signature(cls).parameters)
    if arguments & {"beta_start", "beta_schedule", "trained_betas"}:
        return ["diffusion"]
    return ["flow"] if "shift" in arguments else []


def _family_of(dotted: str, cls: Any, base: str) -> str:
    """The usual family of a class. Raises UserError where nothing tells it."""
    if families := _families(cls, base):
        return families[0]
    raise UserError(
        f"scheduler.class={dotted}: its arguments do not tell which models it drives; give "
        "scheduler.family=diffusion or scheduler.family=flow"
    )


def _built(dotted: str, subject: Any) -> Any:
    """A scheduler object. Raises UserError where it cannot be made, or does not tell its levels."""
    path = next(iter(subject.paths.values()))
    try:
        scheduler = subject.build(path, next(iter(subject.grids)), path.predictions[0])
    except Exception as error:  # each class has its own ways to say no
        raise UserError(
            f"scheduler.class={dotted}: cannot be made ({first_line(error)}); give its arguments "
            "defaults, and decorate __init__ with diffusers' register_to_config"
        ) from error
    if not hasattr(getattr(scheduler, "config", None), "num_train_timesteps"):
        raise UserError(
            f"scheduler.class={dotted}: its config has no num_train_timesteps; make it an argument"
        )
    if path.family == "diffusion" and not hasattr(scheduler, "alphas_cumprod"):
        raise UserError(
            f"scheduler.class={dotted}: has no alphas_cumprod, off which noise levels are read; "
            "set it in __init__ as diffusers' schedulers do"
        )
    return scheduler


def _evaluations(scheduler: Any, spec: SchedulerSpec) -> tuple[int, int]:
    """(a, b), where N steps have a N + b timesteps; those of the spec where they grow otherwise."""
    counts = []
    for steps in _STEPS:
        try:
            scheduler.set_timesteps(steps)
            counts.append(len(scheduler.timesteps))
        except Exception:  # said where a run of so many steps is tried
            return spec.evaluations
    slope, rest = divmod(counts[1] - counts[0], _STEPS[1] - _STEPS[0])
    offset = counts[0] - slope * _STEPS[0]
    fits = rest == 0 and slope > 0 and counts[2] == slope * _STEPS[2] + offset
    return (slope, offset) if fits else spec.evaluations


def _facts(spec: SchedulerSpec, cls: Any) -> ClassFacts:
    """Facts of the class that it is made from, else what its arguments say."""
    base = like(spec.class_name)
    if any(made_from.__name__ == base for made_from in cls.__mro__):
        return CLASSES[base]
    arguments = inspect.signature(cls).parameters
    levels = inspect.signature(cls.set_timesteps).parameters
    seeded = spec.stochastic and "generator" in inspect.signature(cls.step).parameters
    return ClassFacts(
        solver="of the user's own",
        predicts=_predicts(spec.family, arguments),
        honours=tuple(kind for kind in SIGMAS if f"use_{kind}_sigmas" in arguments),
        takes=tuple(name for name in ("timesteps", "sigmas") if name in levels),
        seeded_by="generator" if seeded else "",
    )


def _predicts(family: str, arguments: Collection[str]) -> tuple[str, ...]:
    """Prediction types that a class reads: of noise, where it has no argument for others."""
    if family == "flow":
        return ("flow_prediction",)
    return _VP if "prediction_type" in arguments else _VP[:1]
