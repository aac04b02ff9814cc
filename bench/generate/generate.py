"""Prompts, or classes, and noise to images through a diffusers pipeline."""

import inspect
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from denoisebench.bench.caches.catalogue import NONE, Cache
from denoisebench.bench.caches.enable import with_cache
from denoisebench.bench.caches.ratios import measured_ratios
from denoisebench.bench.generate.steering import steered
from denoisebench.bench.inputs.images import Inputs
from denoisebench.bench.inputs.tasks import WITH_INPUTS, any_latents
from denoisebench.bench.noise import sample_generators, seed_noise
from denoisebench.bench.records.cell import Cell
from denoisebench.bench.records.guidance import FORMS, Guidance
from denoisebench.bench.schedulers.grids import build_scheduler
from denoisebench.bench.schedulers.training import config_of


@torch.no_grad()
def generate(
    pipeline: Any,
    cell: Cell,
    prompts: Sequence[str] | Sequence[int],
    *,
    start: int,
    inputs: Inputs | None = None,
    latents: np.ndarray | None = None,
    ratios: Sequence[float] | None = None,
    inside: Callable[[], AbstractContextManager[None]] = nullcontext,
    is_laid: bool = False,
) -> np.ndarray:
    """Images [N, 3, H, W] uint8 of samples start..start+N-1, whose prompts and inputs are given.

    prompts: [N] texts, or numbers of classes where the pipeline is told those.
    latents [1, …] is noise of unit variance that all of them start from, in place of their own.
    ratios: of MagCache, as magnitude_ratios gives them. inside: a context to be entered once the
    cell's cache is laid. is_laid: whether it lies on the pipeline already, see `cached`.
    Raises ValueError for images of another size.
    """
    arguments = {
        **_prompt_arguments(pipeline, prompts),
        **_latents_argument(latents, pipeline, len(prompts)),
        **_image_arguments(pipeline, cell, inputs),
        **_guidance_arguments(cell, len(prompts)),
    }
    own_arguments, steering = cell.arguments, cell.steering
    original = pipeline.scheduler
    pipeline.scheduler = build_scheduler(
        cell.scheduler_class, cell.flags, config_of(original), grid=cell.grid
    )
    generators = sample_generators(cell.seed, start, start + len(prompts))
    seed_noise(pipeline.scheduler, generators)
    try:
        with (
            steered(pipeline, cell.guidance, steering),
            any_latents(pipeline),
            nullcontext() if is_laid else cached(pipeline, cell, ratios),
            inside(),
        ):
            images = pipeline(
                num_inference_steps=cell.steps,
                generator=generators,
                output_type="pt",
                **arguments,
                **own_arguments,
            ).images
    finally:
        pipeline.scheduler = original
    if images.shape[-2:] != (cell.height, cell.width):
        size = "x".join(map(str, images.shape[:-3:-1]))
        raise ValueError(
            f"the model made images of {size} where {cell.width}x{cell.height} was asked for: "
            "choose a size that it can make, and latents that fit it"
        )
    return _to_uint8(images)


def needs_ratios(cell: Cell) -> bool:
    """Whether the cell's cache has to know what magnitude_ratios measures."""
    cache = cache_of(cell)
    return cache.name == "magcache" and cache.value("ratios") == "calibrated"


def magnitude_ratios(
    pipeline: Any, cell: Cell, prompts: Sequence[str] | Sequence[int], **options: Any
) -> tuple[float, ...]:
    """Ratios of its model, scheduler and steps, from samples that skip nothing. options: those of
    generate."""
    plain = without_cache(cell)
    return measured_ratios(pipeline, lambda: generate(pipeline, plain, prompts, **options))


def without_cache(cell: Cell) -> Cell:
    return replace(cell, cache=NONE, cache_options="")


def cache_of(cell: Cell) -> Cache:
    options = json.loads(cell.cache_options or "{}")
    return Cache(cell.cache.partition(" ")[0], tuple(sorted(options.items())))


def cached(
    pipeline: Any, cell: Cell, ratios: Sequence[float] | None
) -> AbstractContextManager[None]:
    """The cell's cache on the pipeline within the context, for one call or many."""
    guidance = Guidance(cell.guidance_form, cell.guidance)
    stacked = guidance.on and FORMS[guidance.form].stacked
    return with_cache(pipeline, cache_of(cell), steps=cell.steps, stacked=stacked, ratios=ratios)


def _prompt_arguments(pipeline: Any, prompts: Sequence[str] | Sequence[int]) -> dict[str, Any]:
    """Pipelines that take no prompt are told the class of each image, if any, and how many images
    to make, if they ask."""
    taken = inspect.signature(type(pipeline).__call__).parameters
    if "prompt" in taken:
        return {"prompt": list(prompts)}
    numbers = [prompt for prompt in prompts if isinstance(prompt, int)]
    arguments: dict[str, Any] = {"class_labels": numbers} if numbers else {}
    return arguments | ({"batch_size": len(prompts)} if "batch_size" in taken else {})


def _latents_argument(latents: np.ndarray | None, pipeline: Any, count: int) -> dict[str, Tensor]:
    """Pipelines scale what they are given to the scheduler's first noise level themselves."""
    if latents is None:
        return {}
    whole = type(pipeline).__name__ == "ZImagePipeline"  # keeps its state in float32
    latent = torch.from_numpy(latents).to(torch.float32 if whole else pipeline.dtype)
    return {"latents": latent.expand(count, *latent.shape[1:]).clone()}


def _guidance_arguments(cell: Cell, samples: int) -> dict[str, Any]:
    arguments = Guidance(cell.guidance_form, cell.guidance).call()
    if cell.negative_prompt:
        arguments["negative_prompt"] = [cell.negative_prompt] * samples
    return arguments


def _image_arguments(pipeline: Any, cell: Cell, inputs: Inputs | None) -> dict[str, Any]:
    """Size, and what an image is made from: pipelines take images in [0, 1], masks as 0 and 1."""
    taken = inspect.signature(type(pipeline).__call__).parameters
    size = {"height": cell.height, "width": cell.width}
    arguments: dict[str, Any] = {name: size[name] for name in size if name in taken}
    if cell.task in WITH_INPUTS and inputs is not None:
        arguments["image"] = torch.from_numpy(inputs.images).float() / 255
        arguments["strength"] = cell.strength
        if inputs.masks is not None and cell.task == "inpaint":
            arguments["mask_image"] = torch.from_numpy(inputs.masks[:, None]).float()
    return arguments


@torch.no_grad()
def encode(pipeline: Any, images: Tensor) -> Tensor:
    """Latents [N, ...] of images [N, 3, H, W] uint8: the mode that the pipeline's VAE gives, in the
    units of the denoiser but not shifted, where the images are."""
    vae, dtype = pipeline.vae, pipeline.vae.dtype
    overflows = dtype == torch.float16 and vae.config.get("force_upcast", False)
    try:
        if overflows:  # as the pipelines do
            vae.to(torch.float32)
        pixels = (images.to(vae.device).float() / 127.5 - 1).to(vae.dtype)
        is_video = "temperal_downsample" in vae.config  # diffusers' spelling: an image is one frame
        encoded = vae.encode(pixels[:, :, None] if is_video else pixels)
    finally:
        if overflows:
            vae.to(dtype)
    latents: Tensor = (
        encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latent
    )
    std = vae.config.get("latents_std") or 1.0  # of each channel
    scale: Tensor = vae.config.get("scaling_factor", 1.0) / torch.tensor(std, device=latents.device)
    return (latents.float() * scale.view(-1, *[1] * (latents.ndim - 2))).to(images.device)


def _to_uint8(images: Tensor) -> np.ndarray:
    """Images of one channel come out grey. Those with pixels that are not finite come out black, as
    diffusers would show them: they are counted before anything is scored."""
    broken = ~torch.isfinite(images).flatten(1).all(1)
    pixels = (images.nan_to_num().clamp(0, 1).float() * 255).round().to(torch.uint8)
    pixels[broken] = 0
    pixels = pixels.expand(-1, 3, -1, -1) if pixels.shape[1] == 1 else pixels
    return pixels.cpu().numpy()
