"""A default on pipelines of half and of mixed precision; its decisions are tested with its file."""

import re

import pytest
import torch
import yaml
from diffusers import DiffusionPipeline

from denoisebench import apply
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from tests.helpers.tiny_pipelines import save_tiny

PIPELINES = {"diffusion": "sd15", "flow": "sd3"}
MEASURED = {
    name: spec
    for name, spec in SCHEDULERS.items()
    if spec.family in PIPELINES and not spec.distilled
}


def default_of(name, path):
    """A file with a default of a scheduler of the catalogue."""
    spec = SCHEDULERS[name]
    one = {
        **{"model": "tiny", "task": "txt2img", "default_for": "fd", "outcome": "PASS"},
        **{"scheduler_class": spec.class_name, "scheduler_flags": dict(spec.flags)},
        **{"grid": "native", "call": {"num_inference_steps": 4, "guidance_scale": 4.0}},
        "provenance": {"dtype": "float32"},
    }
    path.write_text(yaml.safe_dump({"schema": 1, "defaults": [one]}))
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Of a tiny pipeline of each family."""
    folder = tmp_path_factory.mktemp("tiny")
    return {family: save_tiny(name, folder / name) for family, name in PIPELINES.items()}


def loaded(folder):
    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def image_of(pipeline, path):
    """An image [1, 3, H, W] of what apply says to call."""
    call = apply(pipeline, path)
    return pipeline("a red circle", **call, height=32, width=32, output_type="pt").images


@pytest.mark.filterwarnings("ignore:Should have tb<=t1")  # torchsde, of a rounding error
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", MEASURED)
def test_every_scheduler_runs_in_half_precision(name, dtype, folders, tmp_path):
    pipeline = loaded(folders[MEASURED[name].family]).to(dtype)
    image = image_of(pipeline, default_of(name, tmp_path / "defaults.yaml"))
    assert image.dtype == dtype
    assert torch.isfinite(image).all()


def test_a_scheduler_runs_under_automatic_mixed_precision(folders, tmp_path):
    pipeline, path = loaded(folders["diffusion"]), default_of("heun", tmp_path / "defaults.yaml")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(image_of(pipeline, path)).all()


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_the_line_that_mends_mixed_networks_is_said_and_mends_them(part, folders, tmp_path):
    pipeline, path = loaded(folders["diffusion"]), default_of("ddim", tmp_path / "defaults.yaml")
    getattr(pipeline, part).to(torch.bfloat16)
    with pytest.warns(UserWarning, match=f"{part} bfloat16") as warned:
        apply(pipeline, path)
    with pytest.raises(RuntimeError), pytest.warns(UserWarning, match="the networks"):
        image_of(pipeline, path)
    (message,) = [str(one.message) for one in warned if one.category is UserWarning]
    assert len(message.splitlines()) == 1
    (line,) = re.findall(r"pipe\.to\(\S+\)", message)
    eval(line, {"pipe": pipeline, "torch": torch})
    assert torch.isfinite(image_of(pipeline, path)).all()  # without a warning, which would raise
