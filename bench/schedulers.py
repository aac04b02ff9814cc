"""Schedulers by short name, built from the model's own config. Data, then one builder."""

import json
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UserError

_FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
_OF_A_SOLVER = ("algorithm_type", "solver_type", "solver_order")  # each class has its own kinds
_SHIFTS = ("shift", "flow_shift")
_SDE = {"algorithm_type": "sde-dpmsolver++"}
# Below so many steps these classes end with a step of lower order, from there on they do not. Of
# the others some always do and some never do, though all have the flag lower_order_final.
FULL_ORDER = 15
LOWER_ORDER_FINAL = ("DEISMultistepScheduler",)


@dataclass(frozen=True)
class SchedulerSpec:
    """A diffusers class and the flags laid over the model's config."""

    class_name: str
    label: str
    evaluations: tuple[int, int] = (1, 0)  # (a, b): N steps cost a*N + b denoiser evaluations
    flags: dict[str, Any] = field(default_factory=dict)
    order: int | None = None  # of convergence, as published; none where noise is added
    period: int = 1  # evaluations from one finished solver step to the next
    stochastic: bool = False
    min_steps: int = 1
    max_steps: int | None = None
    family: str = "diffusion"  # of the models it can drive; on another it gives noise, no error
    distilled: bool = False  # expects a consistency function, not a denoiser

    def serves(self, steps: int) -> bool:
        return self.min_steps <= steps <= (self.max_steps or steps)

    def expected_nfe(self, steps: int) -> int:
        a, b = self.evaluations
        return a * steps + b


SCHEDULERS = {
    "ddpm": SchedulerSpec("DDPMScheduler", "DDPM", stochastic=True),
    "ddim": SchedulerSpec("DDIMScheduler", "DDIM", order=1),
    # Runge-Kutta start-up off, as in Stable Diffusion's own config; one extra evaluation instead.
    "pndm": SchedulerSpec(
        "PNDMScheduler", "PNDM", (1, 1), {"skip_prk_steps": True}, order=2, min_steps=3
    ),
    "lms": SchedulerSpec("LMSDiscreteScheduler", "LMS", order=4),
    "euler": SchedulerSpec("EulerDiscreteScheduler", "Euler", order=1),
    "euler_a": SchedulerSpec("EulerAncestralDiscreteScheduler", "Euler a", stochastic=True),
    "heun": SchedulerSpec("HeunDiscreteScheduler", "Heun", (2, -1), order=2, period=2),
    "kdpm2": SchedulerSpec("KDPM2DiscreteScheduler", "KDPM2", (2, -1), order=2, period=2),
    "kdpm2_a": SchedulerSpec(
        "KDPM2AncestralDiscreteScheduler", "KDPM2 a", (2, -1), stochastic=True, period=2
    ),
    "dpmpp_2m": SchedulerSpec("DPMSolverMultistepScheduler", "DPM++ 2M", order=2),
    "dpmpp_2m_karras": SchedulerSpec(
        "DPMSolverMultistepScheduler",
        "DPM++ 2M Karras",
        flags={"use_karras_sigmas": True},
        order=2,
    ),
    "dpmpp_3m": SchedulerSpec(
        "DPMSolverMultistepScheduler", "DPM++ 3M", flags={"solver_order": 3}, order=3
    ),
    "dpmpp_2m_sde": SchedulerSpec(
        "DPMSolverMultistepScheduler", "DPM++ 2M SDE", flags=_SDE, stochastic=True
    ),
    "dpmpp_2s": SchedulerSpec(
        "DPMSolverSinglestepScheduler",
        "DPM++ 2S",
        flags={"lower_order_final": True},
        order=2,
        period=2,
    ),
    "dpmpp_3s": SchedulerSpec(
        "DPMSolverSinglestepScheduler",
        "DPM++ 3S",
        flags={"lower_order_final": True, "solver_order": 3},
        order=3,
        period=3,
    ),
    "deis": SchedulerSpec("DEISMultistepScheduler", "DEIS", order=2),
    "deis_3": SchedulerSpec("DEISMultistepScheduler", "DEIS 3", flags={"solver_order": 3}, order=3),
    "unipc": SchedulerSpec("UniPCMultistepScheduler", "UniPC", order=3),
    "unipc_3": SchedulerSpec(
        "UniPCMultistepScheduler", "UniPC 3", flags={"solver_order": 3}, order=4
    ),
    "sa_solver": SchedulerSpec("SASolverScheduler", "SA-Solver", stochastic=True),
    # Their steps are chosen of the 50 that were distilled (original_inference_steps).
    "lcm": SchedulerSpec("LCMScheduler", "LCM", stochastic=True, max_steps=50, distilled=True),
    "tcd": SchedulerSpec("TCDScheduler", "TCD", stochastic=True, max_steps=50, distilled=True),
    "edm_euler": SchedulerSpec("EDMEulerScheduler", "EDM Euler", order=1, family="edm"),
    "edm_dpmpp_2m": SchedulerSpec(
        "EDMDPMSolverMultistepScheduler", "EDM DPM++ 2M", order=2, family="edm"
    ),
    "flow_euler": SchedulerSpec(
        "FlowMatchEulerDiscreteScheduler", "Flow Euler", order=1, family="flow"
    ),
    "flow_euler_sde": SchedulerSpec(
        "FlowMatchEulerDiscreteScheduler",
        "Flow Euler SDE",
        flags={"stochastic_sampling": True},
        stochastic=True,
        family="flow",
    ),
    "flow_heun": SchedulerSpec(
        "FlowMatchHeunDiscreteScheduler", "Flow Heun", (2, -1), order=2, period=2, family="flow"
    ),
    "flow_lcm": SchedulerSpec(
        "FlowMatchLCMScheduler", "Flow LCM", stochastic=True, family="flow", distilled=True
    ),
    "flow_dpmpp_2m": SchedulerSpec(
        "DPMSolverMultistepScheduler", "Flow DPM++ 2M", flags=_FLOW, order=2, family="flow"
    ),
    "flow_unipc": SchedulerSpec(
        "UniPCMultistepScheduler", "Flow UniPC", flags=_FLOW, order=3, family="flow"
    ),
    "flow_deis": SchedulerSpec(
        "DEISMultistepScheduler", "Flow DEIS", flags=_FLOW, order=2, family="flow"
    ),
    "flow_sa_solver": SchedulerSpec(
        "SASolverScheduler", "Flow SA-Solver", flags=_FLOW, stochastic=True, family="flow"
    ),
}


def build_scheduler(class_name: str, flags: str, model_config: dict) -> Any:
    """A fresh scheduler object: the model's own config with the flags (JSON) over it.

    One per trajectory: diffusers' schedulers keep state. Raises UserError for an unknown class.
    """
    return scheduler_from(scheduler_class(class_name), json.loads(flags), model_config)


def scheduler_class(class_name: str) -> Any:
    """A class of diffusers. Raises UserError when there is none of that name."""
    import diffusers

    cls = getattr(diffusers, class_name, None)
    if cls is None:
        raise UserError(f"diffusers {diffusers.__version__} has no scheduler class {class_name}")
    return cls


def scheduler_from(cls: Any, flags: dict[str, Any], model_config: dict) -> Any:
    """An object of the class, from what of a config is the model's and not its own solver's.

    The shift of a flow is called shift by FlowMatch classes, and flow_shift by those that follow a
    flow by a flag; a model's config has the name of the class that it came with.
    """
    left_out = (*_OF_A_SOLVER, *_SHIFTS)
    config = {name: value for name, value in model_config.items() if name not in left_out}
    shift = next((model_config[name] for name in _SHIFTS if name in model_config), 1.0)
    if flags.get("use_flow_sigmas"):
        config["flow_shift"] = shift
    elif cls.__name__.startswith("FlowMatch"):
        config["shift"] = shift
    return cls.from_config(config, **flags)
