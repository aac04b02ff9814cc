"""Two cells compared through the real command line and as a function."""

from dataclasses import replace

import numpy as np
import pytest
from cli import call
from fake_run import CLIP, FD, fabricate

from bench.errors import UserError
from bench.rows import read_estimate
from bench.run import load_run
from reports.compare import MeasuredCell, compare, find_cell

A = "scheduler=ddim,steps=2,guidance=4"
B = "scheduler=ddim,steps=16,guidance=4"


def cells(run):
    return [find_cell(run, dict(p.split("=") for p in which.split(","))) for which in (A, B)]


def test_cells_of_one_run_are_compared_sample_by_sample(tmp_path):
    run = fabricate(tmp_path / "run")
    a, b = cells(run)
    found = compare(a, b, CLIP)
    x, y = (read_estimate(run.store, one.entry, CLIP) for one in (a, b))
    assert found.unpaired == ""
    assert found.value == x.value - y.value
    assert found.se == pytest.approx(np.std(x.influence - y.influence, ddof=1) / 32**0.5)
    assert found.se < np.hypot(x.se, y.se)


def test_other_prompts_are_not_paired_and_that_is_said(tmp_path):
    run = fabricate(tmp_path / "run")
    a, b = cells(run)
    estimate = read_estimate(run.store, b.entry, CLIP)
    cell = replace(b.entry.cell, prompts_hash="another")
    record = {"value": estimate.value, "influence": estimate.influence.tolist()}
    run.store.write_record(cell.key, CLIP, record)
    found = compare(a, MeasuredCell(run, replace(b.entry, cell=cell)), CLIP)
    assert found.unpaired == "different prompts"
    assert found.se > compare(a, b, CLIP).se


def test_the_command_prints_every_shared_metric(tmp_path, capsys):
    run = fabricate(tmp_path / "run")
    code, out, _ = call(capsys, "compare", run.folder, A, B)
    assert code == 0
    assert "Fréchet distance (shapes), lower is better" in out
    assert "32 paired" in out
    assert "worse" in out


def test_the_command_compares_across_runs(tmp_path, capsys):
    first, second = fabricate(tmp_path / "a"), fabricate(tmp_path / "b", schedulers=("ddim",))
    code, out, _ = call(capsys, "compare", first.folder, A, second.folder, A)
    assert code == 0
    assert "not told apart" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((A,), "two of its cells"),
        ((A, "scheduler=ddim"), "they differ in steps, guidance"),
        ((A, "scheduler=pndm"), "no cell"),
        ((A, "colour=red"), "cells are chosen by"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(tmp_path, capsys, arguments, told):
    run = fabricate(tmp_path / "run")
    code, _, err = call(capsys, "compare", run.folder, *arguments)
    assert code == 2
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_metric_that_is_not_there_is_named_with_those_that_are(tmp_path):
    a, b = cells(load_run(fabricate(tmp_path / "run").folder))
    with pytest.raises(UserError, match=f"{FD}, {CLIP}"):
        compare(a, b, "fid")
