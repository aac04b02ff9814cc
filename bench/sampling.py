"""Prompts and noise to images through a diffusers pipeline."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.cell import Cell
from bench.outputs import overflow_hint
from bench.schedulers import build_scheduler

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
def generate(
    pipeline: Any,
    cell: Cell,
    prompts: Sequence[str],
    start: int,
    latents: np.ndarray | None = None,
) -> np.ndarray:
    """Images [N, 3, H, W] uint8 of samples start..start+N-1, whose prompts are given.

    latents [1, …] is noise of unit variance that all of them start from, in place of their own.
    Raises FloatingPointError when a pixel is not finite, ValueError for images of another size.
    """
    own = pipeline.scheduler
    pipeline.scheduler = build_scheduler(cell.scheduler_class, cell.scheduler_flags, own.config)
    try:
        images = pipeline(
            list(prompts),
            height=cell.height,
            width=cell.width,
            num_inference_steps=cell.steps,
            **_guidance_arguments(cell, len(prompts)),
            **_latents_argument(latents, pipeline, len(prompts)),
            generator=sample_generators(cell.seed, start, start + len(prompts)),
            output_type="pt",
            **json.loads(cell.call or "{}"),
        ).images
    finally:
        pipeline.scheduler = own
    if images.shape[-2:] != (cell.height, cell.width):
        made = "x".join(str(size) for size in images.shape[:-3:-1])
        raise ValueError(
            f"the model made images of {made} where {cell.width}x{cell.height} was asked for: "
            "choose a size that it can make, and latents that fit it"
        )
    if cell.is_random:  # what no weights make is noise, or no number at all
        images = images.nan_to_num().clamp(0, 1)
    return _to_uint8(images, cell.dtype)


def _guidance_arguments(cell: Cell, count: int) -> dict[str, Any]:
    """How the pipeline of a model takes its guidance and negative prompt."""
    weight = "true_cfg_scale" if cell.guidance_form == "true_cfg" else "guidance_scale"
    ignored = cell.guidance_form == "ignored"  # and would double the work where it is passed
    arguments: dict[str, Any] = {weight: 0.0 if ignored else cell.guidance}
    if cell.negative_prompt:
        arguments["negative_prompt"] = [cell.negative_prompt] * count
    return arguments


def _latents_argument(latents: np.ndarray | None, pipeline: Any, count: int) -> dict[str, Tensor]:
    """Pipelines scale what they are given to the scheduler's first noise level themselves."""
    if latents is None:
        return {}
    whole = type(pipeline).__name__ == "ZImagePipeline"  # keeps its state in float32
    one = torch.from_numpy(latents).to(torch.float32 if whole else pipeline.dtype)
    return {"latents": one.expand(count, *one.shape[1:]).clone()}


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
