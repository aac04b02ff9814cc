"""A denoiser compiled by torch.compile: what is compiled, and the seconds that it takes.

Compiled is what the modules compute, not their hooks: probes, steering and caches stay outside.
"""

import warnings
from collections import defaultdict
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from denoisebench.bench.generate.work import blocks_of
from denoisebench.bench.models.denoiser import TIMES, denoiser_of, state_of

BACKEND = "inductor"
_GRAPHS = 64  # of one code, at most: every size of batch has its own


@dataclass
class Compilation:
    """What compiling one denoiser took, by the shapes of the states that it was called with."""

    seconds: dict[tuple[int, ...], float] = field(default_factory=lambda: defaultdict(float))
    seen: set[tuple[int, ...]] = field(default_factory=set)  # shapes, since it was last emptied
    _before_s: float = 0.0

    @property
    def seen_s(self) -> float:
        """Seconds of compiling what was seen, whenever in this process that was."""
        return sum(self.seconds[shape] for shape in self.seen)

    def before(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Makes one graph serve all schedulers, whose timesteps are of several types."""
        self._before_s = compile_seconds()
        device = state_of(args, kwargs)[0].device
        if len(args) > 1:
            args = (args[0], _as_float(args[1], device), *args[2:])
        times = {name: _as_float(kwargs[name], device) for name in TIMES if name in kwargs}
        return args, {**kwargs, **times}

    def after(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        states = state_of(args, kwargs)  # a tensor, or a list of tensors
        shape = (len(states), *states[0].shape)
        self.seconds[shape] += compile_seconds() - self._before_s
        self.seen.add(shape)


_COMPILED: MutableMapping[nn.Module, Compilation] = WeakKeyDictionary()


def compilation_of(pipeline: Any) -> Compilation | None:
    """What was seen of compiling a pipeline's denoiser; None where it is not compiled."""
    return _COMPILED.get(denoiser_of(pipeline))


def compile_denoiser(pipeline: Any, how: str) -> None:
    """Compiles the denoiser on its first calls, for each shape anew; how: regional or full.

    One shape has one graph, and more graphs than _GRAPHS are an error: else torch would go on
    without compiling and say nothing. Nothing is kept on disk, so that the seconds are those of a
    first time.
    """
    import torch._dynamo

    torch._dynamo.config.recompile_limit = _GRAPHS
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    torch.compiler.config.force_disable_caches = True
    warnings.filterwarnings("ignore", "dynamo_pgo force disabled")
    denoiser = denoiser_of(pipeline)
    for module in _compiled_parts(denoiser, how):
        module.forward = torch.compile(module.forward, dynamic=False, backend=BACKEND)
    compilation = _COMPILED[denoiser] = Compilation()
    denoiser.register_forward_pre_hook(compilation.before, with_kwargs=True)
    denoiser.register_forward_hook(compilation.after, with_kwargs=True)


def compile_seconds() -> float:
    """Seconds that this process has spent compiling."""
    from torch._dynamo.utils import compilation_time_metrics

    return sum(compilation_time_metrics.get("_compile.compile_inner", []))


def forget_compiled() -> None:
    """Frees the graphs of the models before."""
    if _COMPILED:
        _COMPILED.clear()
        torch.compiler.reset()


def _compiled_parts(denoiser: nn.Module, how: str) -> list[nn.Module]:
    """Blocks that diffusers names as repeated, or else all that caches know; the whole if full."""
    if how == "full":
        return [denoiser]
    names = getattr(denoiser, "_repeated_blocks", None)
    named = [part for part in denoiser.modules() if type(part).__name__ in (names or ())]
    return named or blocks_of(denoiser) or [denoiser]


def _as_float(timestep: Any, device: torch.device) -> Tensor:
    """A timestep as float32, which holds every one exactly, where the states are. Schedulers differ
    in whether a batch of them is one number repeated, which would be another graph."""
    return torch.as_tensor(timestep).to(device, torch.float32).contiguous()
