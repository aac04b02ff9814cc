"""What pipelines of diffusers ask of a scheduler beyond its family, known before loading."""

import json
from typing import Any

import numpy as np

from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.schedulers.catalogue import SCHEDULERS, SchedulerSpec
from denoisebench.bench.schedulers.grids import build_scheduler

# These give their scheduler noise levels or a shift of their own, not a number of steps alone.
_GIVES_LEVELS = ("FluxPipeline", "QwenImagePipeline", "StableDiffusion3Pipeline", "ZImagePipeline")
_LCM, _LCM_SCHEDULER = "LatentConsistencyModelPipeline", "LCMScheduler"


def refusal(model: FoundModel, spec: SchedulerSpec) -> str:
    """Why a model's pipeline cannot be driven by a scheduler of its kind; empty when it can."""
    if model.pipeline_class == _LCM and spec.class_name != _LCM_SCHEDULER:
        return f"its pipeline ({_LCM}) works with {_LCM_SCHEDULER} alone; choose lcm"
    if takes_levels(model, spec):
        return ""
    alike = [
        name
        for name, other in SCHEDULERS.items()
        if (other.family, other.distilled) == (spec.family, spec.distilled)
        and takes_levels(model, other)
    ]
    return (
        f"its pipeline ({model.pipeline_class}) gives the scheduler noise levels and a shift, "
        f"which {spec.class_name} does not take; choose from {', '.join(alike)}"
    )


def takes_levels(model: FoundModel, spec: SchedulerSpec) -> bool:
    """Whether a scheduler takes what the model's pipeline gives it; found by trying, since each
    scheduler has conditions of its own."""
    if model.pipeline_class not in _GIVES_LEVELS:
        return True
    config = json.loads(model.scheduler_config)
    scheduler = build_scheduler(spec.class_name, spec.flags, config)
    try:
        scheduler.set_timesteps(**_given(model.pipeline_class, scheduler.config))
    except (TypeError, ValueError, AssertionError):
        return False
    return True


def _given(pipeline: str, config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of set_timesteps for two steps, as diffusers 0.42 passes them."""
    levels, count, shift = [1.0, 0.5], {"num_inference_steps": 2}, {"mu": 1.0}
    if pipeline == "ZImagePipeline":
        return {**shift, "sigmas": levels}
    if pipeline == "QwenImagePipeline":
        return {**shift, "sigmas": np.array(levels)}
    if pipeline == "FluxPipeline":
        followed_by_a_flag = config.get("use_flow_sigmas")
        return {**shift, **(count if followed_by_a_flag else {"sigmas": np.array(levels)})}
    return {**shift, **count} if config.get("use_dynamic_shifting") else count
