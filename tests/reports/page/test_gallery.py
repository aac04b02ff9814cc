import base64
import io

import numpy as np
from PIL import Image

from denoisebench.bench.records.rows import read_inputs
from denoisebench.reports.page.contact_sheet import sheets
from denoisebench.reports.page.gallery import enlarged, gallery, tile_uri
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.fake_run import PROMPTS, fabricate, with_images


def decoded(uri):
    head, content = uri.split(",", 1)
    assert head == "data:image/webp;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def test_every_tile_is_the_stored_sample_under_its_prompt(tmp_path):
    run = fabricate(tmp_path / "run")
    blocks = gallery(run, load_frame(run))
    assert [block.caption for block in blocks] == [*PROMPTS, *PROMPTS, *PROMPTS[:2]]
    entry = next(e for e in run.entries if (e.cell.scheduler, e.cell.steps) == ("euler", 8))
    stored = run.store.read(entry.cell.key, "images", 3)["images"][2]
    grid = blocks[2].grids[0]
    scheduler, tiles = grid.rows[1]
    assert (grid.panel, scheduler) == ("guidance 1", "euler")
    assert (grid.along, grid.columns) == ("steps", ["2", "4", "8", "16"])
    np.testing.assert_array_equal(tiles[2].image, stored)


def test_failed_and_missing_cells_leave_marked_tiles(tmp_path):
    run = fabricate(tmp_path / "run", failed=[("heun", 16)])
    key = next(e.cell.key for e in run.entries if (e.cell.scheduler, e.cell.steps) == ("ddim", 2))
    for path in (tmp_path / "run" / "cells" / key).glob("images-*"):
        path.unlink()
    rows = dict(gallery(run, load_frame(run))[0].grids[0].rows)
    assert (rows["heun"][3].image, rows["heun"][3].missing) == (None, "failed")
    assert (rows["ddim"][0].image, rows["ddim"][0].missing) == (None, "not stored")


def test_small_images_survive_their_data_uri_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    np.testing.assert_array_equal(decoded(tile_uri(image)), image.transpose(1, 2, 0))


def test_large_images_are_kept_as_large_as_a_page_shows_them(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(2,), guidances=(1.0,))
    with_images(run, np.zeros((32, 3, 300, 600), np.uint8))
    (block, *_) = gallery(run, load_frame(run))
    assert block.grids[0].rows[0][1][0].image.shape == (3, 128, 256)


def test_large_images_become_thumbnails():
    image = np.zeros((3, 512, 768), np.uint8)
    assert decoded(tile_uri(image)).shape == (85, 128, 3)


def test_small_images_are_enlarged_without_smoothing():
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    expected = image.transpose(1, 2, 0).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.array(enlarged(image, 64)), expected)


def test_a_run_without_prompt_texts_or_with_fewer_samples_still_has_a_gallery(tmp_path):
    run = fabricate(tmp_path / "run", samples=2)
    (tmp_path / "run" / "prompts.json").unlink()
    blocks = gallery(run, load_frame(run))
    assert [block.caption for block in blocks] == ["prompt 0 of shapes", "prompt 1 of shapes"]


def test_a_huge_sweep_shows_fewer_prompts(tmp_path, monkeypatch):
    monkeypatch.setattr("denoisebench.reports.page.gallery._MOST_TILES", 50)
    run = fabricate(tmp_path / "run")  # 24 cells
    assert len(gallery(run, load_frame(run))) == 2


def test_sheets_are_one_picture_per_panel_with_a_tile_per_cell(tmp_path):
    run = fabricate(tmp_path / "run")
    made = sheets(gallery(run, load_frame(run)))
    assert list(made) == ["guidance 1", "guidance 4"]
    colours = {sheet.size for sheet in made.values()}
    assert len(colours) == 1
    width, height = colours.pop()
    assert width > 4 * 72
    assert height > 4 * 3 * 72


def test_without_images_there_is_no_gallery(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(2,), failed=[("ddim", 2)])
    assert gallery(run, load_frame(run)) == []
    assert sheets([]) == {}


def test_the_input_stands_beside_the_tiles_with_what_is_repainted_hatched(tmp_path):
    run = fabricate(tmp_path / "run", tasks=("txt2img", "img2img", "inpaint"), steps=(4, 8))
    grids = {grid.panel: grid for grid in gallery(run, load_frame(run))[1].grids}
    plain, image, masked = (
        grids[f"{task}, guidance 1, strength {strength}"]
        for task, strength in (("txt2img", 1), ("img2img", 0.6), ("inpaint", 0.6))
    )
    assert plain.given is None
    given = read_inputs(run.store, run.entries[4].cell)
    assert run.entries[4].cell.task == "inpaint"
    np.testing.assert_array_equal(image.given, given["images"][1])
    changed = (masked.given != given["images"][1]).any(0)
    assert not (changed & ~given["masks"][1]).any()
    assert changed.sum() > 0.9 * given["masks"][1].sum()
    assert len(np.unique(masked.given[:, given["masks"][1]], axis=1).T) > 1  # stripes


def test_one_step_count_at_several_strengths_has_strengths_for_columns(tmp_path):
    run = fabricate(tmp_path / "run", tasks=("img2img",), steps=(8,), strengths=(0.9, 0.3))
    (block, *_) = gallery(run, load_frame(run))
    grid = block.grids[0]
    assert (grid.panel, grid.along, grid.columns) == ("guidance 1", "strength", ["0.3", "0.9"])
    entry = next(e for e in run.entries if (e.cell.scheduler, e.cell.strength) == ("euler", 0.9))
    stored = run.store.read(entry.cell.key, "images", 1)["images"][0]
    np.testing.assert_array_equal(dict(grid.rows)["euler"][1].image, stored)


def test_a_sheet_has_room_for_the_input(tmp_path):
    plain = fabricate(tmp_path / "a" / "run", guidances=(1.0,))
    given = fabricate(tmp_path / "b" / "run", guidances=(1.0,), tasks=("inpaint",))
    (without,) = sheets(gallery(plain, load_frame(plain))).values()
    (sheet,) = sheets(gallery(given, load_frame(given))).values()
    image = np.array(sheet)
    tile = np.array(enlarged(gallery(given, load_frame(given))[0].grids[0].given, 72))
    corners = np.argwhere((image[:-71, :-71] == tile[0, 0]).all(-1))
    assert any((image[y : y + 72, x : x + 72] == tile).all() for y, x in corners)
    assert sheet.height == without.height
