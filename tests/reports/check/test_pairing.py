"""Which cells of two packs are the same one."""

from dataclasses import replace

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.pack import pack_run
from denoisebench.reports.check.pairing import Matching, match, matching_of
from tests.helpers.fake_run import fabricate

TRAILING = "ddim+timestep_spacing=trailing"


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    """By name: runs of two step counts and one guidance, of the schedulers that the name says."""

    def packed(name, *schedulers, **axes):
        folder = tmp_path_factory.mktemp("runs") / name
        axes = {"steps": (2, 4), "guidances": (4.0,), **axes}
        return pack_run(fabricate(folder, schedulers=schedulers, **axes))

    return {
        "ddim": packed("ddim", "ddim"),
        "trailing": packed("trailing", TRAILING),
        "both": packed("both", "ddim", TRAILING),
        "heun": packed("heun", "ddim", "heun"),
        "longer": packed("longer", "ddim", steps=(8, 16)),
        "seeds": packed("seeds", "ddim", seeds=(0, 1)),
    }


def couples(packs, old, new, **how):
    """Scheduler and steps of both cells of each pair, and what the candidate lacks."""
    sides = packs[old], packs[new]
    pairs, lacking = match(*sides, matching_of(how.get("by"), how.get("map"), sides))
    cells = [(pair.old.cell, pair.new.cell) for pair in pairs]
    return {(a.scheduler, a.steps, b.scheduler, b.steps) for a, b in cells}, lacking


BOTH = {("ddim", 2, TRAILING, 2), ("ddim", 4, TRAILING, 4)}


@pytest.mark.parametrize(
    "how",
    [
        {"by": "steps,guidance"},
        {"map": "ddim=ddim+trailing"},
        {"map": f"ddim={TRAILING}"},
    ],
)
def test_changed_flags_are_matched_by_other_settings_or_by_name(how, packs):
    assert couples(packs, "ddim", "trailing", **how) == (BOTH, [])


def test_a_name_that_has_the_sign_in_it_stands_on_either_side(packs):
    pairs, _ = couples(packs, "trailing", "ddim", map=f"{TRAILING}=ddim")
    assert pairs == {(TRAILING, 2, "ddim", 2), (TRAILING, 4, "ddim", 4)}


def test_a_renamed_cell_leaves_its_own_namesake_alone(packs):
    assert couples(packs, "ddim", "both", map="ddim=ddim+trailing") == (BOTH, [])


def test_what_a_map_does_not_name_is_matched_as_ever(packs):
    pairs, lacking = couples(packs, "heun", "trailing", map="ddim=ddim+trailing")
    assert pairs == BOTH
    assert lacking == ["heun, 2 steps, guidance 4", "heun, 4 steps, guidance 4"]


def test_cells_of_two_seeds_are_told_apart_by_what_they_do_not_match_by(packs):
    pairs, _ = match(packs["seeds"], packs["seeds"], Matching(("steps",)))
    assert [pair.old.cell for pair in pairs] == [pair.new.cell for pair in pairs]
    assert len(pairs) == 4


@pytest.mark.parametrize(
    ("old", "new", "how", "words"),
    [
        (
            "heun",
            "trailing",
            {"by": "steps,guidance"},
            "shapes-ddpm, ddim, 2 steps, guidance 4 and shapes-ddpm, heun, 2 steps, guidance 4 of "
            "the baseline match the same cell: add scheduler to --by=steps,guidance",
        ),
        ("ddim", "both", {"by": "steps"}, "of the candidate match the same cell: add scheduler"),
        (
            "both",
            "trailing",
            {"map": "ddim=ddim+trailing"},
            "of the baseline match the same cell: let --map give each scheduler another one",
        ),
        ("ddim", "trailing", {"map": "ddim=euler"}, f"ddim in the baseline and {TRAILING} in the"),
        ("ddim", "both", {"map": "ddim=ddim,ddim=ddim+trailing"}, "each of the baseline once"),
        ("ddim", "both", {"map": "ddim"}, "give BASELINE=CANDIDATE"),
        ("ddim", "both", {"by": "step"}, "did you mean steps"),
        ("ddim", "both", {"by": "steps,"}, "is no setting"),
    ],
)
def test_what_cannot_be_matched_is_one_line_with_the_cure(old, new, how, words, packs):
    with pytest.raises(UserError) as error:
        couples(packs, old, new, **how)
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_sides_that_share_no_cell_are_told_the_nearest_of_both(packs):
    with pytest.raises(UserError) as error:
        couples(packs, "ddim", "trailing")
    assert str(error.value) == (
        "ddim and trailing share no cell. The nearest are shapes-ddpm, ddim, 2 steps, guidance 4 "
        f"of the baseline and shapes-ddpm, {TRAILING}, 2 steps, guidance 4 of the candidate, which "
        f"differ in scheduler: give --map ddim={TRAILING}, or give --by=steps,guidance, or sweep "
        "the candidate over the baseline's settings"
    )
    with pytest.raises(UserError, match=r"ddim, 4 steps, .* ddim, 8 steps, .* differ in steps"):
        couples(packs, "ddim", "longer")


def test_a_cure_that_would_not_work_is_not_given(packs):
    several = replace(packs["heun"], cells=[*packs["heun"].cells])
    with pytest.raises(UserError) as error:
        match(several, packs["trailing"])
    assert "--map" in str(error.value)
    assert "--by" not in str(error.value)


def test_a_side_without_cells_is_said(packs):
    empty = replace(packs["ddim"], name="empty", cells=[])
    with pytest.raises(UserError, match="empty has no cell that can be run"):
        match(packs["ddim"], empty)
