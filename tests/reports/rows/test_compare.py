"""Two cells compared through the real command line and as a function."""

from dataclasses import replace

import numpy as np
import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.rows import read_estimate
from denoisebench.bench.records.run import Run, load_run, save_run
from denoisebench.metrics.decide.difference import difference_of
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.rows.compare import (
    MeasuredCell,
    _names,
    a_is,
    compare_cells,
    comparison_frame,
    comparison_table,
    difference_words,
    find_cell,
)
from tests.helpers.cli import call, cells_of
from tests.helpers.fake_run import CLIP, FD, fabricate

A = "scheduler=ddim,steps=2,guidance=4"
B = "scheduler=ddim,steps=16,guidance=4"


def cells(run):
    return [find_cell(run, dict(p.split("=") for p in which.split(","))) for which in (A, B)]


def test_cells_of_one_run_are_compared_sample_by_sample(tmp_path):
    run = fabricate(tmp_path / "run")
    a, b = cells(run)
    found = compare_cells(a, b, CLIP)
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
    found = compare_cells(a, MeasuredCell(run, replace(b.entry, cell=cell)), CLIP)
    assert found.unpaired == "different prompts"
    assert found.se > compare_cells(a, b, CLIP).se


def test_the_command_prints_every_shared_metric(tmp_path, capsys):
    run = fabricate(tmp_path / "run")
    code, out, _ = call(capsys, "compare", run.folder, A, B)
    assert code == 0
    assert "Fréchet distance (shapes), lower is better" in out
    assert "32 paired" in out
    assert "worse" in out


def test_cells_that_cannot_be_run_are_in_nobody_s_way(tmp_path):
    """A grid of models and schedulers has corners that do not fit: they are no cells to compare."""
    run = fabricate(tmp_path / "run")
    one = next(e for e in run.entries if (e.cell.scheduler, e.cell.steps) == ("ddim", 2))
    corner = replace(
        one, cell=replace(one.cell, scheduler="flow_euler"), unsupported="drives flow models"
    )
    grid = replace(run, entries=[one, corner])
    assert find_cell(grid, {"steps": "2"}).entry == one
    assert find_cell(grid, {"scheduler": "flow_euler"}).entry == corner


def test_the_command_compares_across_runs(tmp_path, capsys):
    first, second = fabricate(tmp_path / "a"), fabricate(tmp_path / "b", schedulers=("ddim",))
    code, out, _ = call(capsys, "compare", first.folder, A, second.folder, A)
    assert code == 0
    assert "not told apart" in out


@pytest.mark.parametrize(("samples", "is_said"), [(31, "undecided"), (32, "worse")])
def test_of_few_samples_nothing_is_said_to_be_better_or_worse(tmp_path, samples, is_said):
    a, b = cells(fabricate(tmp_path / "run", samples=samples))
    noise = np.random.default_rng(0).standard_normal((2, samples))
    estimates = mean_estimate(20 + noise[0]), mean_estimate(30 + noise[1])
    difference = difference_of(*estimates)
    assert difference.interval()[1] < 0
    assert a_is(metric_spec(CLIP), difference) == is_said
    words = difference_words(a.entry, b.entry, CLIP, estimates=estimates)
    assert words.endswith(f", {is_said}")


def titles(a, b):
    """What A and B are called above the table."""
    return [line.split(": ", 1)[1] for line in str(comparison_table(a, b).title).splitlines()]


def test_cells_of_one_name_are_told_apart_by_run_and_by_what_they_differ_in(tmp_path):
    first, second = (fabricate(tmp_path / n, schedulers=("ddim",), seeds=(0, 1)) for n in "ab")
    wanted = {"scheduler": "ddim", "steps": "2", "guidance": "4"}
    a, b = (find_cell(first, {**wanted, "seed": seed}) for seed in "01")
    assert titles(a, b) == [f"{a.name}, seed 0", f"{a.name}, seed 1"]
    again = find_cell(second, {**wanted, "seed": "0"})
    assert titles(a, again) == [f"{a.name}, run a", f"{a.name}, run b"]
    assert titles(b, again) == [f"{a.name}, seed 1, run a", f"{a.name}, seed 0, run b"]
    assert titles(a, a) == [a.name, a.name]
    blurred = replace(a.entry, cell=replace(a.entry.cell, negative_prompt="a blur"))
    assert _names(a, MeasuredCell(first, blurred)) == (
        a.name,
        f"{a.name}, away from “a blur”",
    )
    elsewhere = fabricate(tmp_path / "c" / "a", schedulers=("ddim",))
    assert titles(a, cells(elsewhere)[0])[1].endswith(f"run {tmp_path / 'c' / 'a'}")


@pytest.mark.slow
def test_a_p_beyond_what_the_normal_tail_can_tell_is_bounded_and_not_nought(tmp_path, capsys):
    run = fabricate(tmp_path / "run", samples=4096)
    _, out, _ = call(capsys, "compare", run.folder, A, B)
    told = [cells_of(line)[3] for line in out.splitlines() if "paired" in line]
    assert "< 1e-16" in told
    assert "0" not in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((A,), "two of its cells"),
        ((A, "scheduler=ddim"), "they differ in steps, guidance; the key of each is in results"),
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
        compare_cells(a, b, "fid")


def test_a_cell_that_failed_is_told_from_one_that_was_not_scored(tmp_path, capsys):
    run = fabricate(tmp_path / "run", failed=[("ddim", 16)])
    code, _, err = call(capsys, "compare", run.folder, A, B)
    assert code == 2
    assert f"has no {FD}; it is failed: IndexError: index 33 is out of bounds" in err
    assert "scored by" not in err
    left_out = replace(cells(run)[0].entry, unsupported="pndm needs\n4 steps")
    with pytest.raises(UserError, match=f"has no {FD}; it is unsupported: pndm needs; 4 steps"):
        compare_cells(MeasuredCell(run, replace(left_out, metrics={FD: "none"})), cells(run)[0], FD)


def variants(run, **values):
    """A run of one cell in two versions that differ in a setting of cell or entry."""
    entry = cells(run)[0].entry
    of_cell = {name: value for name, value in values.items() if hasattr(entry.cell, name)}
    of_entry = {name: value for name, value in values.items() if name not in of_cell}
    other = replace(entry, cell=replace(entry.cell, **of_cell), **of_entry)
    return Run(run.folder, run.store, [entry, other], {})


@pytest.mark.parametrize(
    ("values", "named", "chosen"),
    [
        ({"samples": 64, "cap": 32}, "samples", "64"),
        ({"cap": 64}, "asked_samples", "64"),
        ({"negative_prompt": "a blur"}, "negative_prompt", "a blur"),
        ({"guidance_rescale": 0.7}, "guidance_rescale", "0.70"),
        ({"guidance_interval": "[0.2, 5.0]"}, "guidance_interval", "[0.2, 5.0]"),
        ({"height": 64}, "height", "64"),
        ({"dtype": "bfloat16"}, "dtype", "bfloat16"),
        ({"asked_guidance": 0.5}, "guidance", "0.5"),  # what results.csv shows
        ({"seed": 7, "grid": "matched"}, "grid, seed", "matched"),
    ],
)
def test_cells_are_told_apart_and_chosen_by_all_that_their_panels_differ_in(
    tmp_path, values, named, chosen
):
    run = variants(fabricate(tmp_path / "run"), **values)
    with pytest.raises(UserError, match=f"scheduler=ddim: 2 cells are so; they differ in {named};"):
        find_cell(run, {"scheduler": "ddim"})
    name = named.split(",")[0]
    assert find_cell(run, {"scheduler": "ddim", name: chosen}).entry is run.entries[1]


def test_cells_that_differ_in_nothing_with_a_column_are_chosen_by_their_key(tmp_path):
    run = variants(fabricate(tmp_path / "run"), call='{"eta": 1.0}')
    with pytest.raises(UserError, match="they differ in key; the key of each"):
        find_cell(run, {"scheduler": "ddim"})
    second = run.entries[1]
    assert find_cell(run, {"key": second.cell.key}).entry is second


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        ("scheduler=ddim,steps=7", "scheduler=ddim,steps=8 or scheduler=ddim,steps=4"),
        ("scheduler=dim,steps=8", "scheduler=ddim,steps=8"),
        ("scheduler=ddim,steps=8,guidance=7.5", "scheduler=ddim,steps=8,guidance=4"),
    ],
)
def test_a_cell_that_there_is_not_is_answered_with_the_nearest(wanted, nearest, tmp_path, capsys):
    run = fabricate(tmp_path / "run", steps=(4, 8, 32))
    code, _, err = call(capsys, "compare", run.folder, wanted, wanted)
    assert code == 2
    assert err.startswith(
        f"denoisebench: {wanted}: no cell of {run.folder} is so; the nearest: {nearest}"
    )
    assert len(err.splitlines()) == 1


def test_a_weight_that_has_no_effect_is_as_any(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(1.0,))
    weightless = {"guidance": 0.0, "guidance_form": "none"}
    entries = [replace(e, cell=replace(e.cell, **weightless)) for e in run.entries]
    run = replace(run, entries=entries)
    steps = str(entries[0].cell.steps)
    chosen = find_cell(run, {"steps": steps, "guidance": "4"})
    assert chosen.entry is entries[0]
    assert "guidance" not in chosen.name


def test_a_weight_is_named_as_it_was_asked_for(tmp_path):
    run = fabricate(tmp_path / "run")
    one = cells(run)[0]
    assert one.name.endswith("guidance 4")
    assert MeasuredCell(run, replace(one.entry, asked_guidance=0.5)).name.endswith("guidance 0.5")


def scored_otherwise(run, metric, samples=None):
    """The run with another kind of a metric's estimates, as of another extractor or reference."""
    entries = []
    for entry in run.entries:
        kinds = {**entry.metrics, metric: f"{metric}_other"}
        record = run.store.read_record(entry.cell.key, metric)
        run.store.write_record(entry.cell.key, kinds[metric], record)
        entries.append(replace(entry, metrics=kinds, samples=samples or entry.samples))
    run = replace(run, entries=entries)
    save_run(run)
    return run


def test_numbers_of_another_extractor_or_reference_are_not_subtracted(tmp_path, capsys):
    one = fabricate(tmp_path / "a", schedulers=("ddim",))
    other = scored_otherwise(fabricate(tmp_path / "b", schedulers=("ddim",)), FD)
    a, b = cells(one)[0], cells(other)[1]
    with pytest.raises(UserError, match=f"by {FD}: extractor, reference or convention differ"):
        compare_cells(a, b, FD)
    assert compare_cells(a, b, CLIP).units == 32
    code, out, _ = call(capsys, "compare", one.folder, A, other.folder, B)
    said = " ".join(out.replace("│", " ").split())
    assert code == 0
    assert "not comparable: extractor" in said
    assert "32 paired" in said


def test_kinds_that_differ_by_what_goes_into_them_anyway_are_no_obstacle(tmp_path):
    one = fabricate(tmp_path / "a", schedulers=("ddim",))
    more = scored_otherwise(fabricate(tmp_path / "b", schedulers=("ddim",)), FD, samples=64)
    a, b = cells(one)[0], cells(more)[1]
    assert compare_cells(a, b, FD).value > 0  # a kind holds the number of samples, which differs
    ends = [
        MeasuredCell(one, replace(cell.entry, metrics={"psnr_converged": kind}))
        for cell, kind in zip(cells(one), (FD, CLIP), strict=True)
    ]
    assert len(comparison_table(*ends).rows) == 1
    assert (
        compare_cells(*ends, "psnr_converged").units == 32
    )  # each curve has a trajectory of its own


def test_few_samples_are_named_as_what_decides_nothing(tmp_path):
    few, enough = (fabricate(tmp_path / str(n), samples=n) for n in (8, 32))
    notes = {*comparison_frame(*cells(few)[:2])["note"]}
    assert notes == {"8 independent samples: a mean over fewer than 32 decides nothing"}
    assert {*comparison_frame(*cells(enough)[:2])["note"]} == {""}
