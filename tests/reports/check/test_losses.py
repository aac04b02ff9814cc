"""The losses of a check: times, energy and images that moved."""

from dataclasses import replace

import numpy as np
import pytest

from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.run import load_run
from denoisebench.metrics.decide.regression import REGRESSION
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.reports.check.check import check
from denoisebench.reports.check.output import check_markdown
from tests.helpers.checked import (
    ANYWHERE,
    SLOWER,
    each,
    in_processes,
    moved,
    of_runs,
    on_a_gpu,
    outcomes,
    reasons,
    timed,
    with_features,
)
from tests.helpers.fake_run import CLIP, FD, MARGINS, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


def test_a_slower_denoiser_is_a_regression_and_a_slower_machine_is_none(run):
    one = pack_run(run)
    pack, slower, machine = (
        each(each(one, timed, *factors), in_processes) for factors in ((1.0,), (1.3,), (1.3, 1.3))
    )
    found = check(pack, slower, MARGINS, slower=SLOWER)
    assert {("latency", REGRESSION), ("denoise", REGRESSION)} <= outcomes(found)
    assert [row.loss for row in found.rows if row.measure == "latency"] == pytest.approx([0.3] * 4)
    machine = check(pack, machine, MARGINS, slower=SLOWER)
    assert machine.outcome == PASS
    assert any("calibration itself takes 1.30 times as long" in note for note in machine.notes)


def test_energy_is_held_against_its_margin_on_the_same_hardware_alone(run):
    one, margins = each(pack_run(run), timed, 1.0, energy=50.0), {"energy": 0.1}
    pack = each(one, in_processes)
    hungry = each(each(pack_run(run), timed, 1.0, energy=70.0), in_processes)
    assert check(pack, pack, MARGINS, slower=margins).outcome == PASS
    found = check(pack, hungry, MARGINS, slower=margins)
    rows = [row for row in found.rows if row.measure == "energy"]
    assert {row.outcome for row in rows} == {REGRESSION}
    assert [row.loss for row in rows] == pytest.approx([0.4] * 4)
    assert "of denoising" not in check_markdown(found)
    assert " J |" in check_markdown(found)
    elsewhere = replace(hungry, environment={"accelerator": "another"})
    assert "energy" not in {
        row.measure for row in check(pack, elsewhere, MARGINS, slower=margins).rows
    }


def test_joules_are_added_up_for_a_run_may_be_shorter_than_the_pace_of_their_counter(run):
    """As read on an H200: of each run nothing, or what others took too."""

    def counted(cell, pattern):
        (latency,) = cell.latencies
        joules = [pattern[i % len(pattern)] for i in range(latency.timed_runs)]
        return replace(cell, latencies=3 * [replace(latency, energy_j=joules)])

    a, b = (each(pack_run(run), counted, pattern) for pattern in ([0.0, 20.0], [0.0, 40.0]))
    rows = check(a, b, {}, slower={"energy": 0.1}).rows
    assert [row.loss for row in rows] == pytest.approx([1.0] * 4)
    assert {row.outcome for row in rows} == {REGRESSION}


@pytest.mark.slow
def test_on_an_accelerator_images_may_move_farther_and_times_are_known_by_their_processes(swept):
    pack = pack_run(load_run(swept / "tiny"))
    drift = {"share": 0.4, "beyond": 1e-6, "elsewhere": 1e-6, "coarse": 0.1}

    def judged(old, new, *how):
        other = replace(new, cells=[moved(cell, *how) for cell in new.cells])
        return {row.outcome for row in check(old, other, {}, slower={}, drift=drift).rows}

    gpu = each(pack, on_a_gpu)
    assert judged(pack, pack, 0.2) == {REGRESSION}
    assert judged(pack, gpu, 0.2) == judged(gpu, gpu, 0.2) == {PASS}
    assert judged(gpu, gpu, 1.0) == {REGRESSION}
    half = replace(
        pack, cells=[replace(c, cell=replace(c.cell, dtype="float16")) for c in pack.cells]
    )
    assert judged(half, half, 0.2) == {PASS}


@pytest.mark.parametrize("change", [each, lambda pack, _: pack])
def test_one_process_of_each_side_decides_no_time_and_the_check_says_how_many_it_takes(change, run):
    pack = change(pack_run(run), on_a_gpu)
    found = check(pack, each(pack, timed, 3.0), {}, slower={"latency": 0.1})
    assert {(row.outcome, row.further) for row in found.rows} == {(UNDECIDED, 0)}
    assert "UNDECIDED, time 2 processes of each side: one says nothing" in check_markdown(found)
    near = check(pack, each(pack, timed, 1.1), {}, slower={"latency": 0.1})
    assert {row.note for row in near.rows} == {
        "time many processes of each side: the ratio lies very near its margin"
    }


def test_an_undecided_time_of_several_processes_says_how_many_more_it_takes(run):
    pack = each(pack_run(run), in_processes, (0.97, 1.0, 1.03))
    found = check(pack, each(pack_run(run), in_processes), {}, slower={"latency": 0.05})
    assert {row.outcome for row in found.rows} == {UNDECIDED}
    assert all(0 < row.further < 20 for row in found.rows)
    assert "UNDECIDED, about " in check_markdown(found)
    assert " more process" in check_markdown(found)


def test_a_process_held_against_itself_is_no_slower(run):
    pack = pack_run(run)
    rows = check(pack, pack, {}, slower={"latency": 0.1}).rows
    assert {(row.outcome, row.loss) for row in rows} == {(PASS, 0.0)}


def test_times_on_a_processor_and_on_an_accelerator_are_not_compared(run):
    pack = pack_run(run)
    found = check(pack, each(pack, on_a_gpu), MARGINS, slower=SLOWER)
    assert {row.measure for row in found.rows} == {FD, CLIP}
    assert sum("times are not compared: on cpu, then on cuda" in note for note in found.notes) == 4
    assert sum("device changed" in note for note in found.notes) == 4


def test_times_from_other_hardware_are_marked(run):
    pack = pack_run(run)
    other = replace(pack, environment=pack.environment | {"processor": "another"})
    found = check(pack, other, MARGINS, slower=SLOWER)
    notes = {row.measure: row.note for row in found.rows}
    assert notes["latency"] == notes["denoise"] == "other hardware, by calibration"  # and equal
    assert notes[FD] == ""
    assert "other hardware, by calibration" in check_markdown(found)


@pytest.mark.parametrize("change", [{"threads": 7}, {"batch_size": 3}, {"calibration": 99}])
def test_times_taken_otherwise_are_not_compared(change, run):
    pack = pack_run(run)
    found = check(pack, each(pack, timed, 2.0, **change), MARGINS, slower=SLOWER)
    assert {row.measure for row in found.rows} == {FD, CLIP}
    assert any("times are not compared" in note for note in found.notes)


def test_images_that_moved_are_counted_by_their_features(swept):
    pack = pack_run(load_run(swept / "tiny"))
    drift = {"share": 0.4, "beyond": 1e-4, "elsewhere": 9.0, "coarse": 99.0}
    assert check(pack, pack, {}, slower={}, drift=drift).outcome == PASS

    def judged(*how):
        other = replace(pack, cells=[moved(cell, *how) for cell in pack.cells])
        rows = check(pack, other, {}, slower={}, drift=drift).rows
        assert {row.measure for row in rows} == {"moved"}
        assert all(0 <= row.low <= row.high <= 1 for row in rows)
        return {row.candidate for row in rows}, {row.outcome for row in rows}

    assert judged(1.0) == ({1.0}, {REGRESSION})
    assert judged(0.001) == ({0.0}, {PASS})
    one_of = len(pack.cells[0].features[next(iter(pack.cells[0].features))])
    assert judged(1.0, 1) == ({1 / one_of}, {UNDECIDED})  # one of so few may be one of many
    (cell, *_) = pack.cells
    other = replace(pack, cells=[moved(cell, 1.0)], environment={"processor": "another"})
    found = check(replace(pack, cells=[cell]), other, {}, slower={}, drift=drift)
    assert found.outcome == PASS  # nothing moves that far


def test_images_that_were_all_alike_and_now_differ_have_moved(swept):
    pack = pack_run(load_run(swept / "tiny"))

    def alike(cell):
        return with_features(cell, np.ones_like)

    assert check(each(pack, alike), pack, {}, slower={}, drift=ANYWHERE).outcome == REGRESSION
    assert (
        check(each(pack, alike), each(pack, alike), {}, slower={}, drift=ANYWHERE).outcome == PASS
    )


def test_processes_of_few_runs_are_left_out_or_said(run):
    pack = pack_run(run)
    long, mixed = (
        check(pack, each(pack, of_runs, runs), {}, slower=SLOWER) for runs in ([5, 6], [5, 6, 2])
    )
    assert long.rows == mixed.rows
    found = check(pack, each(pack, of_runs, [2]), MARGINS, slower={"latency": 0.1})
    rows = [row for row in found.rows if row.measure == "latency"]
    assert {(row.outcome, row.further, row.note) for row in rows} == {
        (UNDECIDED, 0, "time 5 runs at least")
    }


def test_a_stage_or_energy_that_only_one_side_has_is_said(run):
    pack, margins = each(pack_run(run), timed, 1.0, energy=50.0), {"text": 0.1, "energy": 0.1}

    def without(cell):
        (latency,) = cell.latencies
        zeros = [0.0] * latency.timed_runs
        return replace(cell, latencies=[replace(latency, text_s=zeros, energy_j=None)])

    found = check(pack, each(pack, without), MARGINS, slower=margins)
    assert {row.measure for row in found.rows} == {FD, CLIP}
    for measure in ("time of text", "energy"):
        said = f"{measure} is not compared: there is one before alone"
        assert sum(said in note for note in found.notes) == 4
    assert check(each(pack, without), each(pack, without), MARGINS, slower=margins).notes == []


def test_features_of_another_width_are_another_kind(swept):
    pack = pack_run(load_run(swept / "tiny"))

    def narrow(cell):
        return with_features(cell, lambda array: array[:, :3])

    found = check(pack, each(pack, narrow), {}, slower={}, drift=ANYWHERE)
    assert reasons(found) == {"missing: the candidate has no features of the baseline's kinds"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_have_moved_and_missing_ones_are_a_regression(value, swept):
    pack = pack_run(load_run(swept / "tiny"))
    drift = {"share": 0.4, "beyond": 1e-4, "elsewhere": 9.0, "coarse": 99.0}

    def spoilt(cell):
        return with_features(cell, lambda array: np.full_like(array, value))

    assert check(pack, each(pack, spoilt), {}, slower={}, drift=drift).outcome == REGRESSION
    assert check(each(pack, spoilt), pack, {}, slower={}, drift=drift).outcome == REGRESSION
    bare = each(pack, replace, features={}, images_hash="")
    found = check(pack, bare, MARGINS, slower={}, drift=drift)
    assert reasons(found) == {"missing: the candidate has no features of the baseline's kinds"}
