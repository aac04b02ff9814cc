"""One combination that is verified, and its runs, whose failures are results."""

import warnings
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from denoisebench.bench.verify.budget import Budget, OutOfTime
from denoisebench.bench.verify.draws import ExactDraws, start
from denoisebench.bench.verify.paths import Path
from denoisebench.bench.verify.problems import BANDS, Distilled, Problem, bands
from denoisebench.bench.verify.subject import Subject
from denoisebench.bench.verify.trajectory import Drive, Trajectory, follow

# They take the network's output for a sample, so they are given one: the end of the exact flow.
_CONSISTENCY_SAMPLERS = {
    "LCMScheduler",
    "FlowMatchLCMScheduler",
    "CMStochasticIterativeScheduler",
}
_PLAIN = (str, int, float, bool)
DATA = bands()
TWO = torch.tensor([[0.0], [1.0]]).double().expand(2, 1 + len(BANDS))


@dataclass(frozen=True)
class Run:
    """The trajectory of a run, or its error."""

    trajectory: Trajectory | None
    error: str | None = None  # "IndexError: …" or "NaN …"
    exact: bool = True  # moments over the samples; otherwise they err by chance


@dataclass(frozen=True)
class Case:
    """A scheduler, a path of noise, a grid of noise levels and what the network predicts."""

    subject: Subject
    path_name: str
    grid: str
    prediction_type: str
    _runs: dict[Any, Run] = field(default_factory=dict, compare=False, repr=False)
    _time: Budget = field(default_factory=Budget, compare=False, repr=False)

    @property
    def path(self) -> Path:
        return self.subject.paths[self.path_name]

    @property
    def random(self) -> bool:
        """Whether the scheduler adds noise, so that it takes many samples."""
        return self.subject.spec.stochastic

    def spent(self) -> AbstractContextManager[None]:
        """Counts the time of what a scheduler does outside a run as that of its runs."""
        return self._time.spent()

    def scheduler(self) -> Any:
        """A fresh scheduler: a copy of one that never ran, since some take long to construct."""
        return deepcopy(self._unused)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The plain values of the scheduler's config; empty where it cannot be made."""
        try:
            config = dict(self._unused.config)
        except (Exception, SystemExit):
            return {}
        return {name: value for name, value in config.items() if isinstance(value, _PLAIN)}

    @cached_property
    def _unused(self) -> Any:
        return self.subject.build(self.path, self.grid, self.prediction_type)

    def run(
        self,
        steps: int,
        noise: Tensor | None = None,
        problem: Problem | None = None,
        *,
        by_timestep: bool = True,
        double: bool = True,
        seed: int = 0,
    ) -> Run:
        """A run from noise [N, D]; by default two samples, of a noisy scheduler those of draws.py,
        with its own draws replaced too.

        by_timestep, double and seed are those of Drive. Runs from the default noise and problem are
        kept: several measures look at the same one.
        """
        usual = (steps, by_timestep, double, seed) if noise is None and problem is None else None
        if usual in self._runs:
            return self._runs[usual]
        draws = ExactDraws() if noise is None and self.random else None
        if noise is None:
            noise = start(1 + len(BANDS)) if self.random else TWO
        consistent = not self.subject.classes.isdisjoint(_CONSISTENCY_SAMPLERS)
        data = problem or (Distilled(DATA, self.path.end) if consistent else DATA)
        drive = Drive(data, self.path, self.prediction_type, by_timestep, double, seed)
        with draws or nullcontext():
            run = self._follow(steps, noise, drive)
        if draws and not draws.exact:
            run = replace(run, exact=False)
        if usual:
            self._runs[usual] = run
        return run

    def _follow(self, steps: int, noise: Tensor, drive: Drive) -> Run:
        try:
            with self._time.spent(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a warning that matters shows in the numbers
                trajectory = follow(self.scheduler(), steps, noise, drive=drive)
        except OutOfTime as error:
            return Run(None, str(error))
        except (Exception, SystemExit) as error:  # whatever a scheduler raises is a result
            message = (str(error).splitlines() or [""])[0][:100]
            return Run(None, f"{type(error).__name__}: {message}".rstrip(": "))
        if not trajectory.final.isfinite().all():
            return Run(None, "NaN or infinity in the result")
        return Run(trajectory)


def many(samples: int) -> Tensor:
    """Noise for every dimension of the data, always the same."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(samples, 1 + len(BANDS), generator=generator, dtype=torch.float64)
