"""Planning: schedulers that are not what the model was trained with are refused, or named."""

import json
import shutil

import pandas as pd
import pytest

from tests.helpers.cli import call, tiny
from tests.helpers.tiny_pipelines import save_tiny

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PLAIN = (
    *("model=local", "model.name=mine", "model.width=32", "model.height=32"),
    *("samples=2", "metrics=none", "latency.timed_runs=0", "steps=4", "guidance=3"),
)
WHOLE = ("+model.call.use_resolution_binning=false",)  # PixArt at the size that is asked for


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def with_scheduler(models, tmp_path):
    """Makes a folder of a tiny pipeline with another scheduler config."""

    def make(name, **config):
        folder = tmp_path / "model"
        shutil.copytree(save_tiny(name, models), folder)
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
        index = folder / "model_index.json"
        parts = json.loads(index.read_text())
        parts["scheduler"] = ["diffusers", config["_class_name"]]
        index.write_text(json.dumps(parts))
        return folder

    return make


def sweep(capsys, tmp_path, folder, *more):
    return call(capsys, *tiny(tmp_path / "runs", *PLAIN, f"model.path={folder}", *more))


def rows(tmp_path):
    return pd.read_csv(tmp_path / "runs" / "tiny" / "results.csv").set_index("scheduler")


@pytest.mark.slow
def test_ddim_on_a_latent_model_whose_config_knows_no_clipping_does_not_clip(
    with_scheduler, tmp_path, capsys
):
    folder = with_scheduler(
        "pixart-sigma", _class_name="DPMSolverMultistepScheduler", beta_schedule="linear"
    )
    assert sweep(capsys, tmp_path, folder, *WHOLE, "scheduler=ddim,ddpm")[::2] == (0, "")
    plain = rows(tmp_path)["key"]
    said = (*WHOLE, "scheduler=ddim,ddpm", "scheduler.flags.clip_sample=false")
    assert sweep(capsys, tmp_path, folder, *said)[::2] == (0, "")
    assert rows(tmp_path)["key"].to_dict() == plain.to_dict()  # the flag says what is so


@pytest.mark.slow
def test_clipping_that_a_user_asks_for_is_named(with_scheduler, tmp_path, capsys):
    folder = with_scheduler(
        "pixart-sigma", _class_name="DPMSolverMultistepScheduler", beta_schedule="linear"
    )
    code, out, err = sweep(
        capsys, tmp_path, folder, *WHOLE, "scheduler=ddim", "scheduler.flags.clip_sample=true"
    )
    assert code == 0
    assert "ddim+clip_sample: mine: clips at 1 and the model's own does not clip" in out + err
    assert list(rows(tmp_path).index) == ["ddim+clip_sample"]


@pytest.mark.slow
def test_a_class_that_cannot_clip_runs_on_a_clipping_model_when_asked_to(
    with_scheduler, tmp_path, capsys
):
    folder = with_scheduler(
        "pixart-sigma", _class_name="DDIMScheduler", beta_schedule="linear", clip_sample=True
    )
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=euler")
    assert code == 2
    assert err.splitlines() == [
        "denoisebench: scheduler=euler: mine: does not clip and the model's own clips at 1; choose "
        "from ddpm, ddim, heun, or ask for the difference: scheduler.flags.clip_sample=false"
    ]
    insisting = (*WHOLE, "scheduler=euler", "scheduler.flags.clip_sample=false")
    code, out, err = sweep(capsys, tmp_path, folder, *insisting)
    assert code == 0
    assert "euler+clip_sample=false: mine: does not clip and the model's own clips" in out + err
    assert list(rows(tmp_path).index) == ["euler+clip_sample=false"]


def test_clipping_that_the_pipeline_of_a_latent_model_switches_off_is_off(
    with_scheduler, tmp_path, capsys
):
    folder = with_scheduler("sd15", _class_name="DDIMScheduler", **SD)
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=ddim,euler,dpmpp_2m", "--dry-run")
    assert (code, err) == (0, "")


@pytest.mark.slow
def test_an_edm_model_is_driven_by_edm_schedulers_on_its_own_sigmas(
    with_scheduler, tmp_path, capsys
):
    folder = with_scheduler(
        "sdxl", _class_name="EDMDPMSolverMultistepScheduler", sigma_min=0.01, sigma_max=50.0
    )
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=edm_dpmpp_2m,edm_euler")
    assert (code, err) == (0, "")
    assert rows(tmp_path)["sigma_start"].tolist() == pytest.approx([50, 50], rel=1e-3)
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=euler,ddim")
    assert code == 2
    for scheduler in ("euler", "ddim"):
        assert (
            f"scheduler={scheduler}: drives diffusion models and mine is an edm model; choose from "
            "edm_euler, edm_dpmpp_2m"
        ) in err


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "DDPMWuerstchenScheduler"},
        {"_class_name": "SCMScheduler"},
        {"_class_name": "VQDiffusionScheduler", "num_vec_classes": 8},
    ],
)
def test_a_model_whose_schedule_cannot_be_read_runs_on_no_other_scheduler(
    config, with_scheduler, tmp_path, capsys
):
    folder = with_scheduler("sd15", **config)
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=ddim,euler", "--dry-run")
    assert code == 2
    assert len(err.splitlines()) == 2
    assert f"scheduler of its own kind ({config['_class_name']})" in err


def test_schedulers_that_know_no_zero_snr_are_refused_at_planning(with_scheduler, tmp_path, capsys):
    config = {**SD, "clip_sample": False, "prediction_type": "v_prediction"}
    folder = with_scheduler(
        "sd15", _class_name="DDIMScheduler", rescale_betas_zero_snr=True, **config
    )
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=heun,dpmpp_2s", "--dry-run")
    assert code == 2
    for scheduler in ("heun", "dpmpp_2s"):
        assert f"scheduler={scheduler}: mine: runs on another noise schedule (sigma 0.0292" in err
    assert "choose from ddpm, ddim, euler, euler_a, dpmpp_2m" in err


@pytest.mark.slow
def test_a_schedule_that_one_class_alone_knows_runs_everywhere(with_scheduler, tmp_path, capsys):
    folder = with_scheduler(
        "sd15",
        _class_name="DDPMScheduler",
        beta_schedule="sigmoid",
        clip_sample=False,
        steps_offset=1,
    )
    names = "ddim,pndm,euler,heun,dpmpp_2m,unipc,deis"
    code, _, err = sweep(capsys, tmp_path, folder, f"scheduler={names}")
    assert (code, err) == (0, "")
    frame = rows(tmp_path)
    assert set(frame["status"]) == {"done"}


def test_a_learned_variance_that_a_class_cannot_read_is_found_at_planning(
    with_scheduler, tmp_path, capsys
):
    folder = with_scheduler(
        "sd15", _class_name="DDPMScheduler", **SD, clip_sample=False, variance_type="learned_range"
    )
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "out_channels": 8}))
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=euler,ddim", "--dry-run")
    assert code == 2
    assert "scheduler=euler: mine: fails at 4 steps: " in err
    assert sweep(capsys, tmp_path, folder, "scheduler=ddpm", "--dry-run")[0] == 0


@pytest.mark.slow
def test_a_flow_whose_own_config_has_other_sigmas_runs_with_finite_images(
    with_scheduler, tmp_path, capsys
):
    folder = with_scheduler(
        "sd3", _class_name="FlowMatchEulerDiscreteScheduler", use_beta_sigmas=True, shift=3.0
    )
    names = "flow_euler,flow_dpmpp_2m,flow_unipc,flow_deis,flow_sa_solver"
    code, _, err = sweep(capsys, tmp_path, folder, f"scheduler={names}")
    assert code == 0, err
    frame = rows(tmp_path)
    assert set(frame["status"]) == {"done"}
    assert frame["flat_images"].sum() == 0
    assert (frame["sigma_start"] <= 1).all()


@pytest.mark.slow
def test_perturbed_attention_takes_no_interval_or_rescale_and_its_passes_are_counted(
    models, tmp_path, capsys
):
    """Its batch is [without, with, perturbed]: halves of it are no predictions."""
    folder = tmp_path / "model"
    shutil.copytree(save_tiny("sd15", models), folder)
    index = folder / "model_index.json"
    pag = {**json.loads(index.read_text()), "_class_name": "StableDiffusionPAGPipeline"}
    index.write_text(json.dumps(pag))
    for option in ("guidance_rescale=0.7", "guidance_interval=[0.3,5]"):
        code, _, err = sweep(capsys, tmp_path, folder, "scheduler=ddim", option, "--dry-run")
        assert code == 2
        assert "works on models of the standard form, not separate; leave it out" in err
    assert sweep(capsys, tmp_path, folder, "scheduler=ddim")[::2] == (0, "")
    assert rows(tmp_path)["passes_per_step"]["ddim"] == 3


def test_a_form_of_guidance_that_is_not_known_is_asked_for(models, tmp_path, capsys):
    folder = tmp_path / "model"
    shutil.copytree(save_tiny("sd15", models), folder)
    index = folder / "model_index.json"
    semantic = {**json.loads(index.read_text()), "_class_name": "SemanticStableDiffusionPipeline"}
    index.write_text(json.dumps(semantic))
    code, _, err = sweep(capsys, tmp_path, folder, "scheduler=ddim", "--dry-run")
    assert code == 2
    assert "model.guidance_form: how SemanticStableDiffusionPipeline takes its weight is not" in err
    said = ("scheduler=ddim", "model.guidance_form=separate", "--dry-run")
    assert sweep(capsys, tmp_path, folder, *said)[0] == 0
