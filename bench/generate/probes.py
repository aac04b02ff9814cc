"""Probes on a pipeline's modules: they count denoiser evaluations and time its stages."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

# Names under which denoisers take the noisy state, and the timestep.
_STATES, _TIMES = ("sample", "hidden_states", "x"), ("timestep", "t")


@dataclass
class Stages:
    """What the probes saw of one pipeline call."""

    calls: int = 0  # denoiser evaluations: calls about one and the same state are one
    rows: int = 0  # samples that went through the denoiser
    text_s: float = 0.0
    decode_s: float = 0.0
    denoise_start: float | None = None  # of the clock, seconds
    decode_start: float | None = None
    timesteps: list[Any] = field(default_factory=list)  # as the denoiser was given them
    scheduler: Any = None  # that ran
    state: Any = None  # that the denoiser was last asked about

    @property
    def denoise_s(self) -> float:
        """Seconds from the first denoiser call to the decoder, scheduler steps included."""
        if self.denoise_start is None or self.decode_start is None:
            return float("nan")
        return self.decode_start - self.denoise_start


def denoiser_of(pipeline: Any) -> nn.Module:
    """The network that is evaluated at each step: a UNet or a transformer."""
    unet: nn.Module | None = getattr(pipeline, "unet", None)
    return unet if unet is not None else pipeline.transformer


def state_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The noisy samples [N, ...] among the arguments of a denoiser's call."""
    return args[0] if args else _named(kwargs, _STATES)


def timestep_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[1] if len(args) > 1 else _named(kwargs, _TIMES)


def text_encoders_of(pipeline: Any) -> list[nn.Module]:
    parts = sorted(pipeline.components.items())
    return [
        part
        for name, part in parts
        if name.startswith("text_encoder") and isinstance(part, nn.Module)
    ]


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what was asked, so that a clock read means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def watched(pipeline: Any) -> Iterator[Stages]:
    """Counts and times every call within the context."""
    stages, device = Stages(), pipeline.device

    def now() -> float:
        synchronise(device)
        return time.perf_counter()

    def denoiser_starts(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        state = state_of(args, kwargs)
        if stages.denoise_start is None:  # one synchronisation a trajectory, not one a step
            stages.denoise_start = now()
        stages.scheduler = pipeline.scheduler
        stages.rows += len(state)
        if state is stages.state:  # with and without the prompt, one call each: one evaluation
            return
        stages.state = state
        stages.calls += 1
        stages.timesteps.append(timestep_of(args, kwargs))  # read later: reading waits

    def text_done(start: float, end: float) -> None:
        stages.text_s += end - start

    def decode_done(start: float, end: float) -> None:
        stages.decode_start = start if stages.decode_start is None else stages.decode_start
        stages.decode_s += end - start

    handle = denoiser_of(pipeline).register_forward_pre_hook(denoiser_starts, with_kwargs=True)
    patches = [_timed(text, "forward", text_done, now=now) for text in text_encoders_of(pipeline)]
    if getattr(pipeline, "vae", None) is not None:
        patches.append(_timed(pipeline.vae, "decode", decode_done, now=now))
    try:
        yield stages
    finally:
        stages.state = None
        handle.remove()
        for restore in patches:
            restore()


def _named(kwargs: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next(kwargs[name] for name in names if name in kwargs)


def _timed(
    module: nn.Module,
    method: str,
    done: Callable[[float, float], None],
    *,
    now: Callable[[], float],
) -> Callable[[], None]:
    """Tells `done` when each call of one object's method started and ended; returns the undoing."""
    original = getattr(module, method)

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = now()
        result = original(*args, **kwargs)
        done(start, now())
        return result

    setattr(module, method, timed)
    return lambda: _restore(module, method, original)


def _restore(module: nn.Module, method: str, original: Any) -> None:
    """Puts back what was there: the class's own method, or the patch that was there before."""
    delattr(module, method)
    if getattr(module, method) != original:
        setattr(module, method, original)
