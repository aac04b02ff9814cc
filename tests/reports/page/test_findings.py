"""Sentences below figures: their numbers, and what they say where nothing is proven."""

import pytest

from denoisebench.metrics.estimate import paired_difference, plus_minus
from denoisebench.reports.page.figures import figures
from denoisebench.reports.page.findings import front_finding, steps_finding
from denoisebench.reports.rows.curves import curve_points
from denoisebench.reports.rows.frame import load_estimates, load_frame
from denoisebench.reports.rows.pareto import front_of
from tests.helpers.fake_run import CLIP, FD, also_measured, fabricate

ACCURACY = "accuracy_shape"


def of_steps(tmp_path, values, samples=256, spread=0.1):
    """The sentence of one curve of these values by steps, with its estimates by steps."""
    grid = {"schedulers": ("ddim",), "guidances": (4.0,), "steps": tuple(values)}
    made = {ACCURACY: lambda cell: (values[cell.steps], spread)}
    run = also_measured(fabricate(tmp_path / "run", samples=samples, **grid), made)
    frame, estimates = load_frame(run), load_estimates(run, ACCURACY)
    by_steps = {int(frame["steps"][row]): estimate for row, estimate in estimates.items()}
    return steps_finding(curve_points(frame, ACCURACY), ACCURACY, estimates), by_steps


def size(after, before):
    gain = paired_difference(after, before)
    return plus_minus(abs(gain.value), gain.se)


def test_the_last_resolved_gain_is_named_with_two_digits_of_its_error(tmp_path):
    text, cells = of_steps(tmp_path, {4: 0.1, 8: 0.5, 16: 0.7, 32: 0.7})
    gain = size(cells[16], cells[8])
    label = "Accuracy of shape"
    assert text == (
        f"With guidance 4, from 8 to 16 steps ddim gains {gain} in {label}; beyond that no gain is "
        "resolved."
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
    assert "no gain of ddim in Accuracy of shape is resolved: undecided" in text


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
    for verdict, words in {"on": "proven on the front", "off": "proven off it"}.items():
        assert f"{(best['verdict'] == verdict).sum()} {words}" in text
    on = best[(best["verdict"] == "on") & (best["rival"] >= 0)]
    row = on["latency_p50_s"].idxmax()
    gain = size(estimates[row], estimates[on.loc[row, "rival"]])
    assert text.endswith(f"by {gain}.")


def test_closeness_to_many_steps_says_of_which_samples_and_what_it_is_not(tmp_path):
    closeness = {"ssim_converged": lambda cell: (1 - 1 / cell.steps, 0.01)}
    run = also_measured(fabricate(tmp_path / "run", samples=256), closeness)
    frame, whole = load_frame(run), load_estimates(run, "ssim_converged")
    first = {row: type(e)(e.value, e.influence[:64]) for row, e in whole.items()}
    (figure,) = figures(frame, "ssim_converged", first)
    assert "Of the first 64 samples of each cell." in figure.note
    assert "does not say that its images are better" in figure.note
    assert "gains" in figure.finding
    (figure,) = figures(frame, "ssim_converged", whole)
    assert "Of the first" not in figure.note
