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
    settings = settings_in(png(tmp_path / "a.png", parameters=text))
    assert "dog" in settings.pop("rest")
    assert settings == {
        "steps": "20",
        "scheduler": "DPM++ 2M Karras",
        "guidance": "7.5",
        "seed": "4294967299",
        "prompt": "a cat, in the rain: wet\nsecond line",
        "model": "a, b",
    }


def test_stable_diffusion_web_ui_without_a_negative_prompt(tmp_path):
    text = "a cat\nSteps: 4, Sampler: Euler a, CFG scale: 1, Seed: 7, Size: 8x8"
    settings = settings_in(png(tmp_path / "a.png", parameters=text))
    assert (settings["prompt"], settings["scheduler"]) == ("a cat", "Euler a")


def test_comfyui(tmp_path):
    settings = settings_in(png(tmp_path / "a.png", prompt=json.dumps(graph())))
    assert "watermark" in settings.pop("rest")
    assert settings == {
        "model": "v1-5",
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
        (graph(denoise=0.5), "begins with another image"),
        (graph(start_at_step=10), "begins with another image"),
        (graph(end_at_step=10), "a part of its steps"),
        (
            graph() | {"6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["9", 0]}}},
            "comes from",
        ),
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


def test_what_is_no_column_is_kept_but_for_what_differs_between_images(tmp_path):
    """So that images of other settings are not taken for more samples of one cell."""

    def rest(name, nodes):
        return settings_in(png(tmp_path / name, prompt=json.dumps(nodes)))["rest"]

    other_text = {
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a jar", "clip": ["4", 1]}}
    }
    saved = {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
    other_size = {"5": {"class_type": "EmptyLatentImage", "inputs": {"width": 8, "height": 8}}}
    plain = rest("a.png", graph())
    assert rest("b.png", graph(seed=2) | other_text | saved) == plain
    assert rest("c.png", graph() | other_size) != plain


def test_loras_are_part_of_a_models_name(tmp_path):
    nodes = graph(model=["8", 0])
    lora = {"lora_name": "style/ink.safetensors", "model": ["4", 0]}
    nodes["8"] = {"class_type": "LoraLoader", "inputs": lora}
    assert settings_in(png(tmp_path / "a.png", prompt=json.dumps(nodes)))["model"] == "v1-5+ink"


def test_a_chain_of_many_nodes_is_followed(tmp_path):
    nodes = graph(positive=["n0", 0])
    for i in range(3000):
        link = [f"n{i + 1}", 0] if i < 2999 else ["6", 0]
        nodes[f"n{i}"] = {"class_type": "Reroute", "inputs": {"": link}}
    assert settings_in(png(tmp_path / "a.png", prompt=json.dumps(nodes)))["prompt"] == "a bottle"


def test_an_image_of_another_image_is_refused(tmp_path):
    text = "a cat\nSteps: 4, Sampler: Euler a, CFG scale: 1, Seed: 7, Denoising strength: 0.3"
    with pytest.raises(UserError, match="Denoising strength"):
        settings_in(png(tmp_path / "a.png", parameters=text))
