"""Stages of the latency: what was measured, adding up, and what was not, named."""

from dataclasses import replace

import altair as alt
import pandas as pd
import pytest

from denoisebench.metrics.decide.choose import Choice
from denoisebench.reports.charts import to_svg
from denoisebench.reports.decide.decisions import NOTHING, Recommendation
from denoisebench.reports.page.latency_split import latency_split
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.fake_run import fabricate


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    return load_frame(fabricate(tmp_path_factory.mktemp("split") / "run"))


def bars(figure):
    return figure.spec["datasets"]["cells"]


def of(figure, panel, setting):
    return {
        bar["stage"]: bar["ms"]
        for bar in bars(figure)
        if (bar["panel"], bar["setting"]) == (panel, setting)
    }


def test_stages_of_a_cell_add_up_to_what_was_measured(frame):
    frame = frame.assign(latency_scheduler_s=0.001)
    figure = latency_split(frame, NOTHING)
    alt.Chart.from_dict(figure.spec).to_dict(validate=True)
    assert to_svg(figure).startswith("<svg")
    cell = frame[(frame["scheduler"] == "ddim") & (frame["steps"] == 8) & (frame["guidance"] == 4)]
    drawn = of(figure, "guidance 4", "ddim, 8 steps")
    assert [*drawn] == ["text encoding", "denoiser", "scheduler", "decoder", "other"]
    names = ("prepare", "text", "denoise", "decode")
    whole = sum(cell[f"latency_{name}_s"].item() for name in names)
    assert sum(drawn.values()) == pytest.approx(1000 * whole)
    assert drawn["denoiser"] == pytest.approx(1000 * cell["latency_denoise_s"].item() - 1)
    shares = [bar["share"] for bar in bars(figure) if bar["panel"] == "guidance 4"]
    assert sum(shares) == pytest.approx(3 * 4)


def test_what_was_not_measured_is_not_drawn_but_named(frame):
    figure = latency_split(frame, NOTHING)
    assert {bar["stage"] for bar in bars(figure)} == {
        "text encoding",
        "denoiser and scheduler",
        "decoder",
        "other",
    }
    assert "were not timed apart" in figure.note
    decoderless = latency_split(frame.assign(latency_decode_s=0.0), NOTHING)
    assert "decoder" not in {bar["stage"] for bar in bars(decoderless)}
    assert "measured in: decoder." in decoderless.note
    some = frame.assign(latency_denoise_s=frame["latency_denoise_s"].where(frame["steps"] > 2))
    figure = latency_split(some, NOTHING)
    assert "6 of 24 cells are not drawn" in figure.note
    assert latency_split(frame.assign(latency_denoise_s=float("nan")), NOTHING) is None


def test_many_cells_are_drawn_at_three_step_counts_and_very_many_at_one(tmp_path):
    for schedulers, drawn in ((8, "1, 3, 5"), (9, "3")):
        names = tuple(f"solver_{i}" for i in range(schedulers))
        folder = tmp_path / str(schedulers)
        grid = {"schedulers": names, "steps": (1, 2, 3, 4, 5), "guidances": (4.0,)}
        figure = latency_split(load_frame(fabricate(folder, samples=8, **grid)), NOTHING)
        assert f"Drawn at {drawn} steps" in figure.note


def test_the_sentence_says_the_shares_of_a_cell(frame):
    figure = latency_split(frame, NOTHING)
    assert figure.finding.startswith("ddim, 16 steps (guidance 1), ")
    parts = [
        bar
        for bar in bars(figure)
        if (bar["panel"], bar["setting"]) == ("guidance 1", "ddim, 16 steps")
    ]
    for bar in parts:
        assert f"{bar['stage']} {bar['share_text']}" in figure.finding


def with_default(row):
    choice = Choice("PASS", 0, None, [])
    return replace(NOTHING, recommendations=[Recommendation("", "", choice, [row], {})])


def test_the_time_of_the_sentence_is_the_median_of_the_whole(frame):
    slower = frame.assign(latency_p50_s=0.5)
    figure = latency_split(slower, NOTHING)
    assert figure.finding.startswith("ddim, 16 steps (guidance 1), median 500 ms an image: ")
    assert "their sum is not the median of the whole" in figure.note


def test_cells_that_are_drawn_once_are_not_called_untimed(frame):
    twice = pd.concat([frame, frame], ignore_index=True)
    assert "not timed by stage" not in latency_split(twice, NOTHING).note


def test_the_sentence_is_of_the_default_even_where_it_is_not_drawn(tmp_path, frame):
    names = tuple(f"solver_{i}" for i in range(9))
    grid = {"schedulers": names, "steps": (1, 2, 3, 4, 5), "guidances": (4.0,)}
    many = load_frame(fabricate(tmp_path / "run", samples=8, **grid))
    (row,) = many.index[(many["scheduler"] == "solver_4") & (many["steps"] == 2)]
    assert latency_split(many, with_default(row)).finding.startswith("solver_4, 2 steps ")
    untimed = frame.assign(latency_denoise_s=frame["latency_denoise_s"].where(frame.index != 3))
    said = latency_split(untimed, with_default(3)).finding
    assert said.startswith("The default was not timed by stage. ddim, 16 steps")


def test_uneven_timings_are_said(frame):
    busy = frame.assign(calibration_s=frame["calibration_s"] * (1 + frame["steps"]))
    assert "uneven" in latency_split(busy, NOTHING).note
    assert "uneven" not in latency_split(frame, NOTHING).note
