"""What a model runs with when a user asks for nothing: what a default is compared with."""

from dataclasses import dataclass
from inspect import signature
from typing import Any


@dataclass(frozen=True)
class VendorDefault:
    """Defaults of the pipeline's own call; None where it has none."""

    scheduler: str  # class
    steps: int | None
    guidance: float | None
    shows_by: str = "prompt"  # argument that says what an image shows; empty where none does
    denoiser: str = ""  # as denoiser_words says it; not recorded of old


def denoiser_words(pipeline: Any) -> str:
    """`UNet2DConditionModel of 3,912,345 parameters`: what tells a network from others of its kind
    without reading its weights. Empty for a pipeline that has no network of a known name."""
    parts = (getattr(pipeline, name, None) for name in ("unet", "transformer"))
    denoiser = next((part for part in parts if part is not None), None)
    if denoiser is None:
        return ""
    count = sum(parameter.numel() for parameter in denoiser.parameters())
    return f"{type(denoiser).__name__} of {count:,} parameters"


def vendor_default(pipeline: Any, *, of_classes: bool = False) -> VendorDefault:
    """What a pipeline runs with, and on which network; of_classes: whether that is told classes."""
    parameters = signature(type(pipeline).__call__).parameters

    def number(name: str) -> Any:
        default = parameters[name].default if name in parameters else None
        return default if isinstance(default, int | float) else None

    scheduler = type(pipeline.scheduler).__name__
    shows_by = "prompt" if "prompt" in parameters else "class_labels" if of_classes else ""
    steps, guidance = number("num_inference_steps"), number("guidance_scale")
    return VendorDefault(scheduler, steps, guidance, shows_by, denoiser_words(pipeline))
