"""Settings that other tools write into their PNGs."""

import json

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from denoisebench.bench.errors import UserError
from denoisebench.bench.imported.png_text import settings_in


def png(path, **texts):
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (4, 4), (9, 9, 9)).save(path, pnginfo=info)
    return path


def graph(**sampler):
    """A workflow as ComfyUI stores it: a sampler, its two texts, and what they hang on."""
    inputs = {
        "seed": 8566257,
        "steps": 20,
        "cfg": 8.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
    }
    return {
        "3": {"class_type": "KSampler", "inputs": inputs | sampler},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a bottle", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark", "clip": ["4", 1]}},
    }


def test_stable_diffusion_web_ui(tmp_path):
    text = (
        "a cat, in the rain: wet\nsecond line\nNegative prompt: dog\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 4294967299, "
        'Size: 512x512, Model: "a, b", Version: v1.10.1'
    )
    assert settings_in(png(tmp_path / "a.png", parameters=text)) == {
        "steps": "20",
        "scheduler": "DPM++ 2M Karras",
        "guidance": "7.5",
        "seed": "4294967299",
        "prompt": "a cat, in the rain: wet\nsecond line",
    }


def test_stable_diffusion_web_ui_without_a_negative_prompt(tmp_path):
    text = "a cat\nSteps: 4, Sampler: Euler a, CFG scale: 1, Seed: 7, Size: 8x8"
    settings = settings_in(png(tmp_path / "a.png", parameters=text))
    assert (settings["prompt"], settings["scheduler"]) == ("a cat", "Euler a")


def test_comfyui(tmp_path):
    settings = settings_in(png(tmp_path / "a.png", prompt=json.dumps(graph())))
    assert settings == {
        "steps": 20,
        "guidance": 8.0,
        "seed": 8566257,
        "scheduler": "euler normal",
        "prompt": "a bottle",
    }


def test_a_text_that_comes_through_other_nodes_is_found(tmp_path):
    nodes = graph(positive=["9", 0])
    nodes["9"] = {"class_type": "ConditioningSetArea", "inputs": {"conditioning": ["6", 0]}}
    assert settings_in(png(tmp_path / "a.png", prompt=json.dumps(nodes)))["prompt"] == "a bottle"


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (graph() | {"8": graph()["3"]}, "2 nodes KSampler"),
        ({}, "0 nodes KSampler"),
        (graph(steps=["9", 0]), "`steps` of its KSampler is not a value"),
        (
            graph(positive=["9", 0])
            | {
                "9": {"class_type": "ConditioningAverage", "inputs": {"a": ["6", 0], "b": ["7", 0]}}
            },
            "led by 2 texts",
        ),
    ],
)
def test_a_graph_that_does_not_say_it_plainly_is_refused(nodes, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        settings_in(png(tmp_path / "a.png", prompt=json.dumps(nodes)))


def test_a_text_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"manifest\.csv"):
        settings_in(png(tmp_path / "a.png", prompt="{not json"))


def test_other_files_say_nothing(tmp_path):
    assert settings_in(png(tmp_path / "a.png", Title="x")) is None
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg")
    assert settings_in(tmp_path / "a.jpg") is None
