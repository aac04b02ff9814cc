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


def vendor_default(pipeline: Any, *, of_classes: bool = False) -> VendorDefault:
    """What a pipeline runs with; of_classes: whether its network is told classes."""
    parameters = signature(type(pipeline).__call__).parameters

    def number(name: str) -> Any:
        default = parameters[name].default if name in parameters else None
        return default if isinstance(default, int | float) else None

    scheduler = type(pipeline.scheduler).__name__
    shows_by = "prompt" if "prompt" in parameters else "class_labels" if of_classes else ""
    steps, guidance = number("num_inference_steps"), number("guidance_scale")
    return VendorDefault(scheduler, steps, guidance, shows_by)
