"""What is verified: a scheduler class with its flags, and the grids and paths it takes."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from denoisebench.bench.plugins.modules import imported
from denoisebench.bench.schedulers.catalogue import (
    CLASSES,
    SchedulerSpec,
    scheduler_class,
    scheduler_from,
)
from denoisebench.bench.schedulers.not_run import SAME_STEPS
from denoisebench.bench.verify.paths import PATHS, Path

SPACINGS = ("trailing", "linspace", "leading")
NATIVE = "native"
CONFIGURED = "as configured"  # the scheduler's own flags choose a grid that has no other name
_SIGMA_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
# Off, whatever the class's default: they change samples and are no part of the solver.
_NO_CLIPPING = {"clip_sample": False, "clip_denoised": False, "thresholding": False}


@dataclass(frozen=True)
class Subject:
    """A scheduler as the catalogue or the user describes it."""

    name: str
    spec: SchedulerSpec
    own: str = ""  # package.module.Class of the user's, empty for one of diffusers
    relatives: tuple[str, ...] = ()  # entries of the catalogue that one of the user's is made from
    notes: tuple[str, ...] = ()  # what a user should know of how it is verified

    @cached_property
    def scheduler_class(self) -> Any:
        return imported(self.own) if self.own else scheduler_class(self.spec.class_name)

    @cached_property
    def aliases(self) -> tuple[str, ...]:
        """Names that the table of known defects may use for it: its name in the catalogue or those
        of its relatives, and the diffusers classes that it is or is made from."""
        return (*(self.relatives if self.own else (self.name,)), *sorted(self.classes))

    @cached_property
    def classes(self) -> set[str]:
        """Names of the diffusers classes that it is or is made from."""
        bases = self.scheduler_class.__mro__
        return {base.__name__ for base in bases if base.__module__.startswith("diffusers.")}

    @cached_property
    def made_from(self) -> str:
        """The nearest class of diffusers that one of the user's own is made from, whose defects it
        inherits; empty where there is none."""
        nearest = next(filter(_is_run, self.scheduler_class.__mro__), self.scheduler_class)
        return "" if nearest is self.scheduler_class else nearest.__name__

    @property
    def paths(self) -> dict[str, Path]:
        """Paths of noise that it can drive, by name, the usual one first."""
        fit = {name: path for name, path in PATHS.items() if path.family == self.spec.family}
        return {name: path for name, path in fit.items() if name != "zero_snr" or self._zero_snr}

    @cached_property
    def grids(self) -> dict[str, dict[str, Any]]:
        """Flags by name of the grid, the usual one first."""
        return dict(self._grids())

    def load(self) -> None:
        """Imports the class with its library."""
        _ = self.scheduler_class

    def build(self, path: Path, grid: str, prediction_type: str) -> Any:
        """A fresh scheduler."""
        config = {**path.config, **_NO_CLIPPING, **self.grids[grid]}
        if self.spec.family == "diffusion":
            config["prediction_type"] = prediction_type
        known = {name: value for name, value in config.items() if name in {*self._takes, "shift"}}
        return scheduler_from(self.scheduler_class, self.spec.flags, known)

    @property
    def _zero_snr(self) -> bool:
        return "rescale_betas_zero_snr" in self._takes

    @cached_property
    def _takes(self) -> set[str]:
        return set(inspect.signature(self.scheduler_class.__init__).parameters)

    def _grids(self) -> Iterator[tuple[str, dict[str, Any]]]:
        takes, flags = self._takes, self.spec.flags
        if any(flags.get(flag) for flag in (*_SIGMA_FLAGS, "use_flow_sigmas")):
            chosen = [flag for flag in _SIGMA_FLAGS if flags.get(flag)]
            yield chosen[0].split("_")[1] if len(chosen) == 1 else CONFIGURED, {}
            return
        if "timestep_spacing" in takes and "timestep_spacing" not in flags:
            for spacing in SPACINGS:
                yield spacing, {"timestep_spacing": spacing}
        else:
            yield NATIVE, {}
        for flag in _SIGMA_FLAGS:
            if flag in takes:
                yield flag.split("_")[1], {flag: True}
        if "sigma_schedule" in takes:
            yield "exponential", {"sigma_schedule": "exponential"}


def _is_run(cls: type) -> bool:
    """Whether a class is a scheduler of diffusers that is verified, or takes the steps of one."""
    is_there = cls.__name__ in CLASSES or cls.__name__ in SAME_STEPS
    return is_there and cls.__module__.startswith("diffusers.")
