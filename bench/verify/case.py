"""One combination that is verified, and a run of it whose failure is a result."""

import warnings
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from denoisebench.bench.verify.paths import Path
from denoisebench.bench.verify.problems import BANDS, Distilled, Problem, bands
from denoisebench.bench.verify.subject import Subject
from denoisebench.bench.verify.trajectory import Drive, Trajectory, follow

# They take the network's result for a sample, so it must be one: the end of the exact flow.
_CONSISTENCY_SAMPLERS = ("LCMScheduler", "FlowMatchLCMScheduler")
_PLAIN = (str, int, float, bool)
SAMPLES = 2048  # of stochastic schedulers: 1.6 % error of a standard deviation
DATA = bands()
TWO = torch.tensor([[0.0], [1.0]]).double().expand(2, 1 + len(BANDS))


@dataclass(frozen=True)
class Run:
    """A run that worked, or what went wrong."""

    trajectory: Trajectory | None
    error: str | None = None  # "IndexError: …" or "NaN …"


@dataclass(frozen=True)
class Case:
    """A scheduler, a path of noise, a grid of noise levels and what the network predicts."""

    subject: Subject
    path_name: str
    grid: str
    prediction_type: str
    _runs: dict[Any, Run] = field(default_factory=dict, compare=False, repr=False)

    @property
    def path(self) -> Path:
        return self.subject.paths[self.path_name]

    @property
    def random(self) -> bool:
        """Whether noise is added, so that many samples are needed."""
        return self.subject.spec.stochastic

    def scheduler(self) -> Any:
        """A fresh one: a copy of one that never ran, since some take long to construct."""
        return deepcopy(self._unused)

    @cached_property
    def config(self) -> dict[str, Any]:
        """What the scheduler says of itself; empty where it cannot be made."""
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
        told: bool = True,
        double: bool = True,
        seed: int = 0,
    ) -> Run:
        """noise [N, D]; without it two samples, or SAMPLES where the scheduler adds noise.

        Runs without noise of their own are kept: several measures look at the same one.
        """
        usual = (steps, told, double, seed) if noise is None and problem is None else None
        if usual in self._runs:
            return self._runs[usual]
        if noise is None:
            noise = many(SAMPLES) if self.random else TWO
        consistent = self.subject.spec.class_name in _CONSISTENCY_SAMPLERS
        data = problem or (Distilled(DATA) if consistent else DATA)
        drive = Drive(data, self.path, self.prediction_type, told, double, seed)
        run = self._follow(steps, noise, drive)
        if usual:
            self._runs[usual] = run
        return run

    def _follow(self, steps: int, noise: Tensor, drive: Drive) -> Run:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what matters of them shows in the numbers
                trajectory = follow(self.scheduler(), steps, noise, drive)
        except (Exception, SystemExit) as error:  # whatever a scheduler raises is a result
            said = (str(error).splitlines() or [""])[0][:100]
            return Run(None, f"{type(error).__name__}: {said}".rstrip(": "))
        if not trajectory.final.isfinite().all():
            return Run(None, "NaN or infinity in the result")
        return Run(trajectory)


def many(samples: int) -> Tensor:
    """Noise for every dimension of the data, always the same."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(samples, 1 + len(BANDS), generator=generator, dtype=torch.float64)
