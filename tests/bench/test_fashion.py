"""The world of photographs: its prompts, what they ask for, and the photographs that ship."""

from collections import Counter

import numpy as np
import pytest

from denoisebench.bench.fashion import CLASSES, NAMES, PROMPTS, are_prompts, asked_for
from denoisebench.bench.inputs.photographs import (
    PHOTOGRAPHS,
    are_shown_evenly,
    photographs_hash,
    photographs_showing,
)
from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.score.accuracy import asked_for as asked_in_any_world
from denoisebench.bench.score.references import Reference


def test_240_prompts_ask_for_each_of_ten_classes_in_turn():
    assert len(PROMPTS) == 240
    assert Counter(PROMPTS.values()) == dict.fromkeys(range(10), 24)
    assert [*PROMPTS.values()] == [i % 10 for i in range(240)]
    assert PROMPTS["a photo of a sneaker"] == CLASSES.index("sneaker")
    names = [name for wordings in NAMES.values() for name in wordings]
    assert len(set(names)) == len(names)  # no word stands for two classes


def test_the_bundled_prompts_are_those():
    assert PromptSet("bundled:fashion.txt").texts() == tuple(PROMPTS)


def test_what_is_asked_for_is_read_in_either_world():
    prompts = ["a photo of a bag", "a running shoe"]
    assert are_prompts(prompts)
    assert asked_for(prompts)["class"].tolist() == [8, 7]
    assert asked_in_any_world(prompts).keys() == {"class"}
    scene = "a small striped red ring on a blue background"
    assert asked_in_any_world([scene])["shape0"].tolist() == [3]
    with pytest.raises(Exception, match="is no caption of an embedded world"):
        asked_in_any_world([*prompts, "a photo of a zebra"])


def test_photographs_are_of_the_classes_that_prompts_ask_for():
    every = photographs_showing([])
    assert (every.shape, every.dtype) == ((2000, 3, 32, 32), np.uint8)
    assert (every[:, 0] == every[:, 2]).all()  # grey
    assert not every[:, :, :2].any()  # the border
    shoes = photographs_showing(["a photo of a sneaker", "a trainer"])
    assert np.array_equal(shoes, every[7::10])
    assert len({photographs_hash(texts) for texts in ((), ["a bag"], ["a sneaker"])}) == 3
    assert photographs_hash(["a sneaker"]) == photographs_hash(["a running shoe"])


def test_a_reference_of_photographs_gives_those_images_and_no_more():
    reference = Reference(PHOTOGRAPHS, 300, 64, captions=("a bag",))
    batches = [*reference.batches(0, 300)]
    assert np.array_equal(np.concatenate(batches), photographs_showing(["a bag"]))
    assert sum(map(len, Reference(PHOTOGRAPHS, 300, 64).batches(0, 300))) == 300
    assert sum(map(len, Reference(PHOTOGRAPHS, 300, 64).batches(260, 400))) == 40


@pytest.mark.parametrize(
    ("prompts", "evenly"),
    [
        (["a bag", "a sneaker"], True),
        (["a bag", "a sneaker", "a handbag"], False),
        (["a bag", "a zebra"], False),
    ],
)
def test_prompts_are_shown_evenly_when_each_class_is_asked_for_as_often(prompts, evenly):
    assert are_shown_evenly(prompts) == evenly
