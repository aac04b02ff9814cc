"""The defects of the schedulers of diffusers 0.42, as `denoisebench verify` measured them: data."""

from functools import partial

import numpy as np

from denoisebench.bench.schedulers.known import Config, Known

_SIGMA_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
_TO_CLEAN_DATA = (
    "DDIMScheduler",
    "DDPMScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "UniPCMultistepScheduler",
)
_EXPONENTIAL_SOLVERS = (
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
    "SASolverScheduler",
)
_SPACED = (*_TO_CLEAN_DATA, "DEISMultistepScheduler", "SASolverScheduler")
_VP = ("scaled_linear", "linear", "cosine", "zero_snr")
_BETA = (
    *_EXPONENTIAL_SOLVERS,
    "EulerDiscreteScheduler",
    "LMSDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
)
_FLOW_MATCH = (
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
)


def _is_spaced(spacing: str, config: Config, steps: int) -> bool:
    return bool(config.get("timestep_spacing") == spacing)


def _trailing_drifts(config: Config, steps: int) -> bool:
    return config.get("timestep_spacing") == "trailing" and bool(_trained(config) % steps)


def _one_too_many(config: Config, steps: int) -> bool:
    """Exactly as diffusers makes the timesteps: rounding errors of arange add one."""
    made = len(np.arange(_trained(config), 0, -_trained(config) / steps))
    return config.get("timestep_spacing") == "trailing" and made != steps


def _repeats_a_timestep(config: Config, steps: int) -> bool:
    """Where rounded timesteps of dense noise levels coincide: by path, the least such steps."""
    if not any(config.get(flag) for flag in _SIGMA_FLAGS):
        return False
    beta = bool(config.get("use_beta_sigmas"))
    if config.get("beta_schedule") == "squaredcos_cap_v2":
        return steps >= (3 if beta else 4 if config.get("use_karras_sigmas") else 6)
    if config.get("rescale_betas_zero_snr"):
        return steps >= (4 if beta else 21)
    return beta and config.get("beta_schedule") == "scaled_linear" and steps >= 32


def _cosine(config: Config) -> bool:
    return config.get("beta_schedule") == "squaredcos_cap_v2"


def _early_cosine(config: Config, steps: int) -> bool:
    """Whether ancestral KDPM2 was seen to give NaN at so many steps."""
    dense = config.get("use_karras_sigmas") or config.get("use_beta_sigmas")
    linear = config.get("beta_schedule") == "linear" and steps <= (4 if dense else 2)
    return linear or (_cosine(config) and (bool(dense) or steps <= 10))


def _shifted(config: Config, steps: int) -> bool:
    return config.get("shift", 1.0) != 1.0 and not config.get("use_dynamic_shifting")


def _trained(config: Config) -> int:
    return int(config.get("num_train_timesteps", 1000))


DEFECTS = (
    Known(
        "trailing-drift",
        ("DDIMScheduler", "PNDMScheduler"),
        {"timesteps": 5.1, "timestep bias": 3.3, "bump": 6.1},
        "with trailing spacing the state runs ahead of its timesteps when the steps do not divide "
        "the training timesteps: quality jumps up and down between neighbouring step counts",
        "use 10, 20, 25, 40, 50 or 100 steps",
        ("euler",),
        grids=("trailing",),
        issues=(9261,),
        hits=_trailing_drifts,
    ),
    Known(
        "linspace-stride",
        ("DDIMScheduler", "PNDMScheduler"),
        {"timesteps": 94, "timestep bias": 55, "residual noise": 6.4},
        "with linspace spacing a step goes to t - 1000 // N while the next timestep lies further "
        "down: the state is noisier or cleaner than the model is told",
        "set scheduler.flags.timestep_spacing=trailing",
        ("euler",),
        grids=("linspace",),
        issues=(12633, 11347),
        hits=partial(_is_spaced, "linspace"),
    ),
    Known(
        "trailing-extra-step",
        _SPACED,
        {"nfe": 2.4},
        "at some step counts (61, 103, 121, …) trailing spacing makes one timestep too many, the "
        "last one -1: one evaluation more, and DDIM and PNDM return noise",
        "use one step more or fewer",
        grids=("trailing",),
        hits=_one_too_many,
    ),
    Known(
        "leading-start",
        _SPACED,
        {"start": 0.24},
        "with leading spacing, as many models ship it, the first step is told less noise than "
        "there is, the more so the fewer the steps: part of a curve comes of that, not of the "
        "scheduler",
        "set scheduler.flags.timestep_spacing=trailing",
        grids=("leading",),
        hits=partial(_is_spaced, "leading"),
    ),
    Known(
        "last-jump-soft",
        (*_TO_CLEAN_DATA, "DPMSolverSinglestepScheduler"),
        {"fine detail": 1.2},
        "with evenly spaced timesteps the last step starts far from clean data: the finest detail "
        "comes out soft at 20 steps, with KDPM2 gritty, whatever the order of the solver",
        "use karras sigmas where the scheduler takes them, or more steps",
        grids=("trailing", "linspace", "leading", "native"),
    ),
    Known(
        "last-sigma-repeated",
        ("flow_deis", "flow_sa_solver"),
        {"residual noise": 367, "last step": 1.1},
        "the last noise level is used twice, so the last step does nothing and noise stays in the "
        "result: 1/8 of it at 8 steps",
        "",
        ("flow_dpmpp_2m", "flow_unipc"),
        issues=(6477,),
        hits=lambda config, steps: bool(config.get("use_flow_sigmas")),
    ),
    Known(
        "smallest-level-left",
        ("deis", "deis_3", "sa_solver", "PNDMScheduler", "TCDScheduler"),
        {"residual noise": 1.3, "last step": 0.25},
        "the result keeps the smallest training noise level (0.03 with Stable Diffusion's "
        "schedule): the last step does not go to clean data",
        "use dpmpp_2m or unipc, which go to clean data, where this much noise matters",
        issues=(6477,),
    ),
    Known(
        "shift-applied-twice",
        _FLOW_MATCH,
        {"training grid": 1.4},
        "a static shift is applied to the smallest noise level twice: the last step starts from "
        "shift times the noise that the model was trained to end with",
        "give sigmas of your own, or shift=1 with shifted sigmas",
        grids=("native",),
        paths=("flow_shift3",),
        issues=(13243,),
        hits=_shifted,
    ),
    Known(
        "half-the-variance",
        ("flow_euler_sde",),
        {"variance": 0.40, "wrong mode": 0.22, "fine detail": 0.58},
        "with stochastic_sampling=True the denoised mean is taken for a sample: results have half "
        "the variance of the data, however many steps",
        "leave stochastic_sampling off, unless the model is distilled for it",
        hits=lambda config, steps: bool(config.get("stochastic_sampling")),
    ),
    Known(
        "duplicate-timesteps",
        _EXPONENTIAL_SOLVERS,
        {"runs": 6.0},
        "noise levels close to the start round to the same timestep, and the scheduler stops with "
        "an IndexError or AssertionError",
        "use fewer steps, or no karras, exponential or beta sigmas with this noise schedule",
        paths=_VP,
        issues=(12771,),
        says="^(IndexError|AssertionError)",
        hits=_repeats_a_timestep,
    ),
    Known(
        "ancestral-nan",
        ("EulerAncestralDiscreteScheduler",),
        {"runs": 1.2},
        "rounding makes the root of a negative number: NaN at 3 steps (trailing) or 4 (linspace) "
        "with the cosine schedule",
        "use another number of steps",
        paths=("cosine",),
        issues=(14213,),
        says="^NaN",
        hits=lambda config, steps: _cosine(config) and steps in (3, 4),
    ),
    Known(
        "kdpm2-nan",
        ("KDPM2DiscreteScheduler",),
        {"runs": 3.6},
        "with karras sigmas of the cosine schedule two noise levels coincide: NaN",
        "use other sigmas, or another scheduler",
        paths=("cosine",),
        grids=("karras",),
        says="^NaN",
        hits=lambda config, steps: _cosine(config) and bool(config.get("use_karras_sigmas")),
    ),
    Known(
        "kdpm2-ancestral-nan",
        ("KDPM2AncestralDiscreteScheduler",),
        {"runs": 7.2},
        "rounding of large noise levels gives NaN: at few steps of the cosine schedule and at two "
        "of the linear one, at most step counts with karras or beta sigmas",
        "use another scheduler with these noise schedules",
        paths=("cosine", "linear"),
        issues=(14213,),
        says="^NaN",
        hits=_early_cosine,
    ),
    Known(
        "start-up-order",
        ("lms", "dpmpp_3m", "deis_3", "unipc_3"),
        {"order": 1.5},
        "the first steps are of lower order, and their error stays: the full order is not reached",
        "expect the order that was measured, and no gain over order 2 at few steps",
    ),
    Known(
        "last-orders-lowered",
        ("dpmpp_3m", "unipc_3"),
        {"final order": 2.3},
        "the last steps before clean data are of lower order (lower_order_final), and the smallest "
        "noise is taken away less exactly than the rest",
        "expect no gain over order 2 in the finest detail",
    ),
    Known(
        "last-step-extrapolates",
        ("LMSDiscreteScheduler",),
        {"last step": 0.13},
        "the step to clean data extrapolates from the steps before: the result is not the model's "
        "own estimate, and overshoots where these steps are large",
        "use karras sigmas with LMS, or another scheduler at few steps",
    ),
    Known(
        "add-noise-off-grid",
        ("SASolverScheduler",),
        {"added noise": 2.6},
        "add_noise reads the noise off whole training timesteps of a diffusion, not off the "
        "scheduler's sigmas: img2img starts 7 % off with exponential sigmas, and on another path "
        "with flow sigmas",
        "use another scheduler for img2img and inpainting",
        grids=("exponential", "as configured"),
    ),
    Known(
        "tcd-soft",
        ("TCDScheduler",),
        {"variance": 0.18},
        "on an exact denoiser the result has 12 to 15 % less contrast than the data",
        "use it with models that were distilled for it",
        paths=("linear",),
    ),
    Known(
        "truncated-timesteps",
        _EXPONENTIAL_SOLVERS,
        {"timesteps": 1.2, "timestep bias": 0.73},
        "timesteps of exponential and beta sigmas are cut to whole numbers, not rounded: the model "
        "is told up to one timestep too little noise. That costs up to 0.02 standard deviations at "
        "20 steps, and much more with beta sigmas on a linear schedule",
        "use karras sigmas, whose timesteps are rounded, or euler, heun or lms, which keep "
        "fractions",
        grids=("exponential", "beta"),
    ),
    Known(
        "truncated-flow-timesteps",
        ("flow_dpmpp_2m", "flow_unipc", "flow_deis", "flow_sa_solver"),
        {"timesteps": 1.3, "timestep bias": 0.76},
        "timesteps of flow sigmas are cut to whole numbers, not rounded: the model is told up to "
        "one timestep too little noise",
        "nothing to do: it costs less than 0.01 standard deviations at 20 steps",
    ),
    Known(
        "beta-sigmas-sparse",
        _BETA,
        {
            "band gain": 7.3,
            "fine detail": 8.7,
            "variance": 3.1,
            "wrong mode": 0.20,
            "last step": 14,
        },
        "beta sigmas leave few steps for small noise where the schedule starts high: contrast "
        "comes out wrong at 20 steps, on a cosine schedule by any factor",
        "use trailing spacing, or karras sigmas with Stable Diffusion's schedule",
        grids=("beta",),
        hits=lambda config, steps: bool(config.get("use_beta_sigmas")),
    ),
    Known(
        "cosine-overshoot",
        ("HeunDiscreteScheduler", "PNDMScheduler"),
        {"band gain": 4.8, "fine detail": 0.55},
        "the cosine schedule starts at sigma = 20,000, from where these solvers overshoot: "
        "contrast is many times too strong below 100 steps",
        "",
        ("dpmpp_2m", "unipc"),
        grids=("trailing", "linspace", "karras"),
        paths=("cosine",),
        hits=lambda config, steps: (
            _cosine(config) and config.get("timestep_spacing") != "leading" and steps < 100
        ),
    ),
    Known(
        "high-karras-soft",
        ("EulerDiscreteScheduler", "LMSDiscreteScheduler"),
        {"band gain": 0.48, "fine detail": 0.55},
        "karras sigmas of the cosine and zero-SNR schedules start in the thousands: most steps go "
        "to noise without any signal, and contrast is too weak below 30 steps",
        "use trailing spacing without karras sigmas",
        grids=("karras",),
        paths=("cosine", "zero_snr"),
        hits=lambda config, steps: (
            (_cosine(config) or bool(config.get("rescale_betas_zero_snr")))
            and bool(config.get("use_karras_sigmas"))
            and steps < 30
        ),
    ),
    Known(
        "flow-shift-jump",
        ("flow_euler", "flow_dpmpp_2m", "flow_unipc", "flow_deis"),
        {"fine detail": 0.80},
        "a shift takes steps from small noise: the last ones jump far, and the finest detail comes "
        "out soft at 20 steps, with DEIS gritty",
        "use more steps, or flow_heun",
        paths=("flow_shift3",),
    ),
    Known(
        "flow-karras-start",
        ("flow_euler",),
        {"band gain": 0.73, "wrong mode": 0.23},
        "karras and exponential sigmas leave few steps near pure noise, where a flow decides what "
        "the image is: too little contrast, samples in the wrong mode",
        "use the native sigmas, with a shift if need be",
        grids=("karras", "exponential"),
        hits=lambda config, steps: any(config.get(flag) for flag in _SIGMA_FLAGS[:2]),
    ),
    Known(
        "pndm-velocity",
        ("PNDMScheduler",),
        {"prediction types": 0.13, "order": 1.3},
        "with v_prediction the second evaluation mixes two noise levels, and the order falls to 1",
        "use another scheduler with v_prediction models",
        hits=lambda config, steps: config.get("prediction_type") == "v_prediction",
    ),
    Known(
        "single-precision",
        ("lms", "deis_3"),
        {"single precision": 0.0027, "bump": 1.6},
        "coefficients are computed from close numbers in single precision, and errors grow with "
        "the steps",
        "use fewer steps",
        hits=lambda config, steps: steps > 50,
    ),
)
