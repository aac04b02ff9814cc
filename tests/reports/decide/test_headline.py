from dataclasses import replace

import numpy as np
import pytest

from denoisebench.metrics.decide.verdicts import UNDECIDED
from denoisebench.metrics.estimate import Estimate, paired_difference
from denoisebench.reports.decide.decisions import NOTHING, decide
from denoisebench.reports.decide.headline import observations
from denoisebench.reports.rows.frame import load_estimates, load_frame
from tests.helpers.fake_run import CLIP, FD, MARGINS, PSNR, SEAM, fabricate


def scored(tmp_path, values, influences):
    """One DDIM curve with FD values at 2, 4 and 8 steps."""
    run = fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(1.0,), steps=(2, 4, 8))
    frame = load_frame(run)
    frame[FD] = values
    return frame, {
        i: Estimate(v, x) for i, (v, x) in enumerate(zip(values, influences, strict=True))
    }


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """Frame, estimates by metric and decisions of a run at two guidances."""
    run = fabricate(tmp_path_factory.mktemp("headline") / "run", samples=256)
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    return frame, estimates, decide(frame, estimates, MARGINS)


def test_the_best_cell_is_named_with_what_its_last_steps_brought(tmp_path):
    wave = np.tile([1.0, -1.0], 50)
    frame, estimates = scored(tmp_path, [9.0, 3.1, 3.0], [wave, 0.0 * wave, wave])
    (seen,) = observations(frame, FD, estimates, decisions=NOTHING)
    assert (seen.best.steps, seen.best.value) == (8, 3.0)
    assert (seen.last_steps.steps_from, seen.last_steps.steps_to) == (4, 8)
    assert seen.last_steps.gain.value == pytest.approx(0.1)
    assert seen.last_steps.gain.se == pytest.approx(wave.std(ddof=1) / 10)


def test_the_smallest_step_count_of_a_curve_has_no_last_steps(tmp_path):
    wave = np.tile([1.0, -1.0], 50)
    frame, estimates = scored(tmp_path, [2.9, 3.1, 3.0], [wave, wave, wave])
    (seen,) = observations(frame, FD, estimates, decisions=NOTHING)
    assert seen.last_steps is None


@pytest.mark.parametrize("metric", [FD, CLIP])
def test_the_cheapest_that_is_as_good_is_the_one_that_was_decided(metric, decided):
    frame, estimates, decisions = decided
    (found,) = [r for r in decisions.recommendations if r.target == metric]
    row = found.rows[found.choice.chosen]
    at_4 = observations(frame, metric, estimates[metric], decisions=decisions)[1]
    assert at_4.panel == found.panel == "guidance 4"
    assert (at_4.default.setting.scheduler, at_4.default.setting.steps) == (
        frame.loc[row, "scheduler"],
        frame.loc[row, "steps"],
    )
    values = frame.loc[frame["guidance"] == 4.0, metric]
    best = values.idxmin() if metric == FD else values.idxmax()
    gap = paired_difference(estimates[metric][best], estimates[metric][row])
    assert at_4.default.loss.value == pytest.approx(abs(gap.value))
    assert at_4.default.loss.se == pytest.approx(gap.se)
    ratio = frame.loc[best, "latency_p50_s"] / frame.loc[row, "latency_p50_s"]
    assert at_4.default.cost_ratio == pytest.approx(ratio)
    assert not at_4.default.is_best


def test_a_panel_without_the_default_says_where_it_was_decided(decided):
    frame, estimates, decisions = decided
    at_1, at_4 = observations(frame, FD, estimates[FD], decisions=decisions)
    assert (at_1.default, at_1.no_default) == (None, "decided at guidance 4")
    assert at_4.no_default == ""


def test_what_is_undecided_is_not_answered_here_either(decided):
    frame, estimates, decisions = decided
    undecided = [
        replace(r, choice=replace(r.choice, outcome=UNDECIDED, chosen=None))
        for r in decisions.recommendations
    ]
    decisions = replace(decisions, recommendations=undecided)
    _, at_4 = observations(frame, FD, estimates[FD], decisions=decisions)
    assert (at_4.default, at_4.no_default) == (None, "none is proven within all margins")


def test_a_default_that_is_the_best_says_so(decided):
    frame, estimates, decisions = decided
    best = frame.loc[frame["guidance"] == 4.0, FD].idxmin()
    (found,) = [r for r in decisions.recommendations if r.target == FD]
    choice = replace(found.choice, chosen=found.rows.index(best))
    decisions = replace(decisions, recommendations=[replace(found, choice=choice)])
    _, at_4 = observations(frame, FD, estimates[FD], decisions=decisions)
    assert at_4.default.is_best
    assert at_4.default.cost_ratio == 1


def test_without_margins_nothing_is_said_of_a_default(decided):
    frame, estimates, _ = decided
    for seen in observations(frame, CLIP, estimates[CLIP], decisions=NOTHING):
        assert (seen.default, seen.no_default) == (None, "")
        assert seen.best.value == frame.loc[frame["guidance"] == float(seen.panel[-1]), CLIP].max()


def test_without_latency_the_cost_is_nfe(decided):
    frame, estimates, decisions = decided
    untimed = frame.copy()
    untimed.loc[frame["guidance"] == 4.0, "latency_p50_s"] = np.nan
    _, at_4 = observations(untimed, FD, estimates[FD], decisions=decisions)
    assert at_4.default.cost == "nfe"
    assert at_4.default.cost_ratio == pytest.approx(at_4.best.nfe / at_4.default.setting.nfe)


def test_a_sweep_that_failed_altogether_has_no_observations(tmp_path):
    failures = [(s, n) for s in ("ddim", "euler", "heun") for n in (2, 4, 8, 16)]
    run = fabricate(tmp_path / "run", failed=failures)
    assert observations(load_frame(run), FD, load_estimates(run, FD), decisions=NOTHING) == []


def test_closeness_to_the_input_names_no_best_cell(tmp_path):
    run = fabricate(tmp_path / "run", tasks=("inpaint",), strengths=(0.3, 0.9))
    frame = load_frame(run)
    for metric in (PSNR, SEAM):
        assert frame[metric].notna().all()
        assert observations(frame, metric, load_estimates(run, metric), decisions=NOTHING) == []
    seen = observations(frame, CLIP, load_estimates(run, CLIP), decisions=NOTHING)
    assert len(seen) == 4  # of each guidance and strength by itself
