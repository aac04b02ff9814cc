"""Octaves that still change with steps: paired differences to the most steps of a curve."""

import altair as alt
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


def test_nothing_is_drawn_where_no_octave_was_measured_or_no_curve_has_steps(tmp_path):
    assert drawn(fabricate(tmp_path / "one"))[0] is None
    assert drawn(also_measured(fabricate(tmp_path / "two", steps=(8,)), octaves()))[0] is None
