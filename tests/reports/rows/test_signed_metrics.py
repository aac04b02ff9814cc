"""Numbers whose ideal is zero, as the reference: on both sides of it lies something else."""

from dataclasses import replace

import pytest

from denoisebench.metrics.built_in import OCTAVES, octaves_of
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.decide.decisions import NOTHING
from denoisebench.reports.decide.headline import observations
from denoisebench.reports.page.figures import figures
from denoisebench.reports.rows.compare import MeasuredCell, comparison_table, find_cell
from denoisebench.reports.rows.curves import sign
from denoisebench.reports.rows.frame import frame_metrics, load_estimates, load_frame
from denoisebench.reports.rows.summary import summary_table
from denoisebench.reports.rows.table import cells_table
from tests.helpers.fake_run import CLIP, FD, fabricate

SHARPNESS = "sharpness"


@pytest.fixture
def frame_and_estimates(tmp_path):
    """Distances that go by the name of sharpness, with values on both sides of zero."""
    run = fabricate(tmp_path / "run")
    frame = load_frame(run)
    frame[FD] -= frame[FD].median()
    columns = {name: name.replace(FD, SHARPNESS) for name in frame.columns if FD in name}
    frame = frame.rename(columns=columns).drop(columns=[f"{SHARPNESS}_n_per_dim"])
    frame[f"{SHARPNESS}_floor"] = float("nan")
    return frame, load_estimates(run, FD)


def test_they_are_drawn_against_cost_with_a_line_at_zero_and_no_gain_or_front(frame_and_estimates):
    drawn = figures(frame_and_estimates[0], SHARPNESS, frame_and_estimates[1])
    assert [figure.name.removeprefix(SHARPNESS) for figure in drawn] == ["_vs_steps"]
    for figure in drawn:
        assert "zero is as the reference" in figure.spec["title"]["subtitle"]
        lines = [layer["encoding"].get("y", {}) for layer in figure.spec["spec"]["layer"]]
        assert {"datum": 0} in lines


def test_they_name_no_best_cell(frame_and_estimates):
    frame, estimates = frame_and_estimates
    assert observations(frame, SHARPNESS, estimates, decisions=NOTHING) == []
    assert SHARPNESS in frame_metrics(frame)
    headings = [str(column.header) for column in summary_table(frame).columns]
    assert not any("sharpness" in heading for heading in headings)
    assert any("CLIP" in heading for heading in headings)
    assert "Local sharpness" not in [c.title for c in cells_table(frame) if c.is_shown]


def test_of_two_cells_neither_is_better_by_them(tmp_path):
    run = fabricate(tmp_path / "run")
    few, many = (
        find_cell(run, {"scheduler": "ddim", "steps": steps, "guidance": "4"})
        for steps in ("2", "16")
    )

    def standing(a, b, metric):
        both = (MeasuredCell(run, replace(one.entry, metrics={metric: FD})) for one in (a, b))
        columns = comparison_table(*both).columns
        return [cell for column in columns if column.header == "A is" for cell in column.cells]

    assert standing(few, many, FD) == ["worse"]
    assert standing(few, many, SHARPNESS) == ["higher"]
    assert standing(many, few, SHARPNESS) == ["lower"]
    assert standing(few, few, SHARPNESS) == ["not told apart"]


def test_they_have_no_direction():
    assert sign(CLIP) == 1
    assert sign(FD) == sign("clipped") == -1
    with pytest.raises(KeyError):
        sign(SHARPNESS)


@pytest.mark.parametrize(("size", "octaves"), [(4, 1), (32, 4), (48, 4), (64, 5), (1024, OCTAVES)])
def test_an_image_has_the_octaves_whose_wavelength_fits_in(size, octaves):
    assert octaves_of(size, size) == octaves_of(2 * size, size) == octaves


def test_the_columns_of_images_and_convergence_have_a_spec_of_their_own():
    assert metric_spec("power_octave_1").label == "Power at 2 to 4 px"
    assert metric_spec("psnr_converged").label == "PSNR to convergence"
    assert metric_spec("psnr_input").label == "PSNR to input"
    assert not metric_spec("accuracy").is_main
    assert metric_spec("fd_dinov2").label == "Fréchet distance (dinov2)"
    for name in ("accuracy_shape", "clipped", "banding", "saturation_distance", "ssim_converged"):
        assert not metric_spec(name).names_a_best
