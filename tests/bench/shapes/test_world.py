"""The embedded world: scenes, captions and renders."""

from dataclasses import replace

import numpy as np

from denoisebench.bench.shapes.render import dataset, render
from denoisebench.bench.shapes.world import (
    BACKGROUNDS,
    COLOURS,
    IMAGE_SIZE,
    RELATIONS,
    SHAPES,
    TEXTURES,
    WORDS,
    captions,
    draw_scenes,
)


def test_a_slice_of_a_stream_needs_no_scene_before_it():
    whole, _ = dataset(7, 0, 300)
    part, _ = dataset(7, 100, 140)
    assert np.array_equal(whole[100:140], part)


def test_streams_of_two_seeds_differ():
    assert captions(draw_scenes(1, 0, 20)) != captions(draw_scenes(2, 0, 20))


def test_images_are_bytes_of_the_documented_shape():
    images, _ = dataset(1, 0, 3)
    assert images.shape == (3, 3, IMAGE_SIZE, IMAGE_SIZE)
    assert images.dtype == np.uint8


def test_no_scenes_are_no_images():
    assert render(draw_scenes(1, 5, 5)).shape == (0, 3, IMAGE_SIZE, IMAGE_SIZE)


def test_captions_use_known_words_and_name_every_attribute():
    scenes = draw_scenes(3, 0, 500)
    for i, caption in enumerate(captions(scenes)):
        assert set(caption.split()) <= set(WORDS)
        assert f"{tuple(COLOURS)[scenes.colour[i, 0]]} {SHAPES[scenes.shape[i, 0]]}" in caption
        assert caption.endswith(f"on a {tuple(BACKGROUNDS)[scenes.background[i]]} background")
        assert any(f" {r} " in caption for r in RELATIONS) == (scenes.count[i] == 2)


def test_every_attribute_value_is_drawn_about_equally_often():
    scenes = draw_scenes(5, 0, 6000)
    for values, options in (
        (scenes.shape, SHAPES),
        (scenes.colour, COLOURS),
        (scenes.texture, TEXTURES),
        (scenes.relation, RELATIONS),
        (scenes.count - 1, (1, 2)),
    ):
        shares = np.bincount(values.ravel(), minlength=len(options)) / values.size
        assert np.abs(shares - 1 / len(options)).max() < 0.02


def test_the_background_has_neither_object_s_colour():
    scenes = draw_scenes(5, 0, 5000)
    assert not (scenes.background[:, None] == scenes.colour).any()
    assert set(scenes.background) == set(range(len(BACKGROUNDS)))


def test_relations_hold_in_the_picture():
    scenes = draw_scenes(5, 0, 2000)
    first, second = scenes.centre[:, 0], scenes.centre[:, 1]
    two = scenes.count == 2
    for name, axis, direction in (
        ("left of", 0, 1),
        ("right of", 0, -1),
        ("above", 1, 1),
        ("below", 1, -1),
    ):
        rows = two & (scenes.relation == RELATIONS.index(name))
        gap = direction * (second - first)[rows, axis]
        assert (gap >= scenes.radius[rows].sum(1) - 1e-9).all()


def test_objects_stay_inside_the_frame():
    scenes = draw_scenes(5, 0, 2000)
    assert (scenes.centre - scenes.radius[:, :, None])[scenes.count == 2].min() >= 0
    assert (scenes.centre + scenes.radius[:, :, None])[scenes.count == 2].max() <= IMAGE_SIZE


def test_a_solid_circle_covers_its_area():
    """Anti-aliased coverage sums to the area of the disc."""
    drawn = draw_scenes(9, 0, 40)
    scenes = replace(
        drawn,
        count=np.ones_like(drawn.count),
        shape=np.full_like(drawn.shape, SHAPES.index("circle")),
        texture=np.full_like(drawn.texture, TEXTURES.index("solid")),
        gradient=np.zeros_like(drawn.gradient),
    )
    for i, image in enumerate(render(scenes).astype(float)):
        x, y = scenes.centre[i, 0].astype(int)
        inside, outside = image[:, y, x], image[:, 0, 0]
        channel = np.abs(inside - outside).argmax()
        cover = (image[channel] - outside[channel]) / (inside - outside)[channel]
        area = np.pi * (0.97 * scenes.radius[i, 0]) ** 2
        assert abs(cover.sum() - area) < 0.02 * area
