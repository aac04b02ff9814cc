"""Why a cache cannot go on a denoiser, by names of classes alone: before anything loads."""

from typing import Any

from denoisebench.bench.caches.catalogue import Cache
from denoisebench.bench.caches.known import KNOWN
from denoisebench.bench.caches.networks import (
    assigns,
    block_classes,
    denoiser_class,
    is_known,
    some_lack_a_text,
)

LITE_WITHOUT_PROJ_OUT = (
    "its lite mode skips blocks and extrapolates a module called proj_out, which is not there: "
    "skipped evaluations would give zeros; leave cache.lite out, or use another cache"
)
_KEEPS_TEXT = ("first_block", "sea")  # beside the image: magcache computes without it


def misfit(cache: Cache, denoiser: str, *, evaluations: int = 1) -> str | None:
    """What is against a cache on a network of this class, in a line without its setting; None for
    nothing that is known.

    evaluations: of the denoiser a step, as the scheduler makes them: 2 for Heun's method.
    """
    if not cache.is_on:
        return None
    if cache.spec.counts and evaluations > 1:
        return (
            f"counts evaluations as steps, and the scheduler makes {evaluations} a step; "
            "use a scheduler that makes one"
        )
    network = denoiser_class(denoiser)
    if network is None:
        return None
    if denoiser.startswith("UNet"):
        return f"goes on transformers, and the denoiser is a {denoiser}; use cache=none"
    for known in KNOWN:
        if known.stops and known.is_about(_trial(cache), denoiser):
            return f"{known.effect}; {known.advice}"
    if dict(cache.options).get("lite") and not assigns(network, "proj_out"):
        return LITE_WITHOUT_PROJ_OUT
    return _of_blocks(cache, denoiser, network) if cache.spec.skips == "blocks" else None


def _of_blocks(cache: Cache, denoiser: str, network: Any) -> str | None:
    """What is against skipping blocks of a network, by what diffusers knows of them."""
    blocks = block_classes(network)
    unknown = [name for name, block in blocks.items() if not is_known(block)]
    if not blocks or unknown:
        names = ", ".join(sorted(unknown)) or "none"
        return (
            f"needs transformer blocks that diffusers has described, and those of {denoiser} "
            f"are not ({names}); use a cache of attention, or none"
        )
    if cache.name in _KEEPS_TEXT and some_lack_a_text(blocks.values()):
        return (
            f"keeps the text that blocks return, and of {denoiser} the first do and the last do "
            "not; use magcache"
        )
    return None


def _trial(cache: Cache) -> str:
    """The name under which a way of using a cache is verified."""
    return f"{cache.name} lite" if dict(cache.options).get("lite") else cache.name
