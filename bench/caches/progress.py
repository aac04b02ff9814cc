"""Where a pipeline's loop is, seen from its denoiser's calls: what caches must be told."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.hooks.hooks import CacheContext, StateManager
from torch import nn

from denoisebench.bench.models.denoiser import state_of, timestep_of
from denoisebench.bench.schedulers.grids import noise_level, training_timestep
from denoisebench.bench.schedulers.own import class_like
from denoisebench.bench.schedulers.training import family_of

_NAMES = ("cond", "uncond")  # of the calls about one state, in order


@dataclass(eq=False)
class Progress:
    """The evaluation that runs: calls about one and the same state are one evaluation.

    Pipelines that enter `cache_context` say which call is the conditional one. For the others a
    context is set here, by the order of the calls about a state.
    """

    pipeline: Any
    managers: Collection[StateManager] = ()  # of the cache's states
    placed: bool = False  # whether contexts tell the step and the noise level too
    evaluation: int = -1
    call: int = 0  # of the evaluation
    _state: Any = None
    _passed: Any = None  # as the denoiser was given its timestep
    _timestep: float | None = None
    _before: dict[StateManager, CacheContext | None] = field(default_factory=dict)

    @property
    def timestep(self) -> float:
        """That of training, 1000 to 0 for most models. Read when it is asked for: reading waits."""
        if self._timestep is None:
            passed = float(torch.as_tensor(self._passed).flatten()[0])
            self._timestep = training_timestep(passed, self.pipeline.scheduler)
        return self._timestep

    def restart(self) -> None:
        self.evaluation, self.call, self._state = -1, 0, None

    def starts(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A forward pre-hook of the denoiser."""
        state = state_of(args, kwargs)
        if state is self._state:
            self.call += 1
        else:
            self.evaluation, self.call, self._state = self.evaluation + 1, 0, state
            self._passed, self._timestep = timestep_of(args, kwargs), None
        self._before = {manager: manager._context for manager in self.managers}
        for manager in self.managers:
            manager.set_context(self._context(manager._context))

    def ends(self, module: nn.Module, args: Any, output: Any) -> None:
        """A forward hook of the denoiser, called after errors too."""
        for manager, context in self._before.items():
            manager.set_context(context)
        self._before = {}

    def _context(self, given: CacheContext | None) -> CacheContext:
        """The pipeline's own, with what it lacks."""
        name = given.name if given else (*_NAMES, f"call {self.call}")[min(self.call, 2)]
        if not self.placed or (given and given.step_index is not None):
            return given or CacheContext(name)
        scheduler = self.pipeline.scheduler
        level = noise_level(self.timestep, scheduler)
        is_flow = family_of(class_like(type(scheduler)), scheduler.config) == "flow"
        return CacheContext(
            name,
            step_index=self.evaluation,
            num_inference_steps=len(scheduler.timesteps) - _left_out(scheduler),
            sigma=level if is_flow else level / (1 + level),  # the share of noise, on either path
        )


def _left_out(scheduler: Any) -> int:
    """Evaluations of a grid before the one that a run begins with, as img2img leaves them out."""
    return getattr(scheduler, "begin_index", None) or 0
