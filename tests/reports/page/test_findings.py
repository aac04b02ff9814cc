"""Sentences below figures: their numbers, and what they say where nothing is proven."""

import pytest

from denoisebench.metrics.decide.front import front_places
from denoisebench.metrics.estimate import paired_difference, plus_minus
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.page.figures import figures
from denoisebench.reports.page.findings import front_finding, steps_finding
from denoisebench.reports.report import content_of
from denoisebench.reports.rows import pareto
from denoisebench.reports.rows.curves import curve_points
from denoisebench.reports.rows.frame import frame_metrics, load_estimates, load_frame
from denoisebench.reports.rows.pareto import front_of
from tests.helpers.fake_run import CLIP, FD, also_measured, fabricate

SCORE = "clip_score_own"


def of_steps(tmp_path, values, samples=256, spread=0.1):
    """The sentence of one curve of these values by steps, with its estimates by steps."""
    grid = {"schedulers": ("ddim",), "guidances": (4.0,), "steps": tuple(values)}
    made = {SCORE: lambda cell: (values[cell.steps], spread)}
    run = also_measured(fabricate(tmp_path / "run", samples=samples, **grid), made)
    frame, estimates = load_frame(run), load_estimates(run, SCORE)
    by_steps = {int(frame["steps"][row]): estimate for row, estimate in estimates.items()}
    return steps_finding(curve_points(frame, SCORE), SCORE, estimates), by_steps


def size(after, before):
    gain = paired_difference(after, before)
    return plus_minus(abs(gain.value), gain.se)


def test_the_last_resolved_gain_is_named_with_two_digits_of_its_error(tmp_path):
    text, cells = of_steps(tmp_path, {4: 0.1, 8: 0.5, 16: 0.7, 32: 0.7})
    gain = size(cells[16], cells[8])
    label = metric_spec(SCORE).short
    assert text == (
        f"With guidance 4, from 8 to 16 steps ddim gains {gain} in {label}; beyond that no gain "
        "between neighbouring step counts is resolved."
    )


def test_a_curve_that_falls_is_said_to_lose(tmp_path):
    text, cells = of_steps(tmp_path, {4: 0.1, 8: 0.7, 16: 0.4})
    assert text.endswith(f"; from 8 to 16 steps it loses {size(cells[16], cells[8])}.")


def test_a_gain_of_the_last_steps_has_nothing_beyond(tmp_path):
    text, _ = of_steps(tmp_path, {4: 0.1, 8: 0.7})
    assert text.endswith("; more steps were not run.")


@pytest.mark.parametrize("samples", [31, 256])
def test_what_is_not_resolved_is_undecided(tmp_path, samples):
    gap = 0.9 if samples == 31 else 0.0
    text, _ = of_steps(tmp_path, {4: 0.05, 8: 0.05 + gap}, samples=samples)
    gain = f"gain of ddim in {metric_spec(SCORE).short} between neighbouring step counts"
    assert f"no {gain} is resolved: undecided" in text


def test_nothing_is_said_of_a_single_step_count_or_of_unknown_errors(tmp_path):
    assert of_steps(tmp_path, {8: 0.5})[0] == ""
    run = fabricate(tmp_path / "unknown", samples=64)
    frame, estimates = load_frame(run), load_estimates(run, FD)
    unknown = {
        row: type(e)(e.value, e.influence, left=float("nan")) for row, e in estimates.items()
    }
    assert steps_finding(curve_points(frame, FD), FD, unknown) == ""


def test_the_front_is_counted_and_its_dearest_proven_cell_compared(tmp_path):
    run = fabricate(tmp_path / "run", samples=256)
    estimates = load_estimates(run, CLIP)
    front = front_of(load_frame(run), CLIP, estimates)
    text = front_finding(front, CLIP, estimates)
    points = front.points
    best = points.loc[points["panel"] == points.loc[points["value"].idxmax(), "panel"]]
    on = best[(best["verdict"] == "on") & (best["rival"] >= 0)]
    off = (best["verdict"] == "off").sum()
    for words in (f"{len(on)} proven on the front", f"{off} proven off it"):
        assert words in text
    row = on["latency_p50_s"].idxmax()
    gain = size(estimates[row], estimates[on.loc[row, "rival"]])
    assert text.endswith(f"by {gain}.")


def test_a_cell_without_a_rival_is_not_counted_as_proven(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(2, 16), samples=256)
    estimates = load_estimates(run, FD)
    text = front_finding(front_of(load_frame(run), FD, estimates), FD, estimates)
    assert "of 2 cells 1 proven on the front, 1 without a rival: the dearest" in text


def test_closeness_to_many_steps_says_of_which_samples_and_what_it_is_not(tmp_path):
    closeness = {"ssim_converged": lambda cell: (1 - 1 / cell.steps, 0.01)}
    run = also_measured(fabricate(tmp_path / "run", samples=256), closeness)
    frame, whole = load_frame(run), load_estimates(run, "ssim_converged")
    first = {row: type(e)(e.value, e.influence[:64]) for row, e in whole.items()}
    (figure,) = figures(frame, "ssim_converged", first)
    assert "Of the first 64 samples of each cell." in figure.note
    assert "does not say that its images are better" in figure.note
    (figure,) = figures(frame, "ssim_converged", whole)
    assert "Of the first" not in figure.note


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["ssim_input", "ssim_converged"])
def test_nothing_is_said_of_gains_or_a_front_by_closeness(tmp_path, metric):
    closeness = {metric: lambda cell: (1 - 1 / cell.steps, 0.01)}
    run = also_measured(fabricate(tmp_path / "run", samples=64), closeness)
    frame = load_frame(run)
    estimates = {name: load_estimates(run, name) for name in frame_metrics(frame)}
    content = content_of(run, frame, estimates)
    drawn = content.figures[metric]
    assert not any(figure.finding or "pareto" in figure.name for figure in drawn)
    assert not any("The sentence above" in figure.note for figure in drawn)
    assert {*content.fronts} == {FD, CLIP}


def test_a_page_computes_each_front_once(tmp_path, monkeypatch):
    made = []

    def counted(cells, costs, **options):
        made.append(len(cells))
        return front_places(cells, costs, **options)

    monkeypatch.setattr(pareto, "front_places", counted)
    run = fabricate(tmp_path / "run", samples=32)
    frame = load_frame(run)
    content_of(run, frame, {name: load_estimates(run, name) for name in (FD, CLIP)})
    assert made == 4 * [12]  # of two metrics in two panels
