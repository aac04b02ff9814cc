"""Prompts and reference belong together."""

import json
from functools import reduce

import numpy as np
import pytest
import torch
from PIL import Image

from denoisebench.bench.paths import EMBEDDED
from denoisebench.bench.score.references import RENDERS, Reference
from denoisebench.bench.shapes.render import pictures_of
from denoisebench.bench.shapes.world import (
    HELD_OUT_SEED,
    PROMPT_SEED,
    captions,
    draw_scenes,
)
from denoisebench.metrics.features.frechet import frechet_estimate
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.networks.extractors import attribute_extractor
from tests.helpers.cli import call, tiny


@pytest.mark.slow
def test_perfect_images_of_eight_prompts_score_about_0_against_renders_of_the_same():
    texts = captions(draw_scenes(PROMPT_SEED, 0, 8))
    extract = attribute_extractor(EMBEDDED / "shapes-features" / "features.safetensors", "shapes")
    perfect = extract(torch.from_numpy(pictures_of(texts * 64, HELD_OUT_SEED, 0)))
    found = []
    for shown in (tuple(texts), ()):
        batches = Reference(RENDERS, 2048, 256, captions=shown).batches(0, 2048)
        parts = [FeatureStats.from_features(extract(torch.from_numpy(b))) for b in batches]
        stats = reduce(FeatureStats.merge, parts)
        found.append(frechet_estimate(perfect, stats, np.arange(512) % 8))
    of_prompts, of_world = found
    low, high = of_prompts.interval()
    assert low <= 0 <= high
    assert of_world.value > 20 * high


def test_renders_of_other_prompts_are_another_reference():
    one, two = captions(draw_scenes(PROMPT_SEED, 0, 2))
    shown = ((), (one,), (two,), (one, two))
    assert len({Reference(RENDERS, 64, 8, captions=c).key("features") for c in shown}) == 4


@pytest.mark.parametrize(
    ("prompts", "told"),
    [(["a cat", "a dog"], True), (captions(draw_scenes(PROMPT_SEED, 0, 2)), False)],
)
def test_a_reference_that_may_show_other_things_than_the_prompts_is_said(
    prompts, told, tmp_path, capsys
):
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(prompts))
    given = ("prompts=file", f"prompts.path={path}", "--dry-run")
    code, out, _ = call(capsys, *tiny(tmp_path / "runs", *given))
    assert code == 0
    assert ("nothing tells whether it shows what the prompts" in out) == told
    assert "nothing tells" not in call(capsys, *tiny(tmp_path / "runs", "--dry-run"))[1]


def reference_folder(folder, captions):
    """Images of one grey level each, the first darkest, with captions beside them."""
    folder.mkdir()
    for number in range(len(captions)):
        Image.new("L", (32, 32), 10 * number).save(folder / f"{number}.png")
    lines = [{"file_name": f"{n}.png", "text": text} for n, text in enumerate(captions)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def levels(folder, prompts):
    images = np.concatenate([*Reference(str(folder), 64, 8, captions=prompts).batches(0, 64)])
    return [int(image.mean()) // 10 for image in images]


def test_of_a_folder_with_captions_the_images_of_the_prompts_are_the_reference(tmp_path):
    folder = reference_folder(tmp_path / "images", ["a cat", "a dog", "a cat", "a bird"])
    assert levels(folder, ("a bird", "a cat")) == [0, 2, 3]
    for all_of_them in ((), ("a cat", "a fish")):
        assert levels(folder, all_of_them) == [0, 1, 2, 3]
    keys = {Reference(str(folder), 64, 8, captions=c).key("") for c in ((), ("a cat",))}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("prompts", "told"), [(["a cat", "a dog"], False), (["a cat", "a fish"], True)]
)
def test_captions_tell_whether_a_reference_shows_what_the_prompts_ask_for(
    prompts, told, tmp_path, capsys
):
    folder = reference_folder(tmp_path / "images", ["a cat", "a dog"] * 4)
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(prompts))
    given = ("prompts=file", f"prompts.path={path}", f"metrics.reference={folder}", "--dry-run")
    code, out, _ = call(capsys, *tiny(tmp_path / "runs", *given))
    assert code == 0
    assert ("nothing tells whether it shows what the prompts" in out) == told


def test_captions_that_name_no_image_are_refused(tmp_path, capsys):
    folder = reference_folder(tmp_path / "images", ["a cat"] * 4)
    (folder / "metadata.jsonl").write_text('{"image": "0.png", "text": "a cat"}')
    path = tmp_path / "prompts.txt"
    path.write_text("a cat")
    given = ("prompts=file", f"prompts.path={path}", f"metrics.reference={folder}", "--dry-run")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *given))
    assert code == 2
    assert "metadata.jsonl: each record needs a file_name and a text" in err


@pytest.mark.parametrize(
    ("prompts", "told"),
    [(["a bag", "a sneaker"], False), (["a bag", "a bag on grass"], True)],
)
def test_photographs_are_held_against_prompts_of_their_classes_alone(
    prompts, told, tmp_path, capsys
):
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(prompts))
    given = ("model=fashion-ddpm", "prompts=file", f"prompts.path={path}", "metrics.accuracy=null")
    code, out, _ = call(capsys, *tiny(tmp_path / "runs", *given, "--dry-run"))
    assert code == 0
    assert ("nothing tells whether it shows what the prompts" in out) == told
