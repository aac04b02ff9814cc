"""Counts the blocks of a denoiser that really ran: below the hooks of a cache, which answer for a
block without running it. A forward hook would count calls, whoever answers them.

A cache of diffusers replaces the forward of a module by a chain of hooks and keeps the module's own
at the chain's end. That end is what is wrapped here. Enable a cache before counting begins.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any

from torch import Tensor, nn

from denoisebench.bench.models.denoiser import state_of

# Lists of a denoiser's blocks, by the names that diffusers gives them; others hold projections.
_BLOCKS = re.compile(r"block|layer|refiner|^transformers$|^decoders$")
_LAYER_CLASSES = re.compile(r"Attention|Attn|FeedForward")


Pattern = tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]


@dataclass
class Call:
    """One call of the denoiser's own forward: a cache that answers for all of it makes none."""

    rows: int  # samples that went in, below the hooks: a cache may hold unconditional ones back
    shapes: tuple[tuple[int, ...], ...]  # of all tensors that went in, as those of texts differ
    ran: list[int] = field(default_factory=list)  # places of the modules that ran, in their order

    @property
    def pattern(self) -> Pattern:
        """What a call costs depends on: equal patterns are equal work."""
        return self.shapes, tuple(self.ran)


@dataclass
class Work:
    """What ran within a context. A denoiser that is not made of blocks has none, and nobody counts.

    Places are those in `denoiser.modules()`."""

    blocks: frozenset[int]  # places of the blocks
    layers: frozenset[int]  # of attention and feed-forward layers, and of what else has a hook
    is_fixed: bool  # whether nothing has a hook, so that all batches take the same work
    calls: list[Call] = field(default_factory=list)

    @property
    def block_runs(self) -> int:
        """Blocks that ran, of all samples together: a block on a batch of 8 is 8 runs."""
        return self._runs(self.blocks)

    @property
    def layer_runs(self) -> int:
        """The same of layers: a cache may answer for a part of a block alone."""
        return self._runs(self.layers)

    def _runs(self, places: frozenset[int]) -> int:
        return sum(call.rows * sum(place in places for place in call.ran) for call in self.calls)


@contextmanager
def counted(denoiser: nn.Module) -> Iterator[Work]:
    """The work of a denoiser within the context. Caches are those that are enabled at its start;
    a call that is compiled is not seen."""
    modules, blocks = [*denoiser.modules()], blocks_of(denoiser)
    places = {module: place for place, module in enumerate(modules)}
    layers = [layer for layer in _layers_of(denoiser) if layer not in blocks]
    work = Work(
        frozenset(places[module] for module in blocks),
        frozenset(places[module] for module in layers),
        is_fixed=not any(map(_hooks_of, modules)),
    )

    def call_starts(*args: Any, **kwargs: Any) -> None:
        shapes = tuple(tuple(tensor.shape) for tensor in _tensors([*args, *kwargs.values()]))
        work.calls.append(Call(len(state_of(args, kwargs)), shapes))

    def run_starts(place: int) -> None:
        if work.calls:  # else somebody runs a block alone
            work.calls[-1].ran.append(place)

    with ExitStack() as patches:
        patches.enter_context(_below_hooks(denoiser, call_starts))
        for module in (*blocks, *layers):
            starts = partial(_told, run_starts, places[module])
            patches.enter_context(_below_hooks(module, starts))
        yield work


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors within lists and mappings, as Z-Image takes its states and texts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)


def _told(run_starts: Callable[[int], None], place: int, *_: Any, **__: Any) -> None:
    run_starts(place)


def blocks_of(denoiser: nn.Module) -> list[nn.Module]:
    """The blocks that a transformer or UNet is a sequence of; none of another network."""
    blocks: list[nn.Module] = []
    for name, child in denoiser.named_children():
        if isinstance(child, nn.ModuleList) and _BLOCKS.search(name):
            blocks += child
        elif name == "mid_block":
            blocks.append(child)
    return blocks


def _layers_of(denoiser: nn.Module) -> list[nn.Module]:
    """Modules whose runs tell how much of a block ran: a cache may answer for one of them alone."""
    return [
        module
        for name, module in denoiser.named_modules()
        if name and (_LAYER_CLASSES.search(type(module).__name__) or _hooks_of(module))
        # A processor is no layer: it runs whenever its attention does.
        if not type(module).__name__.endswith("Processor")
    ]


def _hooks_of(module: nn.Module) -> list[Any]:
    """Diffusers' references to the functions of a module's hooks, the innermost first."""
    registry = getattr(module, "_diffusers_hook", None)
    return registry._fn_refs if registry is not None else []


def _end_of(module: nn.Module) -> tuple[Any, str]:
    """The object and its attribute that hold what a module's hooks call in the end."""
    hooks = _hooks_of(module)
    if not hooks:
        return module, "forward"
    return hooks[0], "forward" if hooks[0].original_forward is None else "original_forward"


@contextmanager
def _below_hooks(module: nn.Module, starts: Callable[..., None]) -> Iterator[None]:
    """Tells `starts` the arguments whenever a module's own forward runs, below all hooks."""
    holder, name = _end_of(module)
    had_own, original = name in vars(holder), getattr(holder, name)

    @wraps(original)
    def counting(*args: Any, **kwargs: Any) -> Any:
        starts(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(holder, name, counting)
    try:
        yield
    finally:
        end, attribute = _end_of(module)  # hooks may have come or gone meanwhile
        if end is module and not had_own:
            delattr(module, attribute)  # the class's own shows again
        else:
            setattr(end, attribute, original)
