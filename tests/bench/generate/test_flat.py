"""Images that show nothing are found before they are scored."""

import numpy as np
import pandas as pd
import pytest
import torch

from denoisebench.bench.generate.flat import count_flat, overflow_hint
from denoisebench.bench.generate.generate import _to_uint8
from denoisebench.bench.records.run import load_run
from tests.helpers.cli import call, tiny


def images(*colours):
    return np.stack([np.full((3, 8, 8), c, np.uint8) for c in colours])


def test_black_and_one_coloured_images_are_flat():
    assert count_flat(images(0, 255, 127)) == 3


def test_a_colour_that_differs_between_channels_is_flat():
    one = np.stack([np.full((8, 8), c, np.uint8) for c in (10, 200, 90)])[None]
    assert count_flat(one) == 1


def test_rounding_does_not_make_an_image_and_a_small_object_does():
    grained, spotted = images(100, 100)
    grained[:, ::2] += 2
    spotted[0, 3, 3] += 40
    assert count_flat(np.stack([grained, spotted])) == 1


def test_random_images_are_not_flat():
    noise = np.random.default_rng(0).integers(0, 256, (16, 3, 8, 8)).astype(np.uint8)
    assert count_flat(noise) == 0


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_an_image_with_a_pixel_that_is_not_finite_is_black(value, generator):
    images = torch.rand(3, 3, 8, 8, generator=generator)
    whole = _to_uint8(images)
    images[1, 2, 3, 4] = value
    pixels = _to_uint8(images)
    assert not pixels[1].any()
    assert np.array_equal(pixels[[0, 2]], whole[[0, 2]])
    assert count_flat(pixels) == 1


def test_half_precision_names_the_usual_cause():
    assert "overflow in a float16 VAE" in overflow_hint("float16")
    assert overflow_hint("bfloat16") == ""


def blacken(monkeypatch, share):
    """A share of each batch comes out black."""

    def to_uint8(images):
        pixels = _to_uint8(images)
        pixels[: round(share * len(pixels))] = 0
        return pixels

    monkeypatch.setattr("denoisebench.bench.generate.generate._to_uint8", to_uint8)


@pytest.mark.slow
def test_a_cell_of_black_frames_is_degenerate_and_not_scored(tmp_path, capsys, monkeypatch):
    blacken(monkeypatch, 0.5)
    arguments = tiny(tmp_path, "batch_size=8")
    code, out, _ = call(capsys, *arguments)
    assert code == 1
    assert "4 of 8 images are black, of one colour or not finite: not scored" in out
    row = pd.read_csv(tmp_path / "tiny" / "results.csv").iloc[0]
    assert (row["status"], row["flat_images"]) == ("degenerate", 4)
    assert row.filter(like="fd_").isna().all()
    assert "4 of 8 images are black" in (tmp_path / "tiny" / "report.html").read_text()
    store = load_run(tmp_path / "tiny").store
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("images-*")}
    assert call(capsys, *arguments)[0] == 1
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("images-*")} == before


@pytest.mark.slow
def test_a_few_are_said_wherever_the_score_stands(tmp_path, capsys, monkeypatch):
    blacken(monkeypatch, 1 / 32)
    grid = ("samples=32", "batch_size=32")
    code, out, _ = call(capsys, *tiny(tmp_path, *grid))
    assert code == 0
    row = pd.read_csv(tmp_path / "tiny" / "results.csv").iloc[0]
    assert (row["status"], row["flat_images"]) == ("done", 1)
    assert "1 of 32 images show nothing" in out
    caution = "1 of 32 of shapes-ddpm, ddim, 2 steps, guidance 1"
    assert f"not finite are scored with the others: {caution}." in " ".join(out.split())
    assert caution in (tmp_path / "tiny" / "report.html").read_text()


@pytest.mark.slow
def test_closed_form_models_may_make_flat_images(tmp_path, capsys):
    """Two steps of Euler's method leave no contrast."""
    grid = ("model=mixture-flow", "scheduler=flow_euler")
    assert call(capsys, *tiny(tmp_path, *grid))[0] == 0
