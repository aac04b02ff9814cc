"""Tasks that start from an image: which pipeline of diffusers does them, and what strength leaves.

Strength s starts from the image with the noise that is left after a share 1 - s of the steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

WITH_INPUTS = ("img2img", "inpaint")
# Where diffusers tells a network that does not see the mask by the number of its input channels.
_PLAIN_INPUTS = {
    "StableDiffusionInpaintPipeline": ("unet", 4),
    "StableDiffusionXLInpaintPipeline": ("unet", 4),
    "StableDiffusion3InpaintPipeline": ("transformer", 16),
}


DISTILLED_TIMESTEPS = 50  # of which LCM chooses its own: original_inference_steps


def spreads_steps(pipeline_class: str, task: str) -> bool:
    """Whether all steps are run whatever the strength, over what it leaves of the trajectory."""
    return task == "img2img" and pipeline_class == "LatentConsistencyModelPipeline"


def executed_steps(steps: int, strength: float, family: str, *, consistency: bool = False) -> int:
    """Steps that img2img and inpaint run of those asked for, as diffusers rounds them.

    Pipelines of diffusion models run int(steps * strength), those of flows leave out
    int(steps - steps * strength). Latent consistency's own img2img (consistency) spreads all its
    steps over the rest of the trajectory.
    """
    if consistency:
        return steps
    kept = min(steps * strength, steps)
    return steps - int(steps - kept) if family == "flow" else int(kept)


@cache
def task_class(pipeline_class: str, task: str) -> Any:
    """The class of diffusers that does a task with the parts of another; None if there is none."""
    from diffusers import StableDiffusionInpaintPipeline
    from diffusers.pipelines import auto_pipeline

    mappings = {
        "img2img": auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
        "inpaint": auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING,
    }
    cls = auto_pipeline._get_task_class(mappings[task], pipeline_class, False)
    if cls is None and pipeline_class == "LatentConsistencyModelPipeline" and task == "inpaint":
        return StableDiffusionInpaintPipeline  # it takes guidance as an input too
    return cls


def task_pipeline(pipeline: Any, task: str) -> Any:
    """A pipeline that does the task with the same modules."""
    if task not in WITH_INPUTS:
        return pipeline
    able = task_class(type(pipeline).__name__, task).from_pipe(pipeline)
    able.set_progress_bar_config(disable=True)
    return able


@contextmanager
def any_latents(pipeline: Any) -> Iterator[None]:
    """Lets diffusers' inpainting take any number of latent channels, within the context.

    It refuses all but 4 and 9 (16 and 33 of Stable Diffusion 3), though nothing else depends on the
    number: networks that do not see the mask keep what is outside by blending latents.
    """
    part, expected = _PLAIN_INPUTS.get(type(pipeline).__name__, ("", 0))
    network = getattr(pipeline, part, None)
    inputs = network.config.in_channels if network else None
    if network is None or inputs != pipeline.vae.config.latent_channels:
        yield
        return
    network.register_to_config(in_channels=expected)
    try:
        yield
    finally:
        network.register_to_config(in_channels=inputs)
