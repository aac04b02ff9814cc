"""The config object of diffusers for a cache and its options."""

from collections.abc import Callable, Sequence
from typing import Any

import diffusers.hooks as hooks
import torch
from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

from denoisebench.bench.caches.catalogue import Cache
from denoisebench.bench.caches.vision import frames_of
from denoisebench.bench.errors import CannotBeLaid

# The function of diffusers that lays each cache on a network: not all have `enable_cache`.
APPLY: dict[str, Callable[..., None]] = {
    "first_block": hooks.apply_first_block_cache,
    "taylorseer": hooks.apply_taylorseer_cache,
    "magcache": hooks.apply_mag_cache,
    "faster": hooks.apply_faster_cache,
    "pyramid": hooks.apply_pyramid_attention_broadcast,
    "sea": hooks.apply_sea_cache,
}


def config_of(
    cache: Cache,
    *,
    steps: int,
    stacked: bool,
    timestep: Callable[[], float],
    ratios: Sequence[float] | None,
) -> Any:
    """timestep: that in training, of the evaluation that runs. For the others see enable.py."""
    options = dict(cache.options)
    if cache.name == "first_block":
        return hooks.FirstBlockCacheConfig(threshold=options["threshold"])
    if cache.name == "taylorseer":
        return hooks.TaylorSeerCacheConfig(
            cache_interval=options["interval"],
            disable_cache_before_step=options["warmup"],
            max_order=options["order"],
            taylor_factors_dtype=getattr(torch, str(options["factors"])),
            use_lite_mode=options["lite"],
        )
    if cache.name == "magcache":
        sizes = _ratios(cache, ratios)
        # Those that were measured are one an evaluation: img2img makes fewer than steps, PNDM more.
        measured = cache.value("ratios") != "flux"
        return hooks.MagCacheConfig(
            threshold=options["threshold"],
            max_skip_steps=options["max_skip"],
            retention_ratio=options["retention"],
            num_inference_steps=len(sizes) if measured else steps,
            mag_ratios=sizes,
        )
    if cache.name == "faster":
        return hooks.FasterCacheConfig(
            spatial_attention_block_skip_range=options["interval"],
            spatial_attention_timestep_skip_range=(-1, options["below"]),
            unconditional_batch_skip_range=options["uncond_interval"],
            unconditional_batch_timestep_skip_range=(-1, options["uncond_below"]),
            attention_weight_callback=lambda _: 0.5,  # its default, which it warns of
            tensor_format="BCHW",
            is_guidance_distilled=not stacked,
            current_timestep_callback=timestep,
        )
    if cache.name == "pyramid":
        within = (options["above"], options["below"])
        return hooks.PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=options["interval"],
            cross_attention_block_skip_range=options["cross_interval"],
            spatial_attention_timestep_skip_range=within,
            cross_attention_timestep_skip_range=within,
            current_timestep_callback=timestep,
        )
    return hooks.SeaCacheConfig(
        threshold=options["threshold"],
        residual_order=options["order"],
        retention_steps=options["retention"],
        cache_end_steps=options["end"],
        max_consecutive_cached=options["max_skip"],
        power_exp=options["power"],
        raw_vision_callback=frames_of,
    )


def _ratios(cache: Cache, ratios: Sequence[float] | None) -> Any:
    """A copy: the config interpolates them to its number of steps."""
    if cache.value("ratios") == "flux":
        return FLUX_MAG_RATIOS.clone()
    if not ratios:
        raise CannotBeLaid(
            "cache=magcache: needs the model's ratios; measure them first, or give "
            "cache.ratios=flux for a model like FLUX"
        )
    return torch.tensor(ratios)
