"""Schedulers by short name and what their classes can do: data. Objects are built in grids.py.

The classes of diffusers that are not here stand in not_run.py, with the reason.
"""

from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.schedulers.own import class_like, is_own, like, own_class
from denoisebench.bench.schedulers.training import completed

_FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
_OF_A_SOLVER = ("algorithm_type", "solver_type", "solver_order")  # each class has its own kinds
_SHIFTS = ("shift", "flow_shift")
_SDE = {"algorithm_type": "sde-dpmsolver++"}
FULL_ORDER = 15  # steps below which some solvers end with a step of lower order
# Spacings of noise levels by the flag use_<name>_sigmas; a scheduler follows one of them.
SIGMAS = ("karras", "exponential", "beta", "flow")
_OTHER_SIGMAS = tuple(f"use_{kind}_sigmas" for kind in SIGMAS[:3])
_VP = ("epsilon", "v_prediction", "sample")  # prediction types


@dataclass(frozen=True)
class ClassFacts:
    """What a diffusers class can do, whatever its flags."""

    solver: str  # family of methods
    predicts: tuple[str, ...]  # prediction types that it can read
    honours: tuple[str, ...] = ()  # of SIGMAS, those that move its noise levels
    takes: tuple[str, ...] = ()  # levels of one's own, as set_timesteps calls them
    seeded_by: str = ""  # argument that its noise comes from; empty where it adds none


CLASSES = {
    "DDPMScheduler": ClassFacts("ddpm", _VP, (), ("timesteps",), "generator"),
    "DDIMScheduler": ClassFacts("ddim", _VP, (), (), "generator"),
    "PNDMScheduler": ClassFacts("pndm", _VP[:2]),
    "LMSDiscreteScheduler": ClassFacts("linear multistep", _VP, SIGMAS[:3]),
    "EulerDiscreteScheduler": ClassFacts(
        "euler", _VP, SIGMAS[:3], ("timesteps", "sigmas"), "generator"
    ),
    "EulerAncestralDiscreteScheduler": ClassFacts("euler", _VP[:2], seeded_by="generator"),
    "HeunDiscreteScheduler": ClassFacts("heun", _VP, SIGMAS[:3], ("timesteps",)),
    "KDPM2DiscreteScheduler": ClassFacts("dpm-solver-2", _VP[:2], SIGMAS[:3]),
    "KDPM2AncestralDiscreteScheduler": ClassFacts(
        "dpm-solver-2", _VP[:2], SIGMAS[:3], seeded_by="generator"
    ),
    "DPMSolverMultistepScheduler": ClassFacts(
        "dpm-solver++", (*_VP, "flow_prediction"), SIGMAS, ("timesteps",), "generator"
    ),
    "DPMSolverSinglestepScheduler": ClassFacts(
        "dpm-solver++", (*_VP, "flow_prediction"), SIGMAS, ("timesteps",), "generator"
    ),
    "DPMSolverSDEScheduler": ClassFacts(
        "dpm-solver++", _VP[:2], SIGMAS[:3], seeded_by="noise_sampler_seed"
    ),
    "DEISMultistepScheduler": ClassFacts("deis", (*_VP, "flow_prediction"), SIGMAS),
    # Takes sigmas of one's own with flow sigmas alone.
    "UniPCMultistepScheduler": ClassFacts("unipc", (*_VP, "flow_prediction"), SIGMAS, ("sigmas",)),
    "SASolverScheduler": ClassFacts(
        "sa-solver", (*_VP, "flow_prediction"), SIGMAS, seeded_by="generator"
    ),
    "LCMScheduler": ClassFacts("consistency", _VP, (), ("timesteps",), "generator"),
    "TCDScheduler": ClassFacts("consistency", _VP, (), ("timesteps",), "generator"),
    # What it calls timesteps are places on its training grid, counted from noise: the last is run
    # first.
    "CMStochasticIterativeScheduler": ClassFacts(
        "consistency", ("epsilon",), (), ("timesteps",), "generator"
    ),
    # What it calls sigmas are places in [0, 1] on its own grid.
    "EDMEulerScheduler": ClassFacts("euler", _VP[:2], seeded_by="generator"),
    "EDMDPMSolverMultistepScheduler": ClassFacts("dpm-solver++", _VP[:2], seeded_by="generator"),
    "FlowMatchEulerDiscreteScheduler": ClassFacts(
        "euler", ("flow_prediction",), SIGMAS[:3], ("timesteps", "sigmas"), "generator"
    ),
    "FlowMatchHeunDiscreteScheduler": ClassFacts(
        "heun", ("flow_prediction",), seeded_by="generator"
    ),
    "FlowMatchLCMScheduler": ClassFacts(
        "consistency", ("flow_prediction",), SIGMAS[:3], ("timesteps", "sigmas"), "generator"
    ),
}


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
    distilled: bool = False  # expects a consistency function that was made of a denoiser

    @property
    def kind(self) -> str:
        """Kind of the models that it drives: `diffusion`, `distilled flow`, …"""
        return f"distilled {self.family}" if self.distilled else self.family

    @property
    def expects_ends(self) -> bool:
        """Whether it takes what a network says for where the flow ends, not for the data's mean."""
        return self.distilled or self.family == "consistency"

    def serves(self, steps: int) -> bool:
        return self.min_steps <= steps <= (self.max_steps or steps)

    def expected_nfe(self, steps: int) -> int:
        a, b = self.evaluations
        return a * steps + b

    def steps_of(self, nfe: int) -> int:
        """Steps that cost so many evaluations."""
        a, b = self.evaluations
        return (nfe - b) // a


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
    "dpmpp_sde": SchedulerSpec(
        "DPMSolverSDEScheduler", "DPM++ SDE", (2, -1), stochastic=True, period=2
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
    "cm_stochastic_iterative": SchedulerSpec(
        "CMStochasticIterativeScheduler", "CM", stochastic=True, family="consistency"
    ),
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


def flags_text(flags: dict[str, Any]) -> str:
    """`karras+solver_order=3`: as they stand behind a scheduler's name and a plus."""
    return "+".join(_flag_text(name, value) for name, value in sorted(flags.items()))


def _flag_text(flag: str, value: Any) -> str:
    short = flag.removeprefix("use_").removesuffix("_sigmas")
    name = short if short in SIGMAS else flag
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return name if value is True else f"{name}={shown.lower() if value is False else shown}"


_OWN: dict[str, tuple[SchedulerSpec, ClassFacts]] = {}  # of the user, by name of the scheduler


def add_own(name: str, spec: SchedulerSpec, facts: ClassFacts) -> None:
    """Adds a scheduler of the user's own, whose class bench/schedulers/own.py knows."""
    _OWN[name] = spec, facts


def spec_of(name: str) -> SchedulerSpec:
    """A scheduler of the catalogue or of the user's own. Raises KeyError for another name."""
    return _OWN[name][0] if name in _OWN else SCHEDULERS[name]


def class_facts(class_name: str) -> ClassFacts:
    """Facts of a class of the catalogue or of the user's own. Raises KeyError for another name."""
    own = (facts for spec, facts in _OWN.values() if spec.class_name == class_name)
    return next(own) if is_own(class_name) else CLASSES[class_name]


def scheduler_class(class_name: str) -> Any:
    """A class of diffusers or of the user's own. Raises UserError when there is none of that
    name."""
    if is_own(class_name):
        return own_class(class_name).cls
    import diffusers

    cls = getattr(diffusers, class_name, None)
    if cls is None:
        raise UserError(f"diffusers {diffusers.__version__} has no scheduler class {class_name}")
    return cls


def scheduler_from(cls: Any, flags: dict[str, Any], model_config: dict[str, Any]) -> Any:
    """An object of the class."""
    laid, takes = laid_over(class_like(cls), flags, model_config), signature(cls).parameters
    config = of_the_model(model_config)
    known = {name: config[name] for name in config if name in takes or name in model_config}
    return cls.from_config(known, **laid)


def of_the_model(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a scheduler's config that describes the model, not the solver it came with, with
    all that the model was trained with in it."""
    left_out = (*_OF_A_SOLVER, *_SHIFTS)
    return {name: value for name, value in completed(config).items() if name not in left_out}


def laid_over(
    class_name: str, flags: dict[str, Any], model_config: dict[str, Any]
) -> dict[str, Any]:
    """The flags with the model's shift of a flow. It has two names: shift in FlowMatch classes and
    flow_shift in those that follow a flow by a flag; a model's config has either. The latter obey
    other sigmas of the model's config before those of the flow, which would not be its levels."""
    shift = next((model_config[name] for name in _SHIFTS if name in model_config), 1.0)
    if like(class_name).startswith("FlowMatch"):
        return {"shift": shift, **flags}
    if not flags.get("use_flow_sigmas"):
        return flags
    return {"flow_shift": shift, **dict.fromkeys(_OTHER_SIGMAS, False), **flags}


def lowers_last_order(class_name: str, config: dict[str, Any]) -> bool:
    """Whether the last step is of lower order below FULL_ORDER steps, and of full order from there.

    Other classes with lower_order_final always lower it, or never. config: with all flags.
    """
    if not config.get("lower_order_final", True):
        return False
    class_name = like(class_name)
    third = config.get("solver_order") == 3 or config.get("final_sigmas_type") == "sigma_min"
    return class_name == "DEISMultistepScheduler" or (
        class_name == "DPMSolverMultistepScheduler" and third
    )
