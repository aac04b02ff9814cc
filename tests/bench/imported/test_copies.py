"""Copies of one file under several names."""

from dataclasses import replace

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.imported.copies import copies_among
from denoisebench.bench.imported.pictures import Picture, Setting

CELL = Setting(scheduler="euler", steps=2)


@pytest.fixture
def pictures(tmp_path):
    """Four samples; the last two are one file."""
    for name, content in zip("abcd", (b"1", b"22", b"3", b"3"), strict=True):
        (tmp_path / f"{name}.png").write_bytes(content)
    return [Picture(tmp_path / f"{name}.png", CELL) for name in "abcd"]


def test_copies_of_one_prompt_are_one_sample(pictures):
    with pytest.raises(UserError, match=r"euler, 2 steps: c\.png and d\.png are one file under"):
        [*copies_among({CELL: pictures}, ("x", "y", "z", "z"))]


def test_copies_of_other_prompts_or_seeds_are_told_of(pictures):
    (line,) = copies_among({CELL: pictures}, ("x", "y", "z", "w"))
    assert line.startswith("euler, 2 steps: 1 of 4 images repeat another file, such as c.png and d")
    seeded = [replace(picture, seed=number) for number, picture in enumerate(pictures)]
    assert len([*copies_among({CELL: seeded}, ("x", "y", "z", "z"))]) == 1


def test_copies_in_other_cells_and_files_of_one_size_are_no_matter(pictures):
    others = replace(CELL, steps=8)
    cells = {CELL: pictures[:3], others: [*pictures[:2], pictures[3]]}
    assert [*copies_among(cells, ("x", "x", "x"))] == []
