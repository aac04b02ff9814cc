"""Which sample of its cell an image is."""

from dataclasses import replace
from pathlib import Path

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.imported.pictures import Picture, Setting
from denoisebench.bench.imported.samples import arranged, seeds_differ

FEW, MANY = Setting(scheduler="euler", steps=2), Setting(scheduler="euler", steps=8)


def by_index(setting, *numbers):
    return [Picture(Path(f"{setting.steps}_{n}.png"), setting, index=n) for n in numbers]


def by_prompt(setting, *pairs):
    """pairs: prompt and seed."""
    return [
        Picture(Path(f"{setting.steps}_{text}_{seed}.png"), setting, prompt=text, seed=seed)
        for text, seed in pairs
    ]


def names(cell):
    return [picture.file.name for picture in cell]


def test_images_are_put_in_the_order_of_their_indices():
    cells = arranged([*by_index(FEW, 2, 0, 1), *by_index(MANY, 1, 2, 0)], ["a", "b", "c"])
    assert names(cells.cells[FEW]) == ["2_0.png", "2_1.png", "2_2.png"]
    assert names(cells.cells[MANY]) == ["8_0.png", "8_1.png", "8_2.png"]
    assert cells.prompts == ("a", "b", "c")


def test_numbers_from_one_on_are_taken_for_the_first_sample_and_it_is_said():
    cells = arranged(by_index(FEW, 1, 2), ["a", "b"])
    assert names(cells.cells[FEW]) == ["2_1.png", "2_2.png"]
    assert "numbered from 1" in cells.note


def test_images_that_say_their_prompt_are_put_in_the_order_of_the_prompts():
    pictures = [*by_prompt(FEW, ("b", 5), ("a", 5)), *by_prompt(MANY, ("a", 5), ("b", 5))]
    cells = arranged(pictures, ["a", "b"])
    assert names(cells.cells[FEW]) == ["2_a_5.png", "2_b_5.png"]
    assert names(cells.cells[MANY]) == ["8_a_5.png", "8_b_5.png"]


def test_several_images_of_a_prompt_are_rounds_by_their_seeds():
    pictures = by_prompt(FEW, ("a", 9), ("b", 9), ("a", 10), ("b", 10))
    cells = arranged(pictures, None)
    assert names(cells.cells[FEW]) == ["2_a_9.png", "2_b_9.png", "2_a_10.png", "2_b_10.png"]
    assert cells.prompts == ("a", "b", "a", "b")
    assert arranged(pictures, ["a", "b"]) == cells


def test_a_prompt_that_is_given_twice_has_two_samples():
    cells = arranged(by_prompt(FEW, ("a", 1), ("b", 1), ("a", 2)), ["a", "b", "a"])
    assert names(cells.cells[FEW]) == ["2_a_1.png", "2_b_1.png", "2_a_2.png"]


@pytest.mark.parametrize(
    ("pictures", "prompts", "reason"),
    [
        (
            by_index(FEW, 0, 2),
            ["a", "b", "c"],
            "sample 1 is missing, counted from 0: 2_2.png is sample 2, and there are 2 images",
        ),
        (by_index(FEW, *range(5), 6, 8), [*"abcdefghi"], "samples 5, 7 are missing"),
        (
            by_index(FEW, 0, 10**12),
            ["a", "b"],
            "samples 1, 2, 3, 4, 5, … are missing.* is sample 1000000000000",
        ),
        (by_index(FEW, 1, 2), ["a", "b", "c"], "sample 0 is missing.*numbers from 1 on are taken"),
        (by_index(FEW, 1, 3), ["a", "b", "c"], "sample 1 is missing"),  # number 2 of the files
        (
            [*by_index(FEW, 0, 1), *by_index(MANY, 0)],
            ["a", "b"],
            "8 steps: of 2 samples, sample 1 is missing",
        ),
        (by_prompt(FEW, ("a", 1), ("a", 1)), ["a"], "have one prompt and one seed"),
        (
            [*by_prompt(FEW, ("a", 1)), replace(*by_prompt(FEW, ("a", 2)), rest="x")],
            ["a"],
            "were made with other settings",
        ),
        ([*by_index(FEW, 0), *by_index(Setting(), 0)], ["a"], "some images say their steps"),
        (by_index(FEW, 0, 1, 2), ["a", "b"], "there are 2 prompts and 3 samples"),
        (by_index(FEW, 0, 0), ["a"], "are both sample 0"),
        (by_index(FEW, 0, 1), None, "the prompts are not known"),
        (
            [*by_prompt(FEW, ("a", 1), ("b", 1)), Picture(Path("c.png"), FEW)],
            None,
            "1 of 3 images say no prompt, the first is c.png",
        ),
        (by_prompt(FEW, ("x", 1)), ["a"], "“x” is none of those given"),
        ([*by_index(FEW, 0), *by_prompt(FEW, ("a", 1))], ["a"], "has no index"),
    ],
)
def test_what_does_not_add_up_is_refused(pictures, prompts, reason):
    with pytest.raises(UserError, match=reason):
        arranged(pictures, prompts)


def test_a_prompt_beside_an_index_must_be_that_of_the_sample():
    picture = Picture(Path("a.png"), FEW, index=0, prompt="dog")
    with pytest.raises(UserError, match="a sample has one prompt"):
        arranged([picture], ["cat"])


def test_numbers_from_one_on_that_end_before_a_whole_cell_may_lack_the_first():
    with pytest.raises(UserError, match="is sample 2"):
        arranged(by_index(FEW, 1, 2), ["a", "b"], whole=3)


def test_numbers_from_one_on_up_to_a_whole_cell_are_taken_where_there_are_more_prompts():
    cells = arranged(by_index(FEW, 1, 2), ["a", "b", "c"], whole=2)
    assert names(cells.cells[FEW]) == ["2_1.png", "2_2.png"]
    assert cells.prompts == ("a", "b")


def test_fewer_samples_can_be_asked_for():
    cells = arranged([*by_index(FEW, 0, 1, 2), *by_index(MANY, 0, 1)], ["a", "b", "c"], 2)
    assert {len(cell) for cell in cells.cells.values()} == {2}
    assert cells.prompts == ("a", "b")


def test_seeds_tell_that_noise_is_not_shared():
    same = arranged([*by_prompt(FEW, ("a", 1)), *by_prompt(MANY, ("a", 1))], None)
    other = arranged([*by_prompt(FEW, ("a", 1)), *by_prompt(MANY, ("a", 2))], None)
    assert seeds_differ(same.cells) == ""
    assert "has seed 1 in euler, 2 steps and 2 in euler, 8 steps" in seeds_differ(other.cells)
