"""The section of samples: its axes, how samples change, and how large it may get."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from denoisebench.reports.page import samples as module
from denoisebench.reports.page.gallery import Block, Grid, Tile, gallery
from denoisebench.reports.page.samples import change, samples_of
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.fake_run import fabricate, with_images


def of_run(run, **options):
    frame = load_frame(run)
    return samples_of(frame, gallery(run, frame), **options)


def block(*levels):
    """A sample of one curve whose images are of one grey level each; None where there is none."""
    tiles = [
        Tile(None if level is None else np.full((3, 4, 4), level, np.uint8), "", row)
        for row, level in enumerate(levels)
    ]
    return Block(0, "a", [Grid("p", "steps", [str(i) for i in range(len(levels))], [("s", tiles)])])


def test_change_is_the_mean_difference_of_neighbours():
    assert change(block(0, 30, 20)) == pytest.approx((30 + 10) / 2)
    assert change(block(255, None, 0)) == 255
    assert math.isnan(change(block(7)))


def test_change_counts_squares_of_pixels():
    two = block(0, 0)
    two.grids[0].rows[0][1][1].image[:, :2] = 10  # half of the pixels
    assert change(two) == pytest.approx(10 / math.sqrt(2))


def test_every_cell_has_a_place_of_its_own_on_the_axes(tmp_path):
    run = fabricate(tmp_path / "run")
    shown = of_run(run, defaults=[9])
    assert [axis.title for axis in shown.axes] == ["Scheduler", "Steps", "Guidance"]
    assert [axis.values for axis in shown.axes[1:]] == [["2", "4", "8", "16"], ["1", "4"]]
    places = {cell.place for cell in shown.cells.values()}
    assert len(places) == len(run.entries) == 24
    for row, entry in enumerate(run.entries):
        cell = entry.cell
        place = [int(number) for number in shown.cells[row].place.split()]
        values = [axis.values[number] for axis, number in zip(shown.axes, place, strict=True)]
        assert values == [cell.scheduler, str(cell.steps), f"{cell.guidance:g}"]
        assert shown.cells[row].key == cell.key
    default = run.entries[9].cell
    assert [row for row, cell in shown.cells.items() if cell.is_default] == [9]
    assert shown.axes[2].values[shown.axes[2].start] == f"{default.guidance:g}"


def test_pictures_stay_within_their_budget_whatever_the_run(tmp_path, monkeypatch):
    run = fabricate(tmp_path / "run")
    whole = of_run(run)
    sizes = [sum(map(len, whole.uris.values()))]
    assert len(whole.blocks) == 8
    for budget in (sizes[0] // 2, sizes[0] // 5, sizes[0] // 50):
        monkeypatch.setattr(module, "MOST_BYTES", budget)
        shown = of_run(run)
        assert 0 < sum(map(len, shown.uris.values())) <= budget
        assert 1 <= len(shown.blocks) < 8
        assert f"Shown: {len(shown.blocks)} of 32 samples, " in shown.size


def test_large_images_are_made_smaller_before_samples_are_left_out(tmp_path, monkeypatch):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(2, 4), guidances=(1.0,))
    with_images(run, np.random.default_rng(0).integers(0, 256, (32, 3, 256, 256), np.uint8))
    frame = load_frame(run).assign(width=256, height=256)
    blocks = gallery(run, frame)[:4]
    assert "in full size" in samples_of(frame, blocks).size
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    shown = samples_of(frame, blocks)
    assert len(shown.blocks) == 4
    (side,) = map(int, re.findall(r"made smaller to (\d+) pixels", shown.size))
    assert 32 <= side < 256


def test_noise_is_called_the_same_only_where_one_seed_is(tmp_path):
    assert of_run(fabricate(tmp_path / "a" / "run", steps=(2,))).noise == "noise seed 0"
    assert of_run(fabricate(tmp_path / "b" / "run", steps=(2,), seeds=(0, 1))).noise == ""


def test_a_first_sample_without_pictures_stands_beside_others(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(2, 4))
    frame = load_frame(run)
    first, *others = gallery(run, frame)
    bare = replace(first, grids=[replace(grid, rows=[]) for grid in first.grids])
    shown = samples_of(frame, [bare, *others])
    assert len(shown.blocks) == 8
    assert {sample for _, sample in shown.uris} == {*range(1, 8)}


def test_without_images_there_are_no_samples(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(2,), failed=[("ddim", 2)])
    assert of_run(run) is None
