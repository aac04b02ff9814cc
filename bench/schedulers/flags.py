"""Flags that a sweep lays over a scheduler: checked, then reduced to what they change.

A flag is an argument of the scheduler's class. What it changes is measured on a made-up network in
milliseconds, since many have an effect in some company alone.
"""

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.errors import first_line, suggestion
from denoisebench.bench.records.names import counted
from denoisebench.bench.schedulers.catalogue import (
    SCHEDULERS,
    SIGMAS,
    SchedulerSpec,
    class_facts,
    flags_text,
    laid_over,
    of_the_model,
    spec_of,
)
from denoisebench.bench.schedulers.catalogue import scheduler_class as class_of
from denoisebench.bench.schedulers.grids import build_scheduler
from denoisebench.bench.schedulers.reason import Reason
from denoisebench.bench.schedulers.training import SWITCHES
from denoisebench.bench.schedulers.trial import trial
from denoisebench.bench.settings.job import SchedulerSettings

Flags = dict[str, Any]
_SIGMA_FLAGS = {f"use_{kind}_sigmas": kind for kind in SIGMAS}
_OF_THE_MODEL = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
)
_LEAVE_OUT = "leave it out"
# It cuts to a range that the answers of the made-up network do not leave.
_UNSEEN = ("clip_denoised",)
_PROBE_STEPS = (6, 24)  # some flags act on few steps alone, others take a few


@dataclass(frozen=True)
class FlaggedScheduler:
    """A scheduler as it is run."""

    base: str  # name in the catalogue
    name: str  # that rows show: dpmpp_2m+solver_order=3, or the user's own
    flags: Flags  # all that are laid over the model's config


def asked(scheduler: SchedulerSettings) -> FlaggedScheduler:
    """The scheduler as the settings name it, whatever runs alike."""
    base = scheduler.of
    flags = {**spec_of(base).flags, **scheduler.flags}
    if scheduler.base:
        return FlaggedScheduler(base, scheduler.name, flags)
    return FlaggedScheduler(base, _with_flags(base, scheduler.flags), flags)


def chosen(scheduler: SchedulerSettings, config: Flags) -> FlaggedScheduler:
    """The nearest entry of the catalogue, with the flags by which the settings differ from it.

    So schedulers that run alike have one name. config: of the model's own scheduler.
    """
    spec, choice = spec_of(scheduler.of), asked(scheduler)
    if not scheduler.flags:
        return FlaggedScheduler(choice.base, choice.base, choice.flags)
    wanted = _arguments(spec, scheduler.flags, config)
    differences = {
        name: _difference(wanted, _arguments(other, {}, config))
        for name, other in {**SCHEDULERS, scheduler.of: spec}.items()
        if (other.class_name, other.kind) == (spec.class_name, spec.kind)
    }
    base = min(differences, key=lambda name: len(differences[name]))
    flags = {**differences[base], **_done_without(scheduler.flags, wanted, config)}
    name = choice.name if scheduler.base and flags else _with_flags(base, flags)
    return FlaggedScheduler(base, name, {**spec_of(base).flags, **flags})


def flag_problems(
    scheduler: SchedulerSettings, config: Flags, steps: int, *, grid: str
) -> Iterator[Reason]:
    """Why flags cannot be used, each with its cure. config: of the model's own scheduler."""
    spec, flags = spec_of(scheduler.of), scheduler.flags
    before = _arguments(spec, {}, config)
    changed = {name: value for name, value in flags.items() if not _is_so(name, value, before)}
    unfit = [reason for flag in changed for reason in _unfit(flag, scheduler.of, before)]
    if not unfit:
        unfit = list(_refused(spec, scheduler.of, {**spec.flags, **flags}, config=config))
    if not unfit:
        unfit = list(_failing(spec, scheduler.of, flags, config=config, steps=steps, grid=grid))
    if not unfit:
        unfit = [
            Reason(
                f"scheduler.flags.{flag}={json.dumps(flags[flag])}: changes nothing of "
                f"{scheduler.of} with grid={grid}, at {counted(steps, 'step')} or others; "
                f"{_LEAVE_OUT}"
            )
            for flag in changed
            if flag not in _UNSEEN
            and not any(
                _has_effect(spec, flags, flag, config=config, steps=n, grid=grid)
                for n in dict.fromkeys((*_PROBE_STEPS, steps))
            )
        ]
    yield from unfit


def _with_flags(name: str, flags: Flags) -> str:
    return f"{name}+{flags_text(flags)}" if flags else name


def _arguments(spec: SchedulerSpec, flags: Flags, config: Flags) -> Flags:
    """Every argument that an object is made with: flags over the model's config over defaults."""
    given = {**of_the_model(config), **laid_over(spec.class_name, {**spec.flags, **flags}, config)}
    parameters = inspect.signature(class_of(spec.class_name)).parameters
    return {name: given.get(name, known.default) for name, known in parameters.items()}


def _difference(wanted: Flags, other: Flags) -> Flags:
    return {name: value for name, value in wanted.items() if value != other[name]}


def _done_without(flags: Flags, arguments: Flags, config: Flags) -> Flags:
    """Flags by which the user agrees to a class that does not do what the model's own does."""
    own = of_the_model(config)
    return {
        name: value
        for name, value in flags.items()
        if name in SWITCHES and name not in arguments and own.get(name)
    }


def _is_so(flag: str, value: Any, arguments: Flags) -> bool:
    """Whether a flag has that value anyway. Sigmas and cutting that a class lacks are off."""
    off = (flag in _SIGMA_FLAGS or flag in SWITCHES) and value is False
    return arguments[flag] == value if flag in arguments else off


def _unfit(flag: str, name: str, arguments: Flags) -> Iterator[Reason]:
    spec, where = spec_of(name), f"scheduler.flags.{flag}"
    if flag == "use_flow_sigmas":
        text = f"{where}: makes another scheduler, for flow models"
        yield Reason(text, by_scheduler=True, otherwise=_LEAVE_OUT)
    elif flag in _OF_THE_MODEL:
        yield Reason(
            f"{where}: says what a model was trained on, not how it is sampled; "
            "it belongs to the scheduler config of the model"
        )
    elif flag == "skip_prk_steps":
        yield Reason(f"{where}: changes how many evaluations a step has; {_LEAVE_OUT}")
    elif flag in _SIGMA_FLAGS and _SIGMA_FLAGS[flag] not in class_facts(spec.class_name).honours:
        text = f"scheduler={name}: takes no notice of {flag}"
        yield Reason(text, by_scheduler=True, otherwise=_LEAVE_OUT)
    elif flag not in arguments:
        cure = suggestion(flag, arguments)
        yield Reason(f"{where}: {spec.class_name} has no such argument; {cure}")


def _refused(spec: SchedulerSpec, name: str, flags: Flags, *, config: Flags) -> Iterator[Reason]:
    """Why the class itself refuses the flags."""
    arguments = _arguments(spec, flags, config)
    on = [kind for flag, kind in _SIGMA_FLAGS.items() if arguments.get(flag)]
    if len(on) > 1:
        text = f"scheduler={name}: has {' and '.join(on)} sigmas at once; leave one of them on"
        yield Reason(text)
        return
    try:
        build_scheduler(spec.class_name, flags, config)
    except Exception as error:  # each class has its own ways to say no
        text = f"{spec.class_name} refuses {flags_text(flags)}: {first_line(error)}"
        yield Reason(f"scheduler={name}: {text}")


def _failing(
    spec: SchedulerSpec, name: str, flags: Flags, *, config: Flags, steps: int, grid: str
) -> Iterator[Reason]:
    """The error of a run with the flags, where a run without them ends well."""
    ends = [
        trial(
            spec.class_name,
            json.dumps({**spec.flags, **some}),
            json.dumps(config),
            steps=steps,
            grid=grid,
        )
        for some in (flags, {})
    ]
    if isinstance(ends[0], str) and not isinstance(ends[1], str):
        where = f"{flags_text(flags)} at {counted(steps, 'step')}"
        text = f"{spec.class_name} fails with {where}: {ends[0]}"
        yield Reason(f"scheduler={name}: {text}")


def _has_effect(
    spec: SchedulerSpec, flags: Flags, flag: str, *, config: Flags, steps: int, grid: str
) -> bool:
    """Whether a trajectory differs from the one with the other flags alone."""
    without = {name: value for name, value in flags.items() if name != flag}
    ends = [
        trial(
            spec.class_name,
            json.dumps({**spec.flags, **some}),
            json.dumps(config),
            steps=steps,
            grid=grid,
        )
        for some in (flags, without)
    ]
    return isinstance(ends[0], str) or ends[0] != ends[1]
