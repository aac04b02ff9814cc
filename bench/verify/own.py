"""A scheduler class of the user's own as a subject: checked, known by its relatives, tried once.

What it is made from says what it needs: a class of the catalogue *is* its entry, and one made from
such a class has that one's facts, until the user states others.
"""

import inspect
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import torch

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.plugins.functions import names_beside
from denoisebench.bench.plugins.modules import imported
from denoisebench.bench.schedulers.catalogue import CLASSES, SCHEDULERS, SchedulerSpec
from denoisebench.bench.schedulers.not_run import SAME_STEPS
from denoisebench.bench.schedulers.training import FAMILIES, family_of
from denoisebench.bench.verify.case import Case
from denoisebench.bench.verify.problems import BANDS
from denoisebench.bench.verify.subject import Subject

_METHODS = {  # what they are called with, by position
    "set_timesteps": ("num_inference_steps",),
    "step": ("model_output", "timestep", "sample"),
}
_TRIED_STEPS = 8


def own_subject(
    dotted: str, flags: dict[str, Any], *, called: str = "own.class_name", **stated: Any
) -> Subject:
    """The class that `package.module.Class` names, as a subject.

    called: the setting that names it. stated: facts of SchedulerSpec that the user gives; None is
    not given. Raises UserError when there is no such class, when it cannot be driven as diffusers'
    schedulers are, or when a fact is not so.
    """
    cls = checked_class(dotted, flags, called)
    facts = {name: value for name, value in stated.items() if value is not None}
    base = _base(cls)
    flags = flags or _usual_flags(base, facts.get("family"))
    relatives = _relatives(base, flags, facts.get("family"))
    same = [name for name in relatives if _is(base, cls) and SCHEDULERS[name].flags == flags]
    if same:
        return _entry(dotted, same[0], facts, called=called)
    made = _made_from(relatives, base or cls, flags)
    named = replace(made, class_name=cls.__name__, label=cls.__name__, **facts)
    return _tried(Subject(cls.__name__, named, dotted, tuple(relatives)), facts, called)


def checked_class(dotted: str, flags: Collection[str], called: str) -> Any:
    """The class of a name, imported. Raises UserError as own_subject does."""
    try:
        cls = imported(dotted)
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        if known := names_beside(dotted, error):
            raise UserError(f"{called}={dotted}: {known}") from error
        raise UserError(
            f"{called}={dotted}: cannot be imported ({first_line(error)}); "
            f"give package.module{':' if ':' in dotted else '.'}Class"
        ) from error
    lacks = [n for n in ("from_config", *_METHODS) if not callable(getattr(cls, n, None))]
    if not isinstance(cls, type) or lacks:
        raise UserError(
            f"{called}={dotted}: is no scheduler class of diffusers' kind; it lacks "
            f"{', '.join(lacks) or 'a class'}"
        )
    for name, arguments in _METHODS.items():
        signature = inspect.signature(getattr(cls, name))
        if not _can_be_called(signature, arguments):
            raise UserError(
                f"{called}={dotted}: {name}{_shown(signature)} cannot be called as "
                f"{name}({', '.join(arguments)}); give it these arguments first, and all others "
                "a default"
            )
    takes = inspect.signature(cls).parameters
    unknown = [name for name in flags if name not in takes]
    if unknown and not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in takes.values()):
        raise UserError(f"{_beside(called, 'flags')}: {dotted} takes no {', '.join(unknown)}")
    return cls


def _beside(called: str, name: str) -> str:
    """A setting in the same group."""
    return f"{called.rpartition('.')[0]}.{name}"


def _can_be_called(signature: inspect.Signature, arguments: tuple[str, ...]) -> bool:
    """Whether a method takes the arguments by position, none of them in another's place."""
    try:
        bound = signature.bind("self", *arguments).arguments
    except TypeError:
        return False
    return all(bound.get(name, name) == name for name in arguments)


def _shown(signature: inspect.Signature) -> str:
    """`(model_output, timestep, sample, generator)`."""
    return f"({', '.join(list(signature.parameters)[1:])})"


def _base(cls: Any) -> Any:
    """The class of the catalogue that a class is, is made from or takes the steps of, if any."""
    import diffusers

    names = [c.__name__ for c in cls.__mro__ if getattr(diffusers, c.__name__, None) == c]
    originals = [SAME_STEPS.get(name, name) for name in names]
    bases = [getattr(diffusers, name) for name in originals if name in CLASSES]
    return bases[0] if bases else None


def catalogue_class(cls: Any) -> str:
    """The name of the class of the catalogue that a class is, is made from or takes the steps of;
    empty where there is none."""
    base = _base(cls)
    return base.__name__ if base else ""


def _is(base: Any, cls: Any) -> bool:
    return base is not None and SAME_STEPS.get(cls.__name__, cls.__name__) == base.__name__


def _entries(base: Any, family: str | None) -> dict[str, SchedulerSpec]:
    """Entries of a class of the catalogue; of a family, where one is named."""
    return {
        name: spec
        for name, spec in SCHEDULERS.items()
        if base and spec.class_name == base.__name__ and family in (None, spec.family)
    }


def _usual_flags(base: Any, family: str | None) -> dict[str, Any]:
    """Those that a class is never run without: of its entry with the fewest."""
    return min((spec.flags for spec in _entries(base, family).values()), key=len, default={})


def _relatives(base: Any, flags: dict[str, Any], family: str | None) -> list[str]:
    """Entries whose flags are all set alike, the closest alone."""
    fits = {
        name: spec.flags.items()
        for name, spec in _entries(base, family).items()
        if spec.flags.items() <= flags.items()
    }
    return [name for name, has in fits.items() if not any(has < other for other in fits.values())]


def _entry(dotted: str, name: str, facts: dict[str, Any], *, called: str) -> Subject:
    """An entry of the catalogue by the name of its class."""
    spec = SCHEDULERS[name]
    for fact, value in facts.items():
        stated = getattr(spec, fact)
        if value != stated:
            raise UserError(
                f"{_beside(called, fact)}={value}: {dotted} is {name} of the catalogue, which "
                f"states {stated}; leave {_beside(called, fact)} out"
            )
    return Subject(name, spec, notes=(f"{dotted} is verified as {name} of the catalogue",))


def _made_from(relatives: list[str], cls: Any, flags: dict[str, Any]) -> SchedulerSpec:
    """Facts of the first relative; its order is not a fact of what is made from it."""
    if relatives:
        return replace(SCHEDULERS[relatives[0]], flags=flags, order=None)
    family = family_of(cls.__name__, flags)  # a class that is not known is a family by itself
    known = family if family in FAMILIES else "diffusion"
    return SchedulerSpec(cls.__name__, cls.__name__, flags=flags, family=known)


def _tried(subject: Subject, facts: dict[str, Any], called: str) -> Subject:
    """The subject with what two runs from one start show: whether the class adds noise."""
    noisy = _adds_noise(subject, called)
    if noisy is None:
        return subject
    if facts.get("stochastic", noisy) != noisy:
        saw = "differ" if noisy else "are equal"
        raise UserError(
            f"{_beside(called, 'stochastic')}={str(not noisy).lower()}: two runs of {subject.own} "
            f"from one start, with two seeds, {saw}; leave it out, or make it so"
        )
    order = None if noisy else subject.spec.order
    note = f"{subject.name} adds noise: two runs from one start, with two seeds, differ"
    spec = replace(subject.spec, stochastic=noisy, order=order)
    return replace(subject, spec=spec, notes=(note,) if noisy else ())


def _adds_noise(subject: Subject, called: str) -> bool | None:
    """None where it does not run, which the scan will say."""
    state = torch.get_rng_state()
    one, other = _runs_from_one_start(subject)
    torch.set_rng_state(state)
    for run in (one, other):
        if run.error and "prev_sample" in run.error:
            raise UserError(
                f"{called}={subject.own}: step returns no prev_sample ({run.error}); return "
                "diffusers' SchedulerOutput, or an object of that kind"
            )
    if not (one.trajectory and other.trajectory):
        return None
    return not torch.equal(one.trajectory.final, other.trajectory.final)


def _runs_from_one_start(subject: Subject) -> Iterator[Any]:
    path, grid = next(iter(subject.paths)), next(iter(subject.grids))
    case = Case(subject, path, grid, subject.paths[path].predictions[0])
    start = torch.ones(2, 1 + len(BANDS)).double()
    return (case.run(_TRIED_STEPS, start, seed=seed) for seed in (0, 1))
