"""What prompts of the embedded world ask for, and what the attribute network reads."""

import numpy as np
import pytest
import torch

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.shapes.language import asked_for
from denoisebench.bench.shapes.render import render
from denoisebench.bench.shapes.world import HELD_OUT_SEED, captions, draw_scenes
from denoisebench.metrics.networks.attributes import AttributeNet, read_right
from zoo.targets import image_targets


def test_captions_are_read_back_as_they_were_drawn():
    scenes = draw_scenes(HELD_OUT_SEED, 0, 500)
    asked = asked_for(captions(scenes))
    expected = image_targets(scenes)
    assert asked.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(asked[name], values)


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat on a mat",
        "a small solid red circle",
        "a small solid red circle on a red background of grey",
        "a small solid pink circle on a grey background",
        "A small solid red circle on a grey background",
    ],
)
def test_other_words_are_refused(prompt):
    with pytest.raises(UserError, match="is no caption of an embedded world"):
        asked_for(["a small solid red circle on a grey background", prompt])


def test_objects_of_a_kind_count_together_and_what_is_not_asked_for_not_at_all():
    asked = {
        "layout": torch.tensor([0, 1, 2]),
        "shape0": torch.tensor([3, 3, 3]),
        "shape1": torch.tensor([-1, 2, 2]),
    }
    read = {"layout": [0, 1, 0], "shape0": [3, 3, 0], "shape1": [0, 1, 1]}
    logits = {name: torch.eye(4)[classes] for name, classes in read.items()}
    found = read_right(logits, asked)
    assert {kind: values.tolist() for kind, values in found.items()} == {
        "all": [1, pytest.approx(2 / 3), 0],
        "layout": [1, 1, 0],
        "shape": [1, 0.5, 0],
    }


def test_renders_show_what_their_captions_ask_for_and_others_do_not():
    scenes = draw_scenes(HELD_OUT_SEED, 0, 256)
    network = AttributeNet.load(EMBEDDED / "shapes-features" / "features.safetensors")
    logits = network.logits(network(torch.from_numpy(render(scenes))))
    asked = {n: torch.from_numpy(v) for n, v in asked_for(captions(scenes)).items()}
    own = read_right(logits, asked)
    assert set(own) == {"all", "layout", "background", "size", "texture", "colour", "shape"}
    assert own["all"].mean() > 0.99
    others = read_right(logits, {name: values.roll(1) for name, values in asked.items()})
    for kind, chance in {"shape": 1 / 6, "colour": 1 / 8, "texture": 1 / 4}.items():
        # A second object that is not there is not read right when it is asked for.
        assert 0.5 * chance < others[kind].mean() < 1.2 * chance
