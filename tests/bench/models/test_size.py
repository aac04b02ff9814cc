"""The size that is read off a pipeline's files, against the images that it makes unasked."""

import inspect
import json

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, DiffusionPipeline, UNet2DModel

from denoisebench.bench.models.size import stated_size
from tests.helpers.tiny_pipelines import save_tiny

# One of each class. The 1,024 pixels of Z-Image and Sana take minutes even of a tiny network.
RUN = ("sd15", "sdxl", "lcm", "sd3", "flux-schnell", "pixart-sigma", "qwen-image")


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_the_size_is_that_of_the_images_that_the_pipeline_makes_unasked(name, tmp_path_factory):
    folder = save_tiny(name, tmp_path_factory.mktemp("tiny"))
    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    bins = "use_resolution_binning" in inspect.signature(pipeline.__call__).parameters
    own = {"use_resolution_binning": False} if bins else {}  # of sizes that tiny ones do not have
    with torch.no_grad():
        images = pipeline("a cat", num_inference_steps=2, output_type="pt", **own).images
    size, where = stated_size(folder, type(pipeline).__name__)
    assert size == (images.shape[-1], images.shape[-2])
    assert where


def test_of_a_pipeline_without_a_decoder_a_sample_is_an_image(tmp_path):
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    unet = UNet2DModel(
        sample_size=(24, 16),
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        **blocks,
    )
    DDPMPipeline(unet=unet, scheduler=DDPMScheduler()).save_pretrained(tmp_path)
    assert stated_size(tmp_path, "DDPMPipeline") == ((16, 24), "unet/config.json")


@pytest.mark.parametrize(("name", "cls"), [("z-image", "ZImagePipeline"), ("sana", "SanaPipeline")])
def test_a_size_that_the_class_names_counts(name, cls, tmp_path):
    assert stated_size(save_tiny(name, tmp_path), cls) == ((1024, 1024), cls)


def test_a_size_that_nothing_states_is_none(tmp_path):
    folder = save_tiny("sd15", tmp_path)
    config = folder / "unet" / "config.json"
    fields = json.loads(config.read_text())
    config.write_text(json.dumps({**fields, "sample_size": None}))
    assert stated_size(folder, "StableDiffusionPipeline") == (None, "")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("self.default_sample_size = 64\nself.vae_scale_factor = 16\n", (1024, 1024)),
        ("self.default_sample_size = 64\n2 ** (len(self.vae.config.block_out_channels))\n", None),
        ("self.vae_scale_factor = self.vae.config.spatial_compression_ratio\n", None),
    ],
)
def test_a_class_that_counts_latents_in_another_way_is_not_guessed(
    text, size, tmp_path, monkeypatch
):
    folder = save_tiny("sd15", tmp_path)
    monkeypatch.setattr("denoisebench.bench.models.size.class_source", lambda name: text)
    assert stated_size(folder, "SomePipeline")[0] == size
