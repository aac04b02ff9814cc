"""Tiles of steps and guidance: their numbers, the best and the default."""

from dataclasses import replace

import altair as alt
import numpy as np
import pytest

from denoisebench.metrics.decide.sequential import fixed_reach
from denoisebench.metrics.estimate import paired_difference, plus_minus
from denoisebench.reports.charts import to_svg
from denoisebench.reports.decide.decisions import NOTHING, decide
from denoisebench.reports.page.heat_map import heat_map
from denoisebench.reports.rows.frame import load_estimates, load_frame
from tests.helpers.fake_run import CLIP, FD, also_measured, fabricate


def made(run, metric=FD, frame=None, **options):
    frame = load_frame(run) if frame is None else frame
    return heat_map(frame, metric, load_estimates(run, metric), decisions=NOTHING, **options)


def tiles(figure):
    return figure.spec["datasets"]["cells"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heat") / "run"
    return fabricate(folder, guidances=(1.0, 4.0, 7.0), samples=256)


def test_a_tile_holds_the_value_with_two_digits_of_its_error(run):
    figure, frame = made(run), load_frame(run)
    assert len(tiles(figure)) == 3 * 3 * 4
    for tile in tiles(figure):
        wanted = [tile["panel"], tile["steps"], tile["guidance"]]
        cell = frame[(frame[["scheduler", "steps", "guidance"]] == wanted).all(axis=1)]
        text = f"{tile['value_text']} {tile['error_text']}"
        assert text == plus_minus(cell[FD].item(), cell[f"{FD}_se"].item())
    alt.Chart.from_dict(figure.spec).to_dict(validate=True)
    assert to_svg(figure).startswith("<svg")


@pytest.mark.parametrize(("metric", "best"), [(FD, min), (CLIP, max)])
def test_the_best_measured_is_the_lightest_and_marked(run, metric, best):
    marked = [tile for tile in tiles(made(run, metric)) if tile["best"]]
    assert marked == [best(tiles(made(run, metric)), key=lambda tile: tile["value"])]
    assert marked[0]["shade"] == 0
    worst = max(tiles(made(run, metric)), key=lambda tile: tile["shade"])
    assert worst["shade"] == 1


def test_shades_tell_cells_near_the_best_apart_whatever_the_worst_is(run):
    frame = load_frame(run)
    estimates = load_estimates(run, FD)
    worst = frame[FD].idxmax()
    spoilt = {**estimates, worst: type(estimates[worst])(1e4, estimates[worst].influence)}
    frame.loc[worst, FD] = 1e4
    shades = [
        tile["shade"]
        for tile in tiles(heat_map(frame, FD, spoilt, decisions=NOTHING))
        if tile["value"] < 1e4
    ]
    assert max(shades) > 0.3  # on a linear scale 0.001


def test_the_default_is_framed_and_the_caption_says_so(run):
    frame = load_frame(run)
    estimates = {name: load_estimates(run, name) for name in (FD, CLIP)}
    decisions = decide(frame, estimates, run.margins)
    figure = heat_map(frame, FD, estimates[FD], decisions=decisions)
    framed = [tile for tile in tiles(figure) if tile["recommended"]]
    assert len(framed) == 1
    assert figure.spec["spec"]["layer"][-1]["transform"] == [{"filter": "datum.recommended"}]
    assert "Frame: the default" in figure.note
    assert "Frame" not in made(run).note


def test_the_sentence_compares_the_best_with_the_best_of_another_guidance(run):
    figure, frame, estimates = made(run), load_frame(run), load_estimates(run, FD)
    best = frame[FD].idxmin()
    other = frame.loc[frame["guidance"] != frame.loc[best, "guidance"], FD].idxmin()
    difference = paired_difference(estimates[other], estimates[best])
    assert plus_minus(difference.value, difference.se) in figure.finding
    assert figure.finding.endswith((": proven.", ": undecided."))
    assert "Star: the best measured of these tiles." in figure.note


def test_all_tiles_at_other_guidances_are_worse_only_if_each_is_proven_to_be(tmp_path):
    """A tile that is worse as measured, and noisy, may be better yet."""
    run = fabricate(tmp_path / "run", schedulers=("ddim",), samples=256)
    frame, estimates = load_frame(run), load_estimates(run, CLIP)
    for row, guidance in frame["guidance"].items():
        value = float(guidance) + row / 100
        frame.loc[row, CLIP] = value
        estimates[row] = type(estimates[row])(value, estimates[row].influence / 100)
    assert heat_map(frame, CLIP, estimates, decisions=NOTHING).finding.endswith(": proven.")
    worst = frame[CLIP].idxmin()
    noisy = type(estimates[worst])(frame.loc[worst, CLIP], estimates[worst].influence * 1e4)
    spoilt = {**estimates, worst: noisy}
    assert heat_map(frame, CLIP, spoilt, decisions=NOTHING).finding.endswith(": undecided.")


def test_the_level_is_split_between_the_pairs_of_all_groups(tmp_path):
    run, levels = fabricate(tmp_path / "run", seeds=(0, 1), samples=64), []

    def reaches(level):
        levels.append(level)
        return fixed_reach(level)

    frame = load_frame(run)
    decisions = replace(NOTHING, reaches=reaches)
    heat_map(frame, CLIP, load_estimates(run, CLIP), decisions=decisions)
    assert levels == [0.025 / (2 * 24 * 23 / 2)]


def test_few_samples_name_no_best(run):
    frame = load_frame(run).assign(**{f"{FD}_n_per_dim": 3.9})
    figure = made(run, frame=frame)
    assert figure.finding == ""
    assert not any(tile["best"] for tile in tiles(figure))
    assert "too few to name a best" in figure.note


def test_it_takes_two_guidances_two_step_counts_and_a_metric_that_names_a_best(tmp_path):
    one = fabricate(tmp_path / "one", guidances=(4.0,))
    assert made(one) is None
    assert made(fabricate(tmp_path / "two", steps=(8,))) is None
    closeness = {"ssim_converged": lambda cell: (1 - 1 / cell.steps, 0.1)}
    converged = also_measured(fabricate(tmp_path / "three"), closeness)
    assert made(converged, "ssim_converged") is None
    frame = load_frame(converged).drop(columns=[FD, f"{FD}_se", CLIP, f"{CLIP}_se"])
    assert made(converged, "ssim_converged", frame) is None


def test_a_cell_that_failed_has_no_tile(tmp_path):
    run = fabricate(tmp_path / "run", samples=64, failed=[("heun", 16)])
    figure = made(run)
    assert "No tile" in figure.note
    assert len(tiles(figure)) == 2 * (3 * 4 - 1)
    assert np.isfinite([tile["value"] for tile in tiles(figure)]).all()
