"""A scheduler class held against closed-form truth, in the caller's process."""

import sys
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.interface.environment import kept_environment

if TYPE_CHECKING:
    import pandas as pd

    from denoisebench.bench.verify.subject import Subject


@dataclass(frozen=True, eq=False)
class Verification:
    """What was measured of a scheduler class and how it was judged."""

    record: dict[str, Any]  # the content of verify.json

    @property
    def passed(self) -> bool:
        """Whether every deviation is a listed defect of the installed diffusers, and none of the
        listed ones is gone."""
        from denoisebench.bench.verify.record import passed

        return passed(self.record)

    def frame(self) -> "pd.DataFrame":
        """A row for each judged number: path of noise, grid, prediction type, check, value, verdict
        (conforms, deviates or defect), where it was seen, the listed defect that it is of, empty
        for none, and whether that is inherited from the class of diffusers that a class of your
        own is made from."""
        import pandas as pd

        from denoisebench.reports.verify.tables import is_inherited

        summaries = {summary["name"]: summary for summary in self.record["schedulers"]}
        where = ("path", "grid", "prediction_type")
        rows = [
            {
                **{name: case[name] for name in where},
                **{"check": one["name"], "value": one["value"]},
                **{"verdict": one["verdict"], "note": one["note"], "known": one["known"]},
                "inherited": is_inherited(one, summaries[case["scheduler"]]),
            }
            for case in self.record["rows"]
            for one in case["checks"]
        ]
        numbers = ("check", "value", "verdict", "note", "known", "inherited")
        return pd.DataFrame(rows, columns=[*where, *numbers])

    def __repr__(self) -> str:
        """Whether it passed, what it inherits, and each deviation that is not listed in a line."""
        from denoisebench.reports.verify.tables import inheritance

        names = ", ".join(summary["name"] for summary in self.record["schedulers"])
        lines = [
            f"{one['path']}, {one['grid']}: {one['name']} {one['value']:.3g} {one['verdict']}"
            for one in self.record["new"]
        ]
        head = f"{names}: {'passed' if self.passed else 'deviates'}"
        return "\n".join([head, *self.record["notes"], *inheritance(self.record), *lines])


def verify(
    scheduler: type,
    *,
    flags: dict[str, Any] | None = None,
    order: int | None = None,
    evaluations: tuple[int, int] | None = None,
    period: int | None = None,
    stochastic: bool | None = None,
    family: str | None = None,
) -> Verification:
    """Measures a scheduler class of diffusers' kind: its order, noise levels, gains by scale of
    detail, every step count from 1 to 100. Takes seconds to half a minute on one core.

    flags: arguments of the class. The others are facts that you state of it, as own.… of the
    command line: its order of convergence, denoiser evaluations, whether it adds noise, its family
    (diffusion, flow, edm or consistency). Raises UserError for a class that cannot be driven as
    diffusers' schedulers are, and for a fact that is not so.
    """
    from denoisebench.bench.verify.record import make_record
    from denoisebench.bench.verify.verify import verify_case

    facts: dict[str, Any] = {"order": order, "evaluations": evaluations, "period": period}
    facts |= {"stochastic": stochastic, "family": family}
    with kept_environment():
        subject = _subject(scheduler, flags, facts)
        start = perf_counter()
        # One after the other: other processes could not import a class of a notebook.
        rows = [
            row
            for path in subject.paths
            for grid in subject.grids
            for row in verify_case(subject, path, grid)
        ]
        return Verification(make_record([subject], rows, perf_counter() - start))


def _subject(scheduler: type, flags: dict[str, Any] | None, facts: dict[str, Any]) -> "Subject":
    from pydantic import ValidationError

    from denoisebench.bench.settings.fields import config_problem
    from denoisebench.bench.verify.own import own_subject
    from denoisebench.bench.verify.settings import OwnSettings

    name = _dotted(scheduler)
    try:
        own = OwnSettings(class_name=name, flags=flags, **facts)
    except ValidationError as error:
        problems = [config_problem(item, OwnSettings) for item in error.errors()]
        raise UserError("\n".join(problems)) from error
    return own_subject(name, own.flags or {}, **own.model_dump(exclude={"class_name", "flags"}))


def _dotted(scheduler: type) -> str:
    """The name by which a class is imported."""
    if not isinstance(scheduler, type):
        raise UserError(f"{scheduler!r}: give a scheduler class, not an object of one")
    module, name = scheduler.__module__, scheduler.__qualname__
    if getattr(sys.modules.get(module), name, None) is not scheduler:
        raise UserError(
            f"{module}.{name}: define the class at the top level of a module or notebook"
        )
    return f"{module}.{name}"
