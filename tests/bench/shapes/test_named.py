"""Scenes of given captions: what a caption says is shown, the rest is drawn as ever."""

import numpy as np

from denoisebench.bench.shapes.language import are_captions, asked_for, named_in
from denoisebench.bench.shapes.render import dataset, pictures_of
from denoisebench.bench.shapes.world import HELD_OUT_SEED, captions, draw_scenes


def test_scenes_of_their_own_captions_are_the_same_scenes():
    images, texts = dataset(HELD_OUT_SEED, 7, 107)
    np.testing.assert_array_equal(pictures_of(texts, HELD_OUT_SEED, 7), images)


def test_scenes_show_what_other_captions_say():
    wanted = captions(draw_scenes(1, 0, 200))
    scenes = draw_scenes(HELD_OUT_SEED, 0, 200, named=named_in(wanted))
    assert captions(scenes) == wanted
    layout = asked_for(wanted)["layout"]
    side_by_side = np.flatnonzero(layout == 1)
    first, second = scenes.centre[side_by_side, 0, 0], scenes.centre[side_by_side, 1, 0]
    assert ((first < second) == (scenes.relation[side_by_side] == 0)).all()


def test_other_sentences_are_no_captions():
    assert are_captions(["a small solid red ring on a blue background"])
    assert not are_captions(["a small solid red ring on a blue background", "a cat"])
