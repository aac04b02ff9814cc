"""Probes on a pipeline's modules: they count denoiser evaluations and time its stages."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")


@dataclass
class Stages:
    """What the probes saw of one pipeline call."""

    calls: int = 0  # denoiser calls
    rows: int = 0  # samples that went through the denoiser
    text_s: float = 0.0
    decode_s: float = 0.0
    denoise_start: float | None = None  # of the clock, seconds
    decode_start: float | None = None
    timesteps: list[Any] = field(default_factory=list)  # as the denoiser was given them
    scheduler: Any = None  # that ran

    @property
    def denoise_s(self) -> float:
        """From the first denoiser call to the decoder, scheduler steps included."""
        if self.denoise_start is None or self.decode_start is None:
            return float("nan")
        return self.decode_start - self.denoise_start


def denoiser_of(pipeline: Any) -> nn.Module:
    """The network that is evaluated at each step: a UNet or a transformer."""
    return pipeline.unet if getattr(pipeline, "unet", None) is not None else pipeline.transformer


def state_of(args: tuple, kwargs: dict) -> Any:
    """The noisy samples [N, ...] among the arguments of a denoiser's call."""
    return args[0] if args else kwargs["sample" if "sample" in kwargs else "hidden_states"]


def timestep_of(args: tuple, kwargs: dict) -> Any:
    return args[1] if len(args) > 1 else kwargs["timestep"]


def text_encoders_of(pipeline: Any) -> list[nn.Module]:
    found = (getattr(pipeline, name, None) for name in _ENCODERS)
    return [encoder for encoder in found if encoder is not None]


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

    def denoiser_starts(module: nn.Module, args: tuple, kwargs: dict) -> None:
        state = state_of(args, kwargs)
        if stages.denoise_start is None:  # one synchronisation a trajectory, not one a step
            stages.denoise_start = now()
        stages.timesteps.append(timestep_of(args, kwargs))  # read later: reading waits
        stages.scheduler = pipeline.scheduler
        stages.calls += 1
        stages.rows += len(state)

    def text_done(start: float, end: float) -> None:
        stages.text_s += end - start

    def decode_done(start: float, end: float) -> None:
        stages.decode_start = start if stages.decode_start is None else stages.decode_start
        stages.decode_s += end - start

    handle = denoiser_of(pipeline).register_forward_pre_hook(denoiser_starts, with_kwargs=True)
    patches = [_timed(text, "forward", text_done, now) for text in text_encoders_of(pipeline)]
    patches.append(_timed(pipeline.vae, "decode", decode_done, now))
    try:
        yield stages
    finally:
        handle.remove()
        for restore in patches:
            restore()


def _timed(
    module: nn.Module,
    method: str,
    done: Callable[[float, float], None],
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
