"""Faults to plant into the pipeline of the embedded model, for benchmarks/regression_study.py."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from denoisebench.bench.generate import generate as sampling
from denoisebench.bench.records.cell import Cell

Generate = Callable[..., np.ndarray]  # bench/generate/generate.py's generate


def _changed_cell(change: Callable[[Cell], Cell]) -> Callable[[Generate], Generate]:
    def plant(generate: Generate) -> Generate:
        def faulty(pipeline: Any, cell: Cell, prompts: Sequence[str], **rest: Any) -> np.ndarray:
            return generate(pipeline, change(cell), prompts, **rest)

        return faulty

    return plant


def _shorter(cell: Cell) -> Cell:
    return replace(cell, steps=cell.steps - 1)


def _guided(more: float) -> Callable[[Cell], Cell]:
    return lambda cell: replace(cell, guidance=cell.guidance + more)


def _flagged(**flags: Any) -> Callable[[Cell], Cell]:
    def change(cell: Cell) -> Cell:
        return replace(cell, scheduler_flags=json.dumps({**cell.flags, **flags}))

    return change


def _once(change: Callable[[Any], None]) -> Callable[[Generate], Generate]:
    """A change of the pipeline, before its first image."""

    def plant(generate: Generate) -> Generate:
        done: set[int] = set()

        def faulty(pipeline: Any, *given: Any, **rest: Any) -> np.ndarray:
            if id(pipeline) not in done:
                done.add(id(pipeline))
                change(pipeline)
            return generate(pipeline, *given, **rest)

        return faulty

    return plant


def _to_8_bits(pipeline: Any) -> None:
    """Weights of the denoiser, each output channel on a scale of its own."""
    with torch.no_grad():
        for weight in pipeline.unet.parameters():
            if weight.ndim > 1:
                scale = weight.abs().flatten(1).amax(1) / 127
                scale = scale.view(-1, *[1] * (weight.ndim - 1)).clamp(min=1e-12)
                weight.copy_((weight / scale).round() * scale)


def _scaled_vae(pipeline: Any) -> None:
    pipeline.vae.register_to_config(scaling_factor=1.02 * pipeline.vae.config.scaling_factor)


def _to_bfloat16(pipeline: Any) -> None:
    with torch.no_grad():
        for weight in pipeline.unet.parameters():
            weight.copy_(weight.bfloat16())


def _keeping(pipeline: Any) -> None:
    pipeline.kept = torch.ones(200, 2**18)  # MiB of float32


def _slowed(
    part: Callable[[Any], nn.Module], share: float, wait: Callable[[float], None]
) -> Callable[[Any], None]:
    """Each call of a part of the pipeline waits for a share of the time it took."""

    def change(pipeline: Any) -> None:
        module = part(pipeline)
        forward = module.forward

        def slow(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            output = forward(*given, **named)
            wait(share * (time.perf_counter() - start))
            return output

        module.forward = slow

    return change


def _busy(seconds: float) -> None:
    """Works until the clock has gone on so far: a sleep oversleeps."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _denoiser(pipeline: Any) -> nn.Module:
    return pipeline.unet


def _decoder(pipeline: Any) -> nn.Module:
    return pipeline.vae.decoder


def _swapped(generate: Generate) -> Generate:
    """Each prompt goes to the next sample of its batch."""

    def faulty(pipeline: Any, cell: Cell, prompts: Sequence[str], **rest: Any) -> np.ndarray:
        return generate(pipeline, cell, [*prompts[1:], prompts[0]], **rest)

    return faulty


def _cut(generate: Generate) -> Generate:
    def faulty(pipeline: Any, cell: Cell, prompts: Sequence[str], **rest: Any) -> np.ndarray:
        return generate(pipeline, cell, [" ".join(p.split()[:3]) for p in prompts], **rest)

    return faulty


def _darker(generate: Generate) -> Generate:
    def faulty(*given: Any, **rest: Any) -> np.ndarray:
        images = generate(*given, **rest)
        return images - (images > 0)

    return faulty


def _unfinished(generate: Generate) -> Generate:
    """The scheduler leaves the state as it is in its last step."""
    build = sampling.build_scheduler

    def building(*given: Any, **rest: Any) -> Any:
        scheduler = build(*given, **rest)
        step = scheduler.step

        def stepping(model_output: Any, timestep: Any, sample: Any, **named: Any) -> Any:
            stepped = step(model_output, timestep, sample, **named)
            if timestep != scheduler.timesteps[-1]:
                return stepped
            return (sample,) if isinstance(stepped, tuple) else type(stepped)(prev_sample=sample)

        scheduler.step = stepping
        return scheduler

    sampling.build_scheduler = building
    return generate


@dataclass(frozen=True)
class Variant:
    """A candidate of the study, or its baseline."""

    planted: str
    plant: Callable[[Generate], Generate] | None = None
    timed: bool = False


VARIANTS = {
    "baseline": Variant("", timed=True),
    "again": Variant("nothing: another process, batches of 24", timed=True),
    "once more": Variant("nothing: a third process", timed=True),
    "one step fewer": Variant("num_inference_steps - 1", _changed_cell(_shorter)),
    "wrong spacing": Variant(
        "timestep_spacing=linspace", _changed_cell(_flagged(timestep_spacing="linspace"))
    ),
    "guidance 4.5": Variant("for 4", _changed_cell(_guided(0.5))),
    "guidance 3.5": Variant("for 4", _changed_cell(_guided(-0.5))),
    "8-bit weights": Variant("denoiser's, per output channel", _once(_to_8_bits)),
    "VAE scale 2 % off": Variant("scaling_factor * 1.02", _once(_scaled_vae)),
    "10 % slower": Variant(
        "a sleep in the denoiser", _once(_slowed(_denoiser, 0.1, time.sleep)), timed=True
    ),
    "swapped prompts": Variant("each to the next sample", _swapped),
    "last step skipped": Variant("state left as it is", _unfinished),
    # From here on the check was not designed with these in sight.
    "10 % slower by the clock": Variant(
        "a busy denoiser", _once(_slowed(_denoiser, 0.1, _busy)), timed=True
    ),
    "slower decoder": Variant(
        "by half, asleep", _once(_slowed(_decoder, 0.5, time.sleep)), timed=True
    ),
    "more memory": Variant("200 MiB kept", _once(_keeping), timed=True),
    "bfloat16 weights": Variant("denoiser's, rounded", _once(_to_bfloat16)),
    "clipped state": Variant("clip_sample=true", _changed_cell(_flagged(clip_sample=True))),
    "other last level": Variant(
        "set_alpha_to_one=true", _changed_cell(_flagged(set_alpha_to_one=True))
    ),
    "short prompts": Variant("their first three words", _cut),
    "darker images": Variant("by one of 255 grey levels", _darker),
}
