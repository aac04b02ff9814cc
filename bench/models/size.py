"""The size of the images that a pipeline makes when nobody asks for another."""

import re
from pathlib import Path

from denoisebench.bench.models.files import part_config
from denoisebench.bench.models.pipelines import call_arguments, class_source

_DENOISERS = ("unet", "transformer")
_DECODERS = ("vae", "vqvae", "movq")
# In the source of a class: an edge in pixels, or in latents.
_PIXELS = re.compile(r"height = height or (\d+)\b")
_LATENTS = re.compile(r"self\.default_sample_size = (\d+)\b")
_FIXED = re.compile(r"self\.vae_scale_factor = (\d+)\s*$", re.MULTILINE)
# As many as there are blocks, not one less; or a key of its own.
_OTHERWISE = re.compile(r"len\(self\.vae\.config\.block_out_channels\)\)|spatial_compression")


def stated_size(folder: Path, pipeline_class: str) -> tuple[tuple[int, int] | None, str]:
    """Width and height in pixels, None where neither files nor class say it, and what says it.

    folder: with the configs of the pipeline's parts, of which `sample_size` counts latents.
    """
    call = call_arguments(pipeline_class) or {}
    width, height = (call[name].default if name in call else None for name in ("width", "height"))
    if isinstance(width, int) and isinstance(height, int):
        return (width, height), pipeline_class
    source = class_source(pipeline_class)
    if pixels := _PIXELS.search(source):
        edge = int(pixels[1])
        return (edge, edge), pipeline_class
    if latents := _LATENTS.search(source):
        scale = _scale(folder, source)
        edge = int(latents[1]) * scale
        return ((edge, edge), f"{pipeline_class}, vae/config.json") if scale else (None, "")
    for part in _DENOISERS:
        sample = part_config(folder, part).get("sample_size")
        if sample:
            height, width = sample if isinstance(sample, list) else (sample, sample)
            scale = _scale(folder, source)
            if not scale:
                return None, ""
            decoder = ", vae/config.json" if scale > 1 else ""
            return (width * scale, height * scale), f"{part}/config.json{decoder}"
    return None, ""


def _scale(folder: Path, source: str) -> int:
    """Pixels a latent along an edge, as the source of a pipeline counts them; 1 where nothing is
    decoded, 0 where the source counts in a way that is not known."""
    if fixed := _FIXED.search(source):
        return int(fixed[1])
    if _OTHERWISE.search(source):
        return 0
    for part in _DECODERS:
        config = part_config(folder, part)
        if "temperal_downsample" in config:  # diffusers' spelling
            return int(2 ** len(config["temperal_downsample"]))
        channels = config.get("block_out_channels") or config.get("encoder_block_out_channels")
        if channels:
            return int(2 ** (len(channels) - 1))
    return 1
