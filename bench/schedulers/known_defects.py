"""Defects of diffusers' schedulers that `denoisebench verify` measured, by diffusers version.

A table, checked both ways: verify fails when it measures what is not listed, and when what is
listed is gone. Sweeps warn of those that they would hit.
"""

from collections.abc import Iterable

from denoisebench.bench.schedulers import defects_0_42
from denoisebench.bench.schedulers.known import Config, Known

_LEADING_BY_DEFAULT = ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler")
KNOWN = {"0.42.1": defects_0_42.DEFECTS}


def table_for(version: str) -> str:
    """The diffusers version whose table is used: the newest one measured where there is none."""
    return version if version in KNOWN else list(KNOWN)[-1]


def known_defects(version: str) -> tuple[Known, ...]:
    """The table that is used with a diffusers version."""
    return KNOWN[table_for(version)]


def warnings_for(
    scheduler: str, class_name: str, config: Config, *, steps: int, table: Iterable[Known]
) -> list[Known]:
    """Listed defects that a run would hit. config: the model's, with the scheduler's flags."""
    default = "leading" if class_name in _LEADING_BY_DEFAULT else "linspace"
    full, names = {"timestep_spacing": default, **config}, (scheduler, class_name)
    return [
        known
        for known in table
        if known.hits and known.is_about(names) and known.hits_at(full, steps)
    ]
