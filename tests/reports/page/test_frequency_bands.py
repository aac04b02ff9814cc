"""Octaves that still change with steps: paired differences to the most steps of a curve."""

import altair as alt
import pandas as pd
import pytest

from denoisebench.metrics.decide.difference import difference_of
from denoisebench.metrics.estimate import paired_difference, plus_minus
from denoisebench.reports.charts import to_svg
from denoisebench.reports.decide.decisions import NOTHING
from denoisebench.reports.page.frequency_bands import frequency_bands
from denoisebench.reports.rows.frame import frame_metrics, load_estimates, load_frame
from tests.helpers.fake_run import also_measured, fabricate

FINE, COARSE = "power_octave_1", "power_octave_3"


def octaves(fine=-8.0):
    """Fine detail still comes with the last steps, coarse detail is there from the first."""
    return {
        FINE: lambda cell: (fine / cell.steps, 0.4),
        COARSE: lambda cell: (1.0, 1.0),
    }


def drawn(run):
    estimates = {name: load_estimates(run, name) for name in frame_metrics(load_frame(run))}
    return frequency_bands(load_frame(run), estimates, NOTHING), estimates


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands") / "run"
    return also_measured(fabricate(folder, samples=256, steps=(4, 8, 16)), octaves())


def test_points_are_paired_differences_to_the_most_steps(run):
    figure, estimates = drawn(run)
    frame = load_frame(run)
    frame = frame[frame["guidance"] == 1]
    records = figure.spec["datasets"]["cells"]
    assert len(records) == 3 * 3 * 2  # one panel of curves
    keys = zip(frame["scheduler"], frame["steps"], strict=True)
    rows = dict(zip(keys, frame.index, strict=True))
    for record in records:
        metric = {"2 to 4 px": FINE, "8 to 16 px": COARSE}[record["band"]]
        own, last = rows[record["panel"], record["steps"]], rows[record["panel"], 16]
        change = difference_of(estimates[metric][own], estimates[metric][last])
        assert record["value"] == pytest.approx(change.value)
        assert (record["low"], record["high"]) == pytest.approx(change.interval())
    alt.Chart.from_dict(figure.spec).to_dict(validate=True)
    assert to_svg(figure).startswith("<svg")


def test_the_sentence_names_what_the_last_steps_change_with_its_error(run):
    figure, estimates = drawn(run)
    frame = load_frame(run)
    ddim = frame[(frame["scheduler"] == "ddim") & (frame["guidance"] == 1)]
    before, after = (ddim.index[ddim["steps"] == steps].item() for steps in (8, 16))
    change = paired_difference(estimates[FINE][after], estimates[FINE][before])
    size = plus_minus(change.value, change.se)
    assert figure.finding == (
        f"With guidance 1, from 8 to 16 steps ddim changes the power of 2 to 4 px by {size} dB; of "
        "other wavelengths no change is resolved."
    )


def test_it_says_undecided_where_no_change_is_resolved(tmp_path):
    run = also_measured(fabricate(tmp_path / "run", samples=64), octaves(fine=0.0))
    figure, _ = drawn(run)
    assert "as far as is resolved: undecided, the most seen is" in figure.finding


def test_octaves_that_a_drawn_cell_does_not_have_are_left_out(run):
    frame = load_frame(run)
    estimates = {name: load_estimates(run, name) for name in frame_metrics(frame)}
    lacking = frame.index[(frame["guidance"] == 1) & (frame["scheduler"] == "ddim")]
    parts = {row: e for row, e in estimates[COARSE].items() if row not in lacking}
    figure = frequency_bands(frame, estimates | {COARSE: parts}, NOTHING)
    assert {record["band"] for record in figure.spec["datasets"]["cells"]} == {"2 to 4 px"}
    some = {row: e for row, e in estimates[FINE].items() if row not in lacking[:1]}
    assert frequency_bands(frame, {FINE: some}, NOTHING) is None


def test_cells_of_two_image_sizes_are_drawn_with_the_octaves_of_their_own(tmp_path):
    run = fabricate(tmp_path / "run", samples=64, steps=(4, 8), guidances=(4.0,))
    frame = load_frame(also_measured(run, octaves()))
    frame = pd.concat([frame.assign(height=16, width=16), frame], ignore_index=True)
    small, large = frame.index[frame["width"] == 16], frame.index[frame["width"] == 32]
    frame.loc[small, [COARSE, f"{COARSE}_se"]] = float("nan")
    of_run = {name: load_estimates(run, name) for name in (FINE, COARSE)}
    estimates = {
        FINE: dict(zip(frame.index, [*of_run[FINE].values()] * 2, strict=True)),
        COARSE: dict(zip(large, of_run[COARSE].values(), strict=True)),
    }
    figure = frequency_bands(frame, estimates, NOTHING)
    assert "16" in figure.spec["title"]["subtitle"]
    assert {record["band"] for record in figure.spec["datasets"]["cells"]} == {"2 to 4 px"}


def test_nothing_is_drawn_where_no_octave_was_measured_or_no_curve_has_steps(tmp_path):
    assert drawn(fabricate(tmp_path / "one"))[0] is None
    assert drawn(also_measured(fabricate(tmp_path / "two", steps=(8,)), octaves()))[0] is None
