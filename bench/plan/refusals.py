"""What pipelines of diffusers ask of a scheduler beyond its family, known before loading."""

import json
from collections.abc import Iterator
from functools import cache
from inspect import Parameter, signature
from typing import Any

import numpy as np

from denoisebench.bench.models.load import FoundModel
from denoisebench.bench.models.pipelines import SEVERAL, Handed, PipelineFacts, facts_of
from denoisebench.bench.schedulers.catalogue import SchedulerSpec
from denoisebench.bench.schedulers.grids import build_scheduler
from denoisebench.bench.schedulers.own import like

_LCM, _LCM_SCHEDULER = "LatentConsistencyModelPipeline", "LCMScheduler"
_LEVELS = [1.0, 0.5]


def refusal(model: FoundModel, spec: SchedulerSpec) -> str:
    """Why a model's pipeline cannot be driven by a scheduler of its kind; empty when it can."""
    if model.pipeline_class == _LCM and like(spec.class_name) != _LCM_SCHEDULER:
        return f"its pipeline ({_LCM}) works with {_LCM_SCHEDULER} alone"
    reason = _reason(model, spec)
    return f"its pipeline ({model.pipeline_class}) {reason}" if reason else ""


def takes_levels(model: FoundModel, spec: SchedulerSpec) -> bool:
    """Whether a scheduler takes what the model's pipeline gives it; found by trying, since each
    scheduler has conditions of its own."""
    return not _reason(model, spec)


def _reason(model: FoundModel, spec: SchedulerSpec) -> str:
    flags = json.dumps(spec.flags, sort_keys=True)
    return _found(model.pipeline_class, spec.class_name, flags, config=model.scheduler_config)


@cache
def _found(pipeline: str, class_name: str, flags: str, *, config: str) -> str:
    own = json.loads(config)
    facts = facts_of(pipeline)
    if facts is None:
        return ""
    if facts.handed == SEVERAL and own.get("_class_name") != like(class_name):
        return f"treats schedulers by their class, and is known with {own.get('_class_name')} alone"
    try:
        scheduler = build_scheduler(class_name, json.loads(flags), own)
    except Exception:  # said where schedulers are compared with the model's own
        return ""
    return next(_reasons(facts, scheduler), "")


def _reasons(facts: PipelineFacts, scheduler: Any) -> Iterator[str]:
    handed = facts.handed if isinstance(facts.handed, Handed) else Handed(mu="dynamic")
    if not _is_taken(handed, scheduler):
        levels = "noise levels and a shift" if handed != Handed() else "a number of steps alone"
        yield f"gives the scheduler {levels}, which this scheduler does not take"
        return
    takes = signature(scheduler.step).parameters
    takes_any = any(argument.kind is Parameter.VAR_KEYWORD for argument in takes.values())
    lacking = [name for name in facts.step_takes if not (takes_any or name in takes)]
    if lacking:
        yield f"gives each step {', '.join(lacking)}, which this scheduler does not take"
    if not facts.scales and _scales(scheduler):
        yield "does not scale what its network sees, as this scheduler needs"
    if not facts.starts and not np.isclose(float(getattr(scheduler, "init_noise_sigma", 1)), 1):
        yield "starts from noise of variance 1, and this scheduler from another"


def _is_taken(handed: Handed, scheduler: Any) -> bool:
    try:
        scheduler.set_timesteps(**_given(handed, scheduler.config))
    except (TypeError, ValueError, AssertionError, AttributeError):
        return False
    return True


def _given(handed: Handed, config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of set_timesteps for two steps; for four where their number is all that is given,
    as some classes start with others."""
    given: dict[str, Any] = {}
    if handed.mu == "always" or (handed.mu and config.get("use_dynamic_shifting")):
        given["mu"] = 1.0
    if handed.timesteps:
        given["timesteps"] = np.array([1000.0, 500.0])
    if handed.sigmas and not (handed.unless_flow and config.get("use_flow_sigmas")):
        given["sigmas"] = _as(handed.sigmas)
    return given if {"sigmas", "timesteps"} & set(given) else {**given, "num_inference_steps": 4}


def _as(kind: str) -> Any:
    if kind == "list":
        return _LEVELS
    if kind == "array":
        return np.array(_LEVELS)
    import torch

    return torch.tensor(_LEVELS)


def _scales(scheduler: Any) -> bool:
    """Whether it changes what a network is to see of a state; its timesteps are set."""
    import torch

    if not hasattr(scheduler, "scale_model_input"):
        return False
    x = torch.ones(1, 1, 2, 2)
    return not torch.allclose(scheduler.scale_model_input(x, scheduler.timesteps[0]), x)
