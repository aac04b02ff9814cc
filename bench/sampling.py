"""Prompts and noise to images through a diffusers pipeline."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.cell import Cell
from bench.grids import build_scheduler
from bench.outputs import overflow_hint

_REMEMBERED_BYTES = 2**30  # of embeddings, on the device: a bound for large prompt sets


def sample_seed(seed: int, index: int) -> int:
    """Seed of sample `index`; the streams of two seeds share nothing."""
    return int(
        np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )


def sample_generators(seed: int, start: int, stop: int) -> list[torch.Generator]:
    """One CPU generator per sample, so that noise depends on neither batch nor device."""
    return [torch.Generator().manual_seed(sample_seed(seed, i)) for i in range(start, stop)]


@torch.no_grad()
def generate(pipeline: Any, cell: Cell, prompts: Sequence[str], start: int) -> np.ndarray:
    """Images [N, 3, H, W] uint8 of samples start..start+N-1, whose prompts are given.

    Raises FloatingPointError when a pixel is not finite.
    """
    own = pipeline.scheduler
    generators = sample_generators(cell.seed, start, start + len(prompts))
    pipeline.scheduler = build_scheduler(
        cell.scheduler_class, cell.scheduler_flags, own.config, cell.grid
    )
    seed_noise(pipeline.scheduler, generators)
    try:
        images = pipeline(
            list(prompts),
            height=cell.height,
            width=cell.width,
            num_inference_steps=cell.steps,
            guidance_scale=cell.guidance,
            generator=generators,
            output_type="pt",
            **json.loads(cell.call or "{}"),
        ).images
    finally:
        pipeline.scheduler = own
    return _to_uint8(images, cell.dtype)


def seed_noise(scheduler: Any, generators: Sequence[torch.Generator]) -> None:
    """Lets the noise that steps add to a sample come from that sample's generator alone.

    Pipelines of flow models hand their steps no generator, and a Brownian tree takes seeds: without
    this a sample would depend on its batch and on the process.
    """
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler_seed = [generator.initial_seed() for generator in generators]
        scheduler.step = _within_tree(scheduler.step)
    elif "generator" in signature(scheduler.step).parameters:
        scheduler.step = _with_generators(scheduler.step, list(generators))


def _with_generators(step: Any, generators: list[torch.Generator]) -> Any:
    @wraps(step)  # pipelines ask the signature what a step takes
    def seeded(*args: Any, **kwargs: Any) -> Any:
        return step(*args, **{"generator": generators, **kwargs})

    return seeded


def _within_tree(step: Any) -> Any:
    """Without the warning that a level lies beyond the tree: diffusers rounds the tree's ends to
    six digits, and torchsde then takes the end for the level."""

    @wraps(step)
    def quiet(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Should have t[ab]")
            return step(*args, **kwargs)

    return quiet


@contextmanager
def remembered_embeddings(encoders: Sequence[nn.Module], memory: dict) -> Iterator[None]:
    """Within the context a text encoder computes each batch of tokens once; memory outlives it."""
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


def _remember(forward: Any, memory: dict, number: int) -> Any:
    def remembering(input_ids: Tensor, *args: Any, **kwargs: Any) -> Any:
        key = (number, input_ids.shape, input_ids.cpu().numpy().tobytes(), str(sorted(kwargs)))
        if key in memory:
            return memory[key]
        output = forward(input_ids, *args, **kwargs)
        if (len(memory) + 1) * _bytes_of(output) <= _REMEMBERED_BYTES:  # batches are of one size
            memory[key] = output
        return output

    return remembering


def _bytes_of(output: Any) -> int:
    """Of all tensors in what a text encoder returns: a tensor, or a record or tuple of them."""
    if isinstance(output, Tensor):
        return output.nbytes
    parts = output.values() if isinstance(output, dict) else output
    return sum(_bytes_of(part) for part in parts if part is not None)


def _to_uint8(images: Tensor, dtype: str) -> np.ndarray:
    if not torch.isfinite(images).all():
        bad = int((~torch.isfinite(images)).flatten(1).any(1).sum())
        raise FloatingPointError(
            f"{bad} of {len(images)} images have pixels that are not finite{overflow_hint(dtype)}"
        )
    return (images.float() * 255).round().to(torch.uint8).cpu().numpy()
