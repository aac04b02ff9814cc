"""One cache on one tiny pipeline: its runs, with what the denoiser was asked and what it executed.

Work is counted below the cache's hooks, by blocks and layers that ran for each sample.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from denoisebench.bench.caches.catalogue import OFF, Cache
from denoisebench.bench.caches.enable import with_cache
from denoisebench.bench.caches.ratios import measured_ratios
from denoisebench.bench.generate.work import Work, counted
from denoisebench.bench.models.denoiser import denoiser_of, state_of
from denoisebench.bench.verify.caches.tiny import TINY, Tiny, run
from denoisebench.bench.verify.caches.trials import STEPS, TRIALS, Trial


@dataclass(frozen=True, eq=False)
class Asked:
    """A call of the denoiser: its arguments, its answer [N, ...] and the modules that ran."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    answer: Tensor
    rows: int = 0  # that the denoiser's own forward was given
    ran: tuple[int, ...] = ()  # places, see bench/generate/work.py

    @property
    def of(self) -> Any:
        """The state that it is about: one object for all calls about it."""
        return state_of(self.args, self.kwargs)


@dataclass(frozen=True, eq=False)
class Ran:
    """A call of the pipeline."""

    latents: Tensor
    calls: list[Asked]
    modules: int  # blocks and layers that run where nothing is skipped

    @property
    def work(self) -> int:
        """Runs of modules, each of one sample."""
        return sum(call.rows * len(call.ran) for call in self.calls)

    def computed(self, calls: int) -> list[tuple[int, bool]]:
        """The samples that the first call of each evaluation, of so many calls, ran, and whether it
        ran everything of them."""
        return [(call.rows, len(call.ran) == self.modules) for call in self.calls[::calls]]


@dataclass(frozen=True)
class Case:
    """A trial of a cache, a tiny pipeline and a scheduler, by their names."""

    trial_name: str
    tiny_name: str
    scheduler: str
    _kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def trial(self) -> Trial:
        return TRIALS[self.trial_name]

    @property
    def tiny(self) -> Tiny:
        return TINY[self.tiny_name]

    @cached_property
    def pipeline(self) -> Any:
        return self.tiny.build(self.scheduler)

    @property
    def network(self) -> str:
        return type(denoiser_of(self.pipeline)).__name__

    def lay_once(self, cache: Cache) -> None:
        """Lays a cache on and takes it off. Raises UserError where it cannot go."""
        with with_cache(
            self.pipeline, cache, steps=STEPS, stacked=self.tiny.stacked, ratios=(1.0,)
        ):
            pass

    @contextmanager
    def under(self, cache: Cache, steps: int = STEPS) -> Iterator[Any]:
        """The pipeline with the cache on."""
        ratios = self._ratios(steps) if dict(cache.options).get("ratios") == "calibrated" else None
        with with_cache(
            self.pipeline, cache, steps=steps, stacked=self.tiny.stacked, ratios=ratios
        ):
            yield self.pipeline

    def run(self, cache: Cache = OFF, samples: Sequence[int] = (0,), steps: int = STEPS) -> Ran:
        """The first call of the pipeline under a cache; kept, since several measures read it."""
        key = (cache, tuple(samples), steps)
        if key not in self._kept:
            with self.under(cache, steps):
                self._kept[key] = self.watched(samples, steps)
        ran: Ran = self._kept[key]
        return ran

    def watched(self, samples: Sequence[int] = (0,), steps: int = STEPS) -> Ran:
        """A call of the pipeline as it is."""
        with _asked(self.pipeline) as (calls, work):
            latents = run(self.tiny, self.pipeline, samples=samples, steps=steps)
        return Ran(latents, _joined(calls, work, self._places), len(self._places))

    def again(self, calls: Iterable[Asked]) -> list[Tensor]:
        """Answers of the pipeline's denoiser to calls that were recorded."""
        denoiser = denoiser_of(self.pipeline)
        with torch.no_grad():
            return [_tensor(denoiser(*call.args, **call.kwargs)) for call in calls]

    @cached_property
    def _places(self) -> frozenset[int]:
        """Places that are counted without a cache: one that hooks more is compared by the same."""
        with counted(denoiser_of(self.tiny.build(self.scheduler))) as work:
            return work.blocks | work.layers

    def _ratios(self, steps: int) -> tuple[float, ...]:
        key = ("ratios", steps)
        if key not in self._kept:
            self._kept[key] = measured_ratios(
                self.pipeline, lambda: run(self.tiny, self.pipeline, steps=steps)
            )
        ratios: tuple[float, ...] = self._kept[key]
        return ratios


@contextmanager
def _asked(pipeline: Any) -> Iterator[tuple[list[Asked], Work]]:
    """Calls of the denoiser within the context, as the pipeline makes and sees them."""
    denoiser = denoiser_of(pipeline)
    calls: list[Asked] = []

    def keep(module: Any, *asked_and_answer: Any) -> None:
        args, kwargs, output = asked_and_answer
        calls.append(Asked(args, kwargs, _tensor(output)))

    handle = denoiser.register_forward_hook(keep, with_kwargs=True)
    try:
        with counted(denoiser) as work:
            yield calls, work
    finally:
        handle.remove()


def _joined(calls: list[Asked], work: Work, places: frozenset[int]) -> list[Asked]:
    return [
        replace(call, rows=own.rows, ran=tuple(place for place in own.ran if place in places))
        for call, own in zip(calls, work.calls, strict=True)
    ]


def _tensor(output: Any) -> Tensor:
    """What a denoiser predicts, [N, ...]."""
    first = output if isinstance(output, Tensor) else output[0]
    return torch.stack(first) if isinstance(first, list) else first
