"""What a model was trained with, as its own scheduler says, and how a built scheduler differs.

A scheduler that assumes another noise schedule, prediction or range of values gives images all the
same, only worse ones: nothing but this comparison tells.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any

import numpy as np

from denoisebench.bench.remembered import remembered
from denoisebench.bench.schedulers.own import class_like, is_of_user

Config = dict[str, Any]
FAMILIES = ("diffusion", "flow", "edm", "consistency")  # of models, by what drives them
# Off in a class that has no such argument. A key that a model's config lacks means what the
# model's own class does, whatever the default of the class that is built.
SWITCHES = ("clip_sample", "thresholding", "rescale_betas_zero_snr")
_BETAS = ("beta_start", "beta_end", "beta_schedule", "trained_betas")
_OF_TRAINING = (
    *SWITCHES,
    *_BETAS,
    "num_train_timesteps",
    "prediction_type",
    "clip_sample_range",
    "dynamic_thresholding_ratio",
    "sample_max_value",
    "sigma_min",
    "sigma_max",
    "sigma_data",
    "timestep_type",
)
_EVERYWHERE = ("linear", "scaled_linear", "squaredcos_cap_v2")  # schedules that every class knows
_KARRAS = ("edm", "consistency")  # families on the noise levels of Karras et al. (2022)
_CLIP = ("clip_sample", "clip_denoised")  # what classes call the switch
_LARGEST = 8.3  # half log-SNR of what stands for none: some classes keep a signal of 2^-12
_NEARLY = 0.01  # of half log-SNR: rounding in single precision


@dataclass(frozen=True)
class Training:
    """What a scheduler assumes of the training of the model that it drives."""

    family: str  # of models, as family_of names it
    timesteps: int
    predicts: str
    told: str  # what the model is told at a step: a discrete timestep, or a continuous level
    levels: tuple[float, ...]  # half log-SNR by timestep; ends of Karras' sigmas; of a flow none
    clips: float | None  # size to which estimates of clean data are cut
    thresholds: tuple[float, float] | None  # quantile and largest size of dynamic thresholding


@dataclass(frozen=True)
class Difference:
    """One point in which a scheduler is not what the model was trained with."""

    text: str
    flags: tuple[str, ...] = ()  # of the scheduler, by which a user can ask for it


def config_of(scheduler: Any) -> Config:
    """A scheduler's config as its file has it: with its class, without untouched defaults."""
    defaults = {name: p.default for name, p in signature(type(scheduler)).parameters.items()}
    unset = scheduler.config.get("_use_default_values", ())
    given = {
        name: value
        for name, value in scheduler.config.items()
        if name != "_use_default_values"
        and not (name in unset and value == defaults.get(name, value))
    }
    return {**given, "_class_name": type(scheduler).__name__}


def own_scheduler(config: Config) -> Any:
    """The model's own, fresh; None where diffusers has no class of the name that the config has.

    Raises what the class raises at a config that it cannot be made from.
    """
    cls = _own_class(config)
    return None if cls is None else cls.from_config(config)


def completed(config: Config) -> Config:
    """A model's config with all that it was trained with in it; one without a class as it is."""
    cls = _own_class(config)
    if cls is None:
        return config
    defaults = {name: p.default for name, p in signature(cls).parameters.items()}
    said = {**dict.fromkeys(SWITCHES, False), **defaults, **config}
    training = {name: said[name] for name in _OF_TRAINING if name in said}
    return {**config, **training, **_own_betas(_as_json(config))}


def family_of(class_name: str, config: Mapping[str, Any]) -> str:
    """The family of models that a scheduler with such a config drives; on others it gives noise:
    diffusion, edm, consistency or flow.

    A class whose noise schedule cannot be read is a family by itself.
    """
    if class_name.startswith("FlowMatch") or config.get("use_flow_sigmas"):
        return "flow"
    if class_name.startswith("EDM"):
        return "edm"
    if class_name.startswith("CMStochastic"):
        return "consistency"
    return "diffusion" if _has_betas(class_name) else class_name


@remembered
def _has_betas(class_name: str) -> bool:
    """Whether diffusers has such a class, with a noise schedule that can be read."""
    cls = _own_class({"_class_name": class_name})
    return cls is not None and "beta_schedule" in signature(cls).parameters


def training_of(scheduler: Any) -> Training:
    """What a scheduler object assumes. Keys of its config that it has no argument for are those of
    other classes and do nothing."""
    takes = signature(type(scheduler)).parameters
    says = {name: value for name, value in scheduler.config.items() if name in takes}
    family = family_of(class_like(type(scheduler)), scheduler.config)
    limits = says.get("dynamic_thresholding_ratio", 0.0), says.get("sample_max_value", 1.0)
    return Training(
        family=family,
        timesteps=says.get("num_train_timesteps", 0),
        predicts=says.get("prediction_type", _usual_prediction(family, type(scheduler))),
        told=says.get("timestep_type", "discrete"),
        levels=_levels(family, scheduler),
        clips=says.get("clip_sample_range", 1.0) if any(map(says.get, _CLIP)) else None,
        thresholds=limits if says.get("thresholding") else None,
    )


def _usual_prediction(family: str, cls: Any) -> str:
    """What a class reads that has no argument for it."""
    if family == "flow":
        return "flow_prediction"
    return "epsilon" if is_of_user(cls) else ""


def differences(own: Training, built: Training) -> Iterator[Difference]:
    """Every point in which a built scheduler is not what the model was trained with."""
    if own.timesteps != built.timesteps:
        yield Difference(f"runs on {built.timesteps} training timesteps, not {own.timesteps}")
    if own.predicts != built.predicts:
        yield Difference(f"reads {built.predicts}, not {own.predicts}")
    if own.told != built.told:
        yield Difference(f"tells the model {built.told} timesteps, not {own.told} ones")
    if own.family != built.family or not _near(own.levels, built.levels):
        yield Difference(
            f"runs on another noise schedule ({_ends(built)}, the model's {_ends(own)})",
            ("rescale_betas_zero_snr",) if _has_signal(own) != _has_signal(built) else (),
        )
    if own.clips != built.clips:
        yield Difference(
            f"{_clipping(built.clips)} and the model's own {_clipping(own.clips)}",
            (*_CLIP, "clip_sample_range"),
        )
    if own.thresholds != built.thresholds:
        yield Difference(
            f"{_thresholding(built.thresholds)} and the model's own "
            f"{_thresholding(own.thresholds)}",
            ("thresholding", "dynamic_thresholding_ratio", "sample_max_value"),
        )


def _own_class(config: Config) -> Any:
    import diffusers

    return getattr(diffusers, str(config.get("_class_name")), None)


def _as_json(config: Config) -> str:
    return json.dumps(config, sort_keys=True, default=lambda array: np.asarray(array).tolist())


@cache
def _own_betas(config: str) -> Config:
    """The model's own schedule in numbers, where other classes do not know it by name."""
    scheduler = own_scheduler(json.loads(config))
    takes = signature(type(scheduler)).parameters
    by_name = set(_BETAS) <= set(takes) and "snr_shift_scale" not in takes
    if not hasattr(scheduler, "alphas_cumprod"):
        return {}
    if by_name and scheduler.config.beta_schedule in _EVERYWHERE:
        return {}
    signal = np.asarray(scheduler.alphas_cumprod, dtype=np.float64)
    betas = 1 - signal / np.concatenate([[1.0], signal[:-1]])
    return {"trained_betas": betas.tolist(), "beta_schedule": "linear"}


def _levels(family: str, scheduler: Any) -> tuple[float, ...]:
    if family in _KARRAS:
        config = scheduler.config
        return config.sigma_min, config.sigma_max, config.sigma_data
    if family != "diffusion":
        return ()
    signal = np.asarray(scheduler.alphas_cumprod, dtype=np.float64)
    with np.errstate(divide="ignore"):
        ratios = np.log(signal / (1 - signal)) / 2
    return tuple(np.clip(ratios, -_LARGEST, _LARGEST).tolist())


def _near(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return len(one) == len(other) and bool(np.allclose(one, other, rtol=0, atol=_NEARLY))


def _has_signal(training: Training) -> bool:
    """Whether the last training timestep shows anything of the data."""
    return training.family != "diffusion" or training.levels[-1] > 0.99 * -_LARGEST


def _ends(training: Training) -> str:
    """`sigma 0.029 to 14.6`, with noise over signal as sigma."""
    if training.family == "flow":
        return "a flow"
    if not training.levels:
        return training.family
    if training.family in _KARRAS:
        return "sigma {:.3g} to {:.3g}".format(*training.levels[:2])
    last = f"{np.exp(-training.levels[-1]):.3g}" if _has_signal(training) else "no signal"
    return f"sigma {np.exp(-training.levels[0]):.3g} to {last}"


def _clipping(size: float | None) -> str:
    return "does not clip" if size is None else f"clips at {size:g}"


def _thresholding(limits: tuple[float, float] | None) -> str:
    if limits is None:
        return "does not threshold"
    return f"thresholds at the quantile {limits[0]:g} and {limits[1]:g}"
