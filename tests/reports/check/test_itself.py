"""A run against itself is known to be no worse, however few or odd its samples are."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import read_pack, write_pack
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.check.check import check
from denoisebench.reports.check.families import IMAGES, QUALITY
from denoisebench.reports.check.merge import merged
from tests.helpers.checked import each
from tests.helpers.cli import call
from tests.helpers.fake_run import CLIP, FD, MARGINS, fabricate

DRIFT = {"share": 0.05, "beyond": 1e-6, "elsewhere": 1e-6, "coarse": 1e-6}


@pytest.fixture
def run(tmp_path):
    return fabricate(
        tmp_path / "run", schedulers=("ddim",), steps=(2, 4), guidances=(4.0,), samples=8
    )


def counted(value=0.75, left=0.0):
    """Such as the share of images that are right: most samples are alike."""
    influence = np.array([0.25] * 6 + [-0.75] * 2)
    return Estimate(value, influence, left=left)


def scored(cell, estimate):
    """A cell whose every metric is this."""
    metrics = {name: replace(metric, estimate=estimate) for name, metric in cell.metrics.items()}
    return replace(cell, metrics=metrics, latencies=[])


def judged(old, new):
    found = check(old, new, MARGINS, slower={}, drift=DRIFT, only=(QUALITY, IMAGES))
    return {row.outcome for row in found.rows}, {row.note for row in found.rows}


@pytest.mark.parametrize(
    "estimate",
    [
        counted(),
        counted(left=math.inf),
        counted(left=math.nan),
        Estimate(1.0, np.zeros(8)),
        Estimate(1.0, np.arange(8.0), clusters=np.zeros(8, int)),
    ],
    ids=["counts", "biased without bound", "biased by who knows", "all alike", "of one prompt"],
)
def test_equal_images_are_no_worse_by_any_metric(estimate, run):
    pack = each(pack_run(run), scored, estimate)
    assert judged(pack, deepcopy(pack)) == ({PASS}, {""})


def test_images_that_are_not_known_to_be_equal_are_a_matter_of_chance(run):
    pack = each(each(pack_run(run), scored, counted()), replace, images_hash="")
    found = check(pack, deepcopy(pack), MARGINS, slower={})
    assert {row.outcome for row in found.rows} == {UNDECIDED}


def test_features_that_are_no_numbers_have_not_moved(run):
    def odd(cell):
        return replace(cell, features={"features_x": np.full((8, 4), np.nan, np.float16)})

    pack = each(pack_run(run), odd)
    assert judged(pack, deepcopy(pack)) == ({PASS}, {""})


def test_rounding_of_scores_is_no_change_and_more_is_said(run):
    old = each(pack_run(run), scored, counted())
    rounded = each(old, scored, Estimate(0.75 * (1 + 1e-7), counted().influence[::-1]))
    assert judged(old, rounded) == ({PASS}, {""})
    otherwise = each(old, scored, counted(value=9.0))
    outcomes, notes = judged(old, otherwise)
    assert outcomes == {PASS, UNDECIDED}  # of images, and of quality by eight samples
    assert "the images are the same: scored otherwise" in notes


def test_many_packs_of_one_run_are_that_run(run, tmp_path):
    odd = each(pack_run(run), scored, counted(value=0.1))
    write_pack(odd, tmp_path / "a.dbpack")
    assert judged(merged(3 * [read_pack(tmp_path / "a.dbpack")]), odd) == ({PASS}, {""})


def test_packs_of_other_images_are_not_those_of_one_of_them(run):
    pack = pack_run(run)
    other = each(pack, replace, images_hash="f" * 16)
    assert {cell.images_hash for cell in merged([pack, other]).cells} == {""}


def test_a_run_of_few_samples_passes_against_itself_on_the_command_line(run, tmp_path, capsys):
    margins = tmp_path / "margins.yaml"
    margins.write_text(f"name: mine\ngating: {{{FD}: {{absolute: 1}}, {CLIP}: {{absolute: 1}}}}\n")
    asked = ("--baseline", run.folder, "--candidate", run.folder, "--margins", margins)
    out = f"--out={tmp_path / 'out'}"
    code, text, _ = call(capsys, "check", *asked, out, "--only=quality,images")
    assert (code, text.splitlines()[0]) == (0, "PASS: quality pass (4 of 4), images pass (2 of 2)")
