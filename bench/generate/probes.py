"""What is laid around a pipeline's modules while it runs, and taken off again.

Probes count denoiser evaluations and time its stages; a memory computes embeddings once a process.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from denoisebench.bench.models.denoiser import denoiser_of, state_of, timestep_of

_REMEMBERED_BYTES = 2**30  # of embeddings, on the device: a bound for large prompt sets


@dataclass
class Stages:
    """What the probes saw of one pipeline call."""

    calls: int = 0  # denoiser evaluations: calls about one and the same state are one
    rows: int = 0  # samples that went through the denoiser
    text_s: float = 0.0
    denoise_s: float = math.nan  # from the first denoiser call to the decoder, scheduler included
    scheduler_s: float = 0.0  # of it in the scheduler's steps
    decode_s: float = 0.0
    denoise_start: float | None = None  # of the clock, seconds
    timesteps: list[Any] = field(default_factory=list)  # as the denoiser was given them
    scheduler: Any = None  # that ran
    state: Any = None  # that the denoiser was last asked about


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
    elif device.type == "mps":
        torch.mps.synchronize()


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
            if device.type == "cpu":  # elsewhere a step ends before its work has been done
                patches.enter_context(_timed(stages.scheduler, "step", stepped, now=now))
        stages.rows += len(state)
        if state is stages.state:  # with and without the prompt, one call each: one evaluation
            return
        stages.state = state
        stages.calls += 1
        stages.timesteps.append(timestep_of(args, kwargs))  # read later: reading waits

    def text_done(start: float, end: float) -> None:
        stages.text_s += end - start

    def stepped(start: float, end: float) -> None:
        stages.scheduler_s += end - start

    def decode_done(start: float, end: float) -> None:
        if stages.denoise_start is not None and math.isnan(stages.denoise_s):  # the first image's
            stages.denoise_s = start - stages.denoise_start
        stages.decode_s += end - start

    handle = denoiser_of(pipeline).register_forward_pre_hook(denoiser_starts, with_kwargs=True)
    with ExitStack() as patches:
        for encoder in text_encoders_of(pipeline):
            patches.enter_context(_timed(encoder, "forward", text_done, now=now))
        if getattr(pipeline, "vae", None) is not None:
            patches.enter_context(_timed(pipeline.vae, "decode", decode_done, now=now))
        try:
            yield stages
        finally:
            stages.state = None
            handle.remove()


@contextmanager
def _timed(
    module: nn.Module,
    method: str,
    done: Callable[[float, float], None],
    *,
    now: Callable[[], float],
) -> Iterator[None]:
    """Tells `done` when each call of one object's method started and ended."""
    original = getattr(module, method)

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = now()
        result = original(*args, **kwargs)
        done(start, now())
        return result

    setattr(module, method, timed)
    try:
        yield
    finally:
        delattr(module, method)
        if getattr(module, method) != original:  # there was a patch before this one
            setattr(module, method, original)


@contextmanager
def remembered_embeddings(
    encoders: Sequence[nn.Module], memory: dict[tuple[Any, ...], Any]
) -> Iterator[None]:
    """Makes text encoders compute each batch of tokens once, within the context and its memory."""
    originals = [encoder.forward for encoder in encoders]
    for number, encoder in enumerate(encoders):
        encoder.forward = _remember(encoder.forward, memory, number)
    try:
        yield
    finally:
        for encoder, original in zip(encoders, originals, strict=True):
            del encoder.forward
            if encoder.forward != original:  # there was a patch before this one
                encoder.forward = original


def _remember(forward: Any, memory: dict[tuple[Any, ...], Any], number: int) -> Any:
    def remembering(*args: Any, **kwargs: Any) -> Any:
        key = (number, *map(_content, args), *((name, _content(kwargs[name])) for name in kwargs))
        if key in memory:
            return memory[key]
        output = forward(*args, **kwargs)
        if isinstance(output, dict) and output.get("past_key_values") is not None:
            output["past_key_values"] = None  # of use for writing text only, and large
        if (len(memory) + 1) * _bytes_of(output) <= _REMEMBERED_BYTES:  # batches are of one size
            memory[key] = output
        return output

    return remembering


def _content(argument: Any) -> Any:
    """What stands for an argument of a text encoder in a key: tokens and masks by their values."""
    if isinstance(argument, Tensor):
        flat = argument.detach().cpu().contiguous().flatten().view(torch.uint8)
        return str(argument.dtype), tuple(argument.shape), flat.numpy().tobytes()
    return repr(argument)


def _bytes_of(output: Any) -> int:
    """Bytes of all tensors that a text encoder returns: one, or a record or tuple of them."""
    if isinstance(output, Tensor):
        return output.nbytes
    parts = output.values() if isinstance(output, dict) else output
    return sum(_bytes_of(part) for part in parts if part is not None)
