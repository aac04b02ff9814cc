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
    """What the probes saw of one or several pipeline calls."""

    calls: int = 0  # denoiser calls
    rows: int = 0  # samples that went through the denoiser
    text_s: float = 0.0
    decode_s: float = 0.0
    denoise_starts: list[float] = field(default_factory=list)
    denoise_end: float = 0.0

    @property
    def denoise_s(self) -> float:
        """From the first denoiser call to the end of the last, scheduler steps between included."""
        return self.denoise_end - self.denoise_starts[0] if self.denoise_starts else 0.0


def denoiser_of(pipeline: Any) -> nn.Module:
    """The network that is evaluated at each step: a UNet or a transformer."""
    return pipeline.unet if getattr(pipeline, "unet", None) is not None else pipeline.transformer


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
        state = args[0] if args else kwargs["sample" if "sample" in kwargs else "hidden_states"]
        stages.calls += 1
        stages.rows += len(state)
        stages.denoise_starts.append(now())

    def denoiser_ends(*_: Any) -> None:
        stages.denoise_end = now()

    def add(stage: str) -> Callable[[float], None]:
        return lambda seconds: setattr(stages, stage, getattr(stages, stage) + seconds)

    denoiser = denoiser_of(pipeline)
    handles = [
        denoiser.register_forward_pre_hook(denoiser_starts, with_kwargs=True),
        denoiser.register_forward_hook(denoiser_ends),
    ]
    patches = [
        _timed(encoder, "forward", add("text_s"), now) for encoder in text_encoders_of(pipeline)
    ]
    patches.append(_timed(pipeline.vae, "decode", add("decode_s"), now))
    try:
        yield stages
    finally:
        for handle in handles:
            handle.remove()
        for restore in patches:
            restore()


def _timed(
    module: nn.Module, method: str, add: Callable[[float], None], now: Callable[[], float]
) -> Callable[[], None]:
    """Times a method of one object; returns what undoes it."""
    original = getattr(module, method)

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = now()
        result = original(*args, **kwargs)
        add(now() - start)
        return result

    setattr(module, method, timed)
    return lambda: setattr(module, method, original)
