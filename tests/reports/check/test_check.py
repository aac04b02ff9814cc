"""Did it get worse? Two packs paired and judged."""

import math
from dataclasses import replace

import numpy as np
import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.pack import pack_run
from denoisebench.metrics.decide.regression import IMPROVED, REGRESSION
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.check.check import check
from tests.helpers.checked import SLOWER, changed, each, reasons
from tests.helpers.fake_run import CLIP, FD, MARGINS, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


def test_a_run_against_itself_passes(run):
    pack = pack_run(run)
    found = check(pack, pack, MARGINS, slower=SLOWER)
    assert found.outcome == PASS
    assert {row.outcome for row in found.rows} == {PASS}
    assert {row.measure for row in found.rows} == {FD, CLIP, *SLOWER}
    assert found.notes == []


@pytest.mark.parametrize(
    ("metric", "shift", "expected"),
    [(FD, 2.5, REGRESSION), (FD, 1.0, PASS), (FD, -2.5, IMPROVED), (CLIP, -0.6, REGRESSION)],
)
def test_a_change_is_held_against_the_margin_in_the_direction_of_the_metric(
    metric, shift, expected, run
):
    pack = pack_run(run)
    found = check(pack, changed(pack, metric, shift), MARGINS, slower=SLOWER)
    assert {row.outcome for row in found.rows if row.measure == metric} == {expected}
    assert found.outcome == (REGRESSION if expected == REGRESSION else PASS)


def test_a_missing_and_a_failed_cell_are_regressions(run):
    pack = pack_run(run)
    failed = replace(pack.cells[0], status="failed", message="out of memory")
    candidate = replace(pack, cells=[failed, *pack.cells[2:]])
    found = check(pack, candidate, MARGINS, slower=SLOWER)
    assert found.outcome == REGRESSION
    assert sorted(problem.why for problem in found.problems) == [
        "failed: out of memory",
        "missing: the candidate has no such cell",
    ]


def test_a_cell_whose_own_metric_failed_is_held_against_all_other_margins(run):
    """In either side: its images and times are whole."""
    pack = pack_run(run)
    lacking = {name: metric for name, metric in pack.cells[0].metrics.items() if name != CLIP}
    unscored = replace(pack.cells[0], status="unscored", message="glow", metrics=lacking)
    other = replace(pack, cells=[unscored, *pack.cells[1:]])
    (problem,) = check(pack, other, MARGINS, slower=SLOWER).problems
    assert problem.why == f"missing: the candidate was not scored by {CLIP}: glow"
    assert problem.families == ("quality",)
    for sides in ((pack, other), (other, pack)):
        found = check(*sides, MARGINS, slower=SLOWER)
        assert {row.measure for row in found.rows} == {FD, CLIP, *SLOWER}
        assert sum(row.measure in SLOWER for row in found.rows) == len(SLOWER) * len(pack.cells)
    assert found.outcome == PASS
    assert found.omitted == ["ddim, 2 steps, guidance 4: glow in the baseline"]


def test_what_the_candidate_was_not_scored_or_timed_by_is_said(run):
    pack = pack_run(run)

    def without(cell, metric):
        kept = {name: found for name, found in cell.metrics.items() if name != metric}
        return replace(cell, metrics=kept, latencies=[])

    found = check(pack, each(pack, without, CLIP), MARGINS, slower=SLOWER)
    assert found.outcome == REGRESSION
    assert reasons(found) == {f"missing: the candidate was not scored by {CLIP}"}
    assert {row.measure for row in found.rows} == {FD}
    assert sum("only one side has any" in note for note in found.notes) == 4
    assert check(pack, each(pack, without, CLIP), {FD: MARGINS[FD]}, slower=SLOWER).outcome == PASS


def test_a_metric_that_is_no_number_is_one_that_was_not_scored(run):
    pack = pack_run(run)
    spoilt = changed(pack, FD, math.nan)
    found = check(pack, spoilt, MARGINS, slower=SLOWER)
    assert reasons(found) == {f"missing: the candidate was not scored by {FD}"}
    assert FD not in {row.measure for row in check(spoilt, pack, MARGINS, slower=SLOWER).rows}


def test_false_regressions_of_few_samples_are_as_rare_as_the_level(run):
    """16 samples whose losses are drawn about the margin, in a family of eight comparisons."""
    pack, rng, false = pack_run(run), np.random.default_rng(6), []

    def drawn(cell, level):
        values = level + rng.standard_normal(16)
        estimate = Estimate(float(values.mean()), values - values.mean())
        metrics = {n: replace(m, estimate=estimate) for n, m in cell.metrics.items() if n == FD}
        return replace(cell, metrics=metrics, samples=16, latencies=[])

    for _ in range(400):
        sides = (each(pack, drawn, level) for level in (0.0, 2.0))
        found = check(*sides, {FD: {"absolute": 2.0}}, slower={})
        false.append(found.outcome == REGRESSION)
    assert np.mean(false) <= 0.025 + 3 * (0.025 / 400) ** 0.5


def test_other_numbers_of_samples_decide_nothing_of_quality(run):
    pack = pack_run(run)

    def fewer(cell):
        kept = {
            name: replace(m, estimate=Estimate(m.estimate.value + 1e4, m.estimate.influence[:50]))
            for name, m in cell.metrics.items()
        }
        return replace(cell, metrics=kept, samples=50, latencies=[], images_hash="")

    found = check(pack, each(pack, fewer), MARGINS, slower=SLOWER)
    assert {row.outcome for row in found.rows} == {UNDECIDED}
    assert {row.note for row in found.rows} == {"400 samples before, 50 now: sweep as many"}


def test_a_baseline_of_failed_cells_is_refused(run):
    pack = pack_run(run)
    failed = replace(pack, cells=[replace(c, status="failed", message="") for c in pack.cells])
    with pytest.raises(UserError, match="no cell of run is done"):
        check(failed, pack, MARGINS, slower=SLOWER)


def test_a_cell_that_only_the_baseline_has_and_that_failed_there_is_none(run):
    pack = pack_run(run)
    failed = replace(pack.cells[0], status="failed", message="")
    old = replace(pack, cells=[failed, *pack.cells[1:]])
    assert check(old, replace(pack, cells=pack.cells[1:]), MARGINS, slower=SLOWER).outcome == PASS


def test_a_grid_that_changed_is_said_with_where(run):
    pack = pack_run(run)
    moved = [replace(c, grid=replace(c.grid, sigmas=[12.0, 0.1])) for c in pack.cells]
    found = check(pack, replace(pack, cells=moved), MARGINS, slower=SLOWER)
    assert any("grid changed at N = 8: noise level 14.6" in note for note in found.notes)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("seed", 1, "seed: none"), ("prompts_hash", "f" * 16, "prompts"), ("height", 64, "height")],
)
def test_another_experiment_is_refused_with_what_differs(field, value, said, run):
    pack = pack_run(run)
    other = [replace(c, cell=replace(c.cell, **{field: value})) for c in pack.cells]
    with pytest.raises(UserError, match=said):
        check(pack, replace(pack, cells=other), MARGINS, slower=SLOWER)


@pytest.mark.parametrize("samples", [None, 200])
def test_another_extractor_or_reference_is_refused_whatever_the_number_of_samples(samples, run):
    pack = pack_run(run)

    def other(cell):
        kept = replace(cell.metrics[FD], kind="another")
        return replace(cell, metrics={FD: kept}, samples=samples or cell.samples)

    with pytest.raises(UserError, match="fd_shapes: another extractor"):
        check(pack, replace(pack, cells=[other(c) for c in pack.cells]), MARGINS, slower=SLOWER)


def test_nothing_in_common_is_refused(run):
    pack = pack_run(run)
    other = [replace(c, cell=replace(c.cell, steps=99)) for c in pack.cells[:1]]
    with pytest.raises(UserError, match="share no cell"):
        check(pack, replace(pack, cells=other), MARGINS, slower=SLOWER)


def test_a_loss_that_is_proven_by_itself_alone_says_so(run):
    pack = pack_run(run)

    def worse(cell):
        old = cell.metrics[FD].estimate
        influence = np.where(np.arange(400) % 2, 5.0, -5.0)
        fd = Estimate(old.value + 2.55, old.influence + influence)
        kept = {FD: replace(cell.metrics[FD], estimate=fd)}
        return replace(cell, metrics=kept, latencies=[], images_hash="")

    rows = check(pack, each(pack, worse), {FD: {"absolute": 2.0}}, slower={}).rows
    assert {row.outcome for row in rows} == {UNDECIDED}
    assert {row.note for row in rows} == {"above the margin by itself, not among so many"}
