"""What a model was trained with, against what a scheduler that is built for it assumes."""

import json

import numpy as np
import pytest
from diffusers import CogVideoXDDIMScheduler, DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler

from denoisebench.bench.schedulers.catalogue import SCHEDULERS, scheduler_class
from denoisebench.bench.schedulers.grids import build_scheduler, noise_level
from denoisebench.bench.schedulers.training import (
    config_of,
    differences,
    family_of,
    own_scheduler,
    training_of,
)
from denoisebench.bench.schedulers.trial import PASSED, trial

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ZERO_SNR = {
    "_class_name": "DDIMScheduler",
    **SD,
    "clip_sample": False,
    "rescale_betas_zero_snr": True,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
}
# Of those that drive diffusion models: what Lin et al. (2023) need, an argument of the class.
LACK_ZERO_SNR = {
    *("pndm", "lms", "heun", "kdpm2", "kdpm2_a", "dpmpp_sde", "dpmpp_2s", "dpmpp_3s"),
    *("deis", "deis_3", "sa_solver"),
}
LEARNED = {"steps": 6, "grid": "native", "variance": PASSED, "channels": 3}
CONTINUOUS = {
    "_class_name": "EulerDiscreteScheduler",
    **SD,
    "timestep_type": "continuous",
    "prediction_type": "v_prediction",
    "sigma_min": 0.002,
    "sigma_max": 700.0,
}


def of_family(family):
    return {n: s for n, s in SCHEDULERS.items() if s.family == family and not s.distilled}


def differing(config):
    """By scheduler of the model's family, in what it is not what the model was trained with."""
    own = training_of(own_scheduler(config))
    found = {}
    for name, spec in of_family(own.family).items():
        built = training_of(build_scheduler(spec.class_name, spec.flags, config))
        found[name] = [difference.text for difference in differences(own, built)]
    return {name: texts for name, texts in found.items() if texts}


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "DPMSolverMultistepScheduler", "beta_schedule": "linear"},
        {"_class_name": "DPMSolverSinglestepScheduler", "beta_schedule": "squaredcos_cap_v2"},
        {"_class_name": "PNDMScheduler", **SD, "skip_prk_steps": True},
        {"_class_name": "EulerDiscreteScheduler", **SD},
        {"_class_name": "HeunDiscreteScheduler"},
        {"_class_name": "UniPCMultistepScheduler", "num_train_timesteps": 500},
    ],
)
def test_a_key_that_a_config_lacks_means_what_the_models_own_class_does(config):
    """Betas of other defaults, clipping that the class does not know: no scheduler differs."""
    assert differing(config) == {}
    for name in ("ddim", "ddpm"):
        made = build_scheduler(SCHEDULERS[name].class_name, {}, config)
        assert made.config.clip_sample is False


def test_a_scheduler_that_cannot_clip_is_not_that_of_a_model_whose_own_does():
    found = differing({"_class_name": "DDPMScheduler"})
    assert set(found) == set(of_family("diffusion")) - {"ddim", "ddpm", "heun"}
    assert set(map(tuple, found.values())) == {("does not clip and the model's own clips at 1",)}


def test_dynamic_thresholding_is_that_of_the_model():
    limits = {"dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5}
    config = {"_class_name": "DDIMScheduler", "clip_sample": False, "thresholding": True, **limits}
    found = differing(config)
    assert not {"ddim", "ddpm", "dpmpp_2m", "unipc", "deis"} & set(found)
    assert "thresholds at the quantile 0.9 and 1.5" in found["euler"][0]


def test_a_model_without_signal_at_its_end_is_driven_by_classes_that_know_of_it():
    found = differing(ZERO_SNR)
    assert set(found) == LACK_ZERO_SNR
    assert "sigma 0.0292 to 14.6, the model's sigma 0.0292 to no signal" in found["heun"][0]


def test_a_schedule_that_other_classes_do_not_know_by_name_is_handed_to_them_in_numbers():
    for own in (
        CogVideoXDDIMScheduler(clip_sample=False, snr_shift_scale=3.0),
        DDPMScheduler(beta_schedule="sigmoid", clip_sample=False),
        DDPMScheduler(beta_schedule="laplace", clip_sample=False),
        DDIMScheduler(trained_betas=np.linspace(1e-4, 0.03, 1000), clip_sample=False),
    ):
        config = json.loads(json.dumps(config_of(own), default=np.ndarray.tolist))
        assert differing(config) == {}, type(own).__name__
        for name in ("pndm", "heun", "dpmpp_2m", "unipc"):
            made = build_scheduler(SCHEDULERS[name].class_name, {}, config)
            assert np.allclose(made.alphas_cumprod, own.alphas_cumprod, rtol=1e-3)


def test_a_model_that_is_told_continuous_levels_is_driven_by_classes_that_tell_them():
    assert set(differing(CONTINUOUS)) == set(of_family("diffusion")) - {"euler"}
    own = own_scheduler(CONTINUOUS)
    own.set_timesteps(5)
    told = [noise_level(float(t), own) for t in own.timesteps]
    assert told == pytest.approx(own.sigmas[:-1].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "config", "family"),
    [
        ("EDMDPMSolverMultistepScheduler", {}, "edm"),
        ("EDMEulerScheduler", {}, "edm"),
        ("CMStochasticIterativeScheduler", {}, "consistency"),
        ("FlowMatchHeunDiscreteScheduler", {}, "flow"),
        ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True}, "flow"),
        ("CogVideoXDDIMScheduler", {}, "diffusion"),
        ("UnCLIPScheduler", {}, "diffusion"),
        *(
            (name, {}, name)
            for name in (
                *("DDPMWuerstchenScheduler", "SCMScheduler", "VQDiffusionScheduler"),
                *("IPNDMScheduler", "NotOfDiffusers", "AmusedScheduler"),
            )
        ),
    ],
)
def test_a_class_whose_schedule_cannot_be_read_is_a_family_by_itself(name, config, family):
    assert family_of(name, config) == family


def test_edm_schedulers_run_between_the_sigmas_of_the_model():
    config = {"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_min": 0.01, "sigma_max": 50.0}
    assert differing(config) == {}
    own = training_of(own_scheduler(config))
    default = training_of(scheduler_class("EDMEulerScheduler")())
    assert [d.text for d in differences(own, default)] == [
        "runs on another noise schedule (sigma 0.002 to 80, the model's sigma 0.01 to 50)"
    ]


@pytest.mark.parametrize("sigmas", ["karras", "exponential", "beta"])
@pytest.mark.parametrize("name", [n for n, s in SCHEDULERS.items() if "use_flow_sigmas" in s.flags])
def test_flow_sigmas_outrank_other_sigmas_of_the_models_config(name, sigmas):
    spec, plain = SCHEDULERS[name], {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    made = [
        build_scheduler(spec.class_name, spec.flags, config)
        for config in ({**plain, f"use_{sigmas}_sigmas": True}, plain)
    ]
    for scheduler in made:
        scheduler.set_timesteps(6)
    assert made[0].sigmas.tolist() == made[1].sigmas.tolist()
    assert made[0].sigmas[0] <= 1


def test_a_config_read_off_a_scheduler_is_that_of_its_file(tmp_path):
    scheduler = EulerDiscreteScheduler(**SD)
    assert config_of(scheduler) == {"_class_name": "EulerDiscreteScheduler", **SD}
    scheduler.save_pretrained(tmp_path)
    loaded = EulerDiscreteScheduler.from_pretrained(tmp_path)
    assert {**config_of(loaded), **SD}["_class_name"] == "EulerDiscreteScheduler"


def test_what_a_pipeline_changed_of_a_config_is_part_of_it():
    """Pipelines of latent models switch clipping off by replacing the scheduler's config."""
    scheduler = DDIMScheduler(**SD)
    scheduler._internal_dict = type(scheduler.config)({**scheduler.config, "clip_sample": False})
    assert config_of(scheduler)["clip_sample"] is False


def test_a_variance_beside_the_prediction_is_read_by_the_classes_that_say_so():
    config = json.dumps({"_class_name": "DDPMScheduler", "variance_type": "learned_range"})
    fits = {
        name
        for name, spec in of_family("diffusion").items()
        if not isinstance(trial(spec.class_name, json.dumps(spec.flags), config, **LEARNED), str)
    }
    assert {"ddpm", "dpmpp_2m"} <= fits
    assert not {"ddim", "euler", "heun", "unipc"} & fits
