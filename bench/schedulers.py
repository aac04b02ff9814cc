"""Schedulers by short name, built from the model's own config. Data, then one builder."""

import json
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UserError


@dataclass(frozen=True)
class SchedulerSpec:
    """A diffusers class and the flags laid over the model's config."""

    class_name: str
    label: str
    evaluations: tuple[int, int] = (1, 0)  # (a, b): N steps cost a*N + b denoiser evaluations
    flags: dict[str, Any] = field(default_factory=dict)
    stochastic: bool = False
    min_steps: int = 1
    family: str = "diffusion"  # of the models it can drive; on another it gives noise, no error

    def expected_nfe(self, steps: int) -> int:
        a, b = self.evaluations
        return a * steps + b


SCHEDULERS = {
    "ddpm": SchedulerSpec("DDPMScheduler", "DDPM", stochastic=True),
    "ddim": SchedulerSpec("DDIMScheduler", "DDIM"),
    # Runge-Kutta start-up off, as in Stable Diffusion's own config; one extra evaluation instead.
    "pndm": SchedulerSpec("PNDMScheduler", "PNDM", (1, 1), {"skip_prk_steps": True}, min_steps=3),
    "euler": SchedulerSpec("EulerDiscreteScheduler", "Euler"),
    "euler_a": SchedulerSpec("EulerAncestralDiscreteScheduler", "Euler a", stochastic=True),
    "heun": SchedulerSpec("HeunDiscreteScheduler", "Heun", (2, -1)),
    "dpmpp_2m": SchedulerSpec("DPMSolverMultistepScheduler", "DPM++ 2M"),
    "dpmpp_2m_karras": SchedulerSpec(
        "DPMSolverMultistepScheduler", "DPM++ 2M Karras", flags={"use_karras_sigmas": True}
    ),
    "unipc": SchedulerSpec("UniPCMultistepScheduler", "UniPC"),
    "flow_euler": SchedulerSpec("FlowMatchEulerDiscreteScheduler", "Flow Euler", family="flow"),
    "flow_heun": SchedulerSpec(
        "FlowMatchHeunDiscreteScheduler", "Flow Heun", (2, -1), family="flow"
    ),
}


def build_scheduler(class_name: str, flags: str, model_config: dict) -> Any:
    """A fresh scheduler object: the model's own config with the flags (JSON) over it.

    One per trajectory: diffusers' schedulers keep state. Raises UserError for an unknown class.
    """
    import diffusers

    cls = getattr(diffusers, class_name, None)
    if cls is None:
        raise UserError(f"diffusers {diffusers.__version__} has no scheduler class {class_name}")
    return cls.from_config(model_config, **json.loads(flags))
