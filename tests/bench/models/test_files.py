"""Files of a model that are not what they are called, or not whole, are one line each."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.load import find_model, load_pipeline
from denoisebench.bench.settings.job import ModelSettings
from tests.helpers.fuzz import complaint, damaged

INDEX, SCHEDULER = "model_index.json", "scheduler/scheduler_config.json"
WEIGHTS = {
    "unet": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}


def find(folder):
    return find_model(
        ModelSettings(name="mine", path=str(folder), height=32, width=32, dtype="float32")
    )


def load(folder):
    found = find(folder)
    return load_pipeline(found.source, "float32", "cpu", loading=found.loading)


def changed(path, **values):
    """The text of a JSON object with other values."""
    return json.dumps({**json.loads(path.read_text()), **values})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (INDEX, "[1]", "it holds a list where"),
        (INDEX, "null", "it holds null where"),
        (INDEX, "{}", "it names no parts"),
        (INDEX, '{"_class_name": "X"}', "it names no parts"),
        (INDEX, {"unet": ["diffusers"]}, "its part unet is not"),
        (INDEX, {"unet": ["diffusers", 3]}, "its part unet is not"),
        (INDEX, {"_class_name": None}, "it names no _class_name"),
        (INDEX, "[" * 100_000, "it is nested too deep"),
        (SCHEDULER, "[]", "it holds a list where"),
        (SCHEDULER, "{}", "it names no _class_name"),
        (SCHEDULER, {"_class_name": None}, "it names no _class_name"),
        (SCHEDULER, {"num_train_timesteps": "abc"}, "num_train_timesteps='abc' is no count; mend"),
        (SCHEDULER, {"num_train_timesteps": None}, "num_train_timesteps=None is no count"),
        (SCHEDULER, {"num_train_timesteps": 0}, "num_train_timesteps=0 is no count"),
        (SCHEDULER, {"num_train_timesteps": True}, "num_train_timesteps=True is no count"),
        ("unet/config.json", "[1]", "it holds a list where"),
        (f"unet/{WEIGHTS['unet']}.index.json", "{}", "it has no weight_map of tensors to files"),
        (f"unet/{WEIGHTS['unet']}.index.json", '{"weight_map": [1]}', "it has no weight_map"),
        (f"unet/{WEIGHTS['unet']}.index.json", '{"weight_map": {"a": 1}}', "it has no weight_map"),
    ],
)
def test_a_config_that_is_none_is_found_before_anything_loads(name, content, message, copy):
    path = copy / name
    path.write_text(content if isinstance(content, str) else changed(path, **content))
    with pytest.raises(UserError, match=message) as found:
        find(copy)
    assert str(path) in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("part", WEIGHTS)
def test_weights_that_lack_a_tensor_are_refused_and_nothing_is_drawn_in_its_place(part, copy):
    path = copy / part / WEIGHTS[part]
    tensors = load_file(path)
    name = sorted(tensors)[3]
    del tensors[name]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(UserError, match=f"weights of {path.parent} lack .*; place whole ones"):
        load(copy)


def test_weights_of_another_shape_are_refused(copy):
    path = copy / "unet" / WEIGHTS["unet"]
    tensors = load_file(path)
    name = sorted(tensors)[3]
    save_file({**tensors, name: tensors[name].reshape(-1)[:1].clone()}, path)
    with pytest.raises(UserError, match=r"cannot be loaded .* place its files again"):
        load(copy)


def test_a_pipeline_class_that_there_is_not_is_one_clear_line(copy):
    (copy / INDEX).write_text(changed(copy / INDEX, _class_name="NoPipeline"))
    with pytest.raises(UserError, match=r"cannot be loaded .*NoPipeline.*place its files again"):
        load(copy)


def test_damage_of_configs_is_a_model_or_one_clear_line(copy):
    draws = np.random.default_rng(0)
    for name in (INDEX, SCHEDULER, "unet/config.json"):
        whole = (copy / name).read_bytes()
        for _ in range(60):
            (copy / name).write_bytes(damaged(whole, draws))
            lines = complaint(lambda: find(copy), UserError)
            assert all(line.count("\n") == 0 for line in lines)
        (copy / name).write_bytes(whole)
