"""Counts the floating point operations of a denoiser's calls: a multiplication and an addition are
two. By torch's counter, which sees matrix products, convolutions and attention, and nothing else.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from denoisebench.bench.generate.work import Pattern, Work, counted

# Operations that are work whatever they are: where the counter does not know one, nothing is said.
_HEAVY = re.compile(r"mm|conv|attention_|linear|matmul")


class _AllCountedError(Exception):
    """Ends a trajectory once there is nothing left to count."""


Inside = Callable[[], AbstractContextManager[None]]  # a context to be entered


def flops_of(
    denoiser: nn.Module, patterns: Collection[Pattern], make: Callable[[Inside], object]
) -> dict[Pattern, float]:
    """Operations of a call by its pattern; nan where torch has no rule for an operation of it.

    make: runs a trajectory that has all the patterns, within the context that it is given, which it
    enters once a cache is laid. It goes on only until each pattern was seen.
    """
    known: dict[Pattern, float] = {}

    @contextmanager
    def counting() -> Iterator[None]:
        with counted(denoiser) as work, _flops_counted(denoiser, work, patterns, known=known):
            yield

    try:
        with suppress(_AllCountedError):
            make(counting)
    finally:
        for module in denoiser.modules():  # an unfinished trajectory leaves caches in its middle
            hooks: Any = getattr(module, "_diffusers_hook", None)
            if hooks is not None:
                hooks.reset_stateful_hooks(recurse=False)
    return known


@contextmanager
def _flops_counted(
    denoiser: nn.Module, work: Work, wanted: Collection[Pattern], *, known: dict[Pattern, float]
) -> Iterator[None]:
    """Adds operations to the known ones by pattern, as calls come. Raises _AllCountedError in the
    call after which none is wanted."""
    had_own, original = "forward" in vars(denoiser), denoiser.forward

    def counting(*args: Any, **kwargs: Any) -> Any:
        before = len(work.calls)
        with _Unknown() as unknown, FlopCounterMode(display=False) as counter:
            unknown.known = counter.flop_registry
            result = original(*args, **kwargs)
        if len(work.calls) == before + 1:  # else a cache answered for all of it
            total = math.nan if unknown.names else float(counter.get_total_flops())
            known[work.calls[-1].pattern] = total
        if known.keys() >= {*wanted}:
            raise _AllCountedError
        return result

    denoiser.forward = counting
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        if had_own:
            denoiser.forward = original
        else:
            del denoiser.forward


class _Unknown(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects operations that are work and that a counter has no rule for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known: Collection[Any] = ()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = getattr(func, "_overloadpacket", func)
        if packet not in self.known and _HEAVY.search(str(packet)):
            self.names.add(str(packet))
        return func(*args, **(kwargs or {}))
