"""What is verified: a scheduler class with its flags, and the grids and paths it takes."""

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.schedulers.catalogue import SchedulerSpec, scheduler_class, scheduler_from
from denoisebench.bench.verify.paths import PATHS, Path

SPACINGS = ("trailing", "linspace", "leading")
CONFIGURED = "as configured"  # the scheduler's own flags choose the grid
_METHODS = ("from_config", "set_timesteps", "step")
_SIGMA_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
# Off, whatever the class's default: they change samples and are no part of the solver.
_NO_CLIPPING = {"clip_sample": False, "thresholding": False}


@dataclass(frozen=True)
class Subject:
    """A scheduler as the catalogue or the user describes it."""

    name: str
    spec: SchedulerSpec
    own: str = ""  # package.module.Class of the user's, empty for one of diffusers

    @cached_property
    def scheduler_class(self) -> Any:
        return _imported(self.own) if self.own else scheduler_class(self.spec.class_name)

    @cached_property
    def aliases(self) -> tuple[str, ...]:
        """Names that the table of known defects may use for it: its name in the catalogue, and the
        diffusers classes that it is or is made from."""
        bases = [c.__name__ for c in self.scheduler_class.__mro__ if "diffusers" in c.__module__]
        return tuple(bases) if self.own else (self.name, *bases)

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
            yield CONFIGURED, {}
            return
        if "timestep_spacing" in takes and "timestep_spacing" not in flags:
            for spacing in SPACINGS:
                yield spacing, {"timestep_spacing": spacing}
        else:
            yield "native", {}
        for flag in _SIGMA_FLAGS:
            if flag in takes:
                yield flag.split("_")[1], {flag: True}
        if "sigma_schedule" in takes:
            yield "exponential", {"sigma_schedule": "exponential"}


def own_subject(dotted: str, flags: dict[str, Any], **facts: Any) -> Subject:
    """The class that `package.module.Class` names, as a subject.

    Raises UserError when there is none, or when it lacks the methods of diffusers' schedulers.
    """
    try:
        imported = _imported(dotted)
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        message = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise UserError(
            f"own.class_name={dotted}: cannot be imported ({message}); give package.module.Class"
        ) from error
    lacks = [name for name in _METHODS if not callable(getattr(imported, name, None))]
    if not isinstance(imported, type) or lacks:
        raise UserError(
            f"own.class_name={dotted}: is no scheduler class of diffusers' kind; it lacks "
            f"{', '.join(lacks) or 'a class'}"
        )
    takes = inspect.signature(imported).parameters
    unknown = [name for name in flags if name not in takes]
    if unknown and not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in takes.values()):
        raise UserError(f"own.flags: {dotted} takes no {', '.join(unknown)}")
    name = dotted.rpartition(".")[2]
    return Subject(name, SchedulerSpec(name, name, flags=flags, **facts), dotted)


def _imported(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)
