"""experiment=mlperf_sdxl is what it says: the benchmark's settings reach the pipeline."""

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from denoisebench.bench.records.run import load_run
from denoisebench.bench.score.distances import frechet_column
from denoisebench.bench.settings.job import Settings
from tests.helpers.cli import call
from tests.helpers.folders import SHARED_DATA
from tests.helpers.tiny_pipelines import save_tiny

NEGATIVE = "normal quality, low quality, worst quality, low res, blurry, nsfw, nude"
CAPTIONS = ["a city at night", "the large clock", "people walking"]
LATENTS = SHARED_DATA / "mlperf_sdxl_latents.npy"


@pytest.fixture
def setup(tmp_path):
    """A tiny SDXL with captions and a latent that fit it, as overrides."""
    prompts, latents = tmp_path / "captions.tsv", tmp_path / "latents.npy"
    prompts.write_text("\n".join(["id\tcaption", *(f"1\t{text}" for text in CAPTIONS)]))
    np.save(latents, np.random.default_rng(0).standard_normal((1, 4, 16, 16), np.float32))
    return [
        "sweep",
        "experiment=mlperf_sdxl",
        f"model.path={save_tiny('sdxl', tmp_path)}",
        "model.width=32",
        "model.height=32",
        "samples=3",
        "batch_size=2",
        f"prompts.path={prompts}",
        f"latents={latents}",
        f"runs={tmp_path}",
        "tracking=none",
        "latency.timed_runs=0",
        "threads=1",
    ]


@pytest.mark.slow
def test_images_are_those_of_a_direct_call_of_diffusers(setup, tmp_path, capsys):
    code, _, err = call(capsys, *setup, "metrics=none")
    assert (code, err) == (0, "")
    run = load_run(tmp_path / "mlperf_sdxl")
    images = run.store.read(run.entries[0].cell.key, "images", 3)["images"]

    pipeline = StableDiffusionXLPipeline.from_pretrained(tmp_path / "sdxl", use_safetensors=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    latents = torch.from_numpy(np.load(tmp_path / "latents.npy"))
    direct = [
        pipeline(
            caption,
            negative_prompt=NEGATIVE,
            latents=latents,
            num_inference_steps=20,
            guidance_scale=8.0,
            height=32,
            width=32,
            output_type="pt",
        ).images[0]
        for caption in CAPTIONS
    ]
    expected = (torch.stack(direct) * 255).round().to(torch.uint8).numpy()
    # A batch rounds otherwise than one image alone: of a grey level in a few pixels.
    assert np.abs(images.astype(int) - expected).max() <= 1
    assert (images == expected).mean() > 0.99
    assert len({image.tobytes() for image in images}) == 3


def test_the_preset_names_the_benchmark_s_metrics_and_model():
    with initialize_config_module("conf", version_base="1.3"):
        given = ["experiment=mlperf_sdxl", "prompts.path=x", "metrics.reference=y"]
        config = compose("sweep", given)
    settings = Settings(**OmegaConf.to_container(config, resolve=True))
    model = settings.model
    assert model.path == "stabilityai/stable-diffusion-xl-base-1.0"
    assert (model.height, model.width, model.dtype) == (1024, 1024, "float32")
    assert (settings.scheduler.name, settings.steps, settings.guidance) == ("euler", 20, 8.0)
    assert (settings.negative_prompt, settings.samples) == (NEGATIVE, 5000)
    assert settings.prompts.column == "caption"
    (clip,), (fid,) = settings.metrics.clip_score, settings.metrics.frechet
    assert (clip.model, clip.weights) == ("ViT-B-32-quickgelu", "openai")
    assert frechet_column(fid) == "fid"


def test_the_benchmark_s_own_latent_fits_the_model_s_size():
    if not LATENTS.exists():
        pytest.skip("the latent is not beside this checkout")
    from denoisebench.bench.inputs.latents import given_latents

    assert given_latents(str(LATENTS)).shape == (1, 4, 1024 // 8, 1024 // 8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((1, 4, 8, 8), np.float32), "and the model starts from (1, 4, 16, 16) at 32x32"),
        (np.zeros((2, 4, 16, 16), np.float32), "give an array [1, …] of finite"),
        (np.full((1, 4, 16, 16), np.nan, np.float32), "give an array [1, …] of finite"),
        (np.zeros((1, 4, 16, 16), np.int64), "give an array [1, …] of finite"),
        (b"nothing", "is no readable .npy file"),
        (None, "latents: nothing at"),
    ],
)
def test_latents_that_do_not_fit_are_refused_before_loading(
    content, message, setup, tmp_path, capsys
):
    path = tmp_path / "other.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    code, _, err = call(capsys, *setup, "metrics=none", f"latents={path}")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_closed_form_model_takes_no_latents(setup, tmp_path, capsys):
    latents = next(word for word in setup if word.startswith("latents="))
    code, _, err = call(capsys, "sweep", "model=gaussian", f"runs={tmp_path}", latents)
    assert code == 2
    assert "closed-form models draw their own noise" in err
