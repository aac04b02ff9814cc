import json

import numpy as np
import pandas as pd
import pytest

from denoisebench.reports.page.chart_data import (
    batch_words,
    front_labels,
    gain_records,
    is_logarithmic,
    point_records,
    round_numbers,
    signed_ticks,
    stacked,
    subtitle,
)
from denoisebench.reports.rows.curves import curve_points, marginal_gains
from denoisebench.reports.rows.frame import load_estimates, load_frame
from denoisebench.reports.rows.pareto import with_front
from tests.helpers.fake_run import CLIP, FD, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", failed=[("heun", 16)])


def test_records_are_plain_json_and_say_what_a_tooltip_says(run):
    points = curve_points(load_frame(run), FD)
    records = json.loads(json.dumps(point_records(points), allow_nan=False))
    assert len(records) == len(points)
    assert records[0]["value_text"].count("±") == 1
    assert records[0]["latency_text"].endswith("ms")


def test_unknown_numbers_become_null(run):
    points = curve_points(load_frame(run), FD)
    points.loc[points.index[0], ["se", "low", "high"]] = np.nan
    points["nfe"] = points["nfe"].mask(points["nfe"] == 2)
    first = point_records(points)[0]
    assert first["se"] is first["low"] is first["nfe"] is None


def test_gain_records_name_the_change(run):
    frame = load_frame(run)
    gains = marginal_gains(frame, FD, load_estimates(run, FD))
    assert [r["change"] for r in gain_records(gains)[:3]] == ["2 → 4", "4 → 8", "8 → 16"]


def test_distances_are_logarithmic_only_while_their_intervals_are_positive(run):
    points = curve_points(load_frame(run), FD)
    assert is_logarithmic(FD, points)
    assert not is_logarithmic(CLIP, points)
    assert not is_logarithmic(FD, points.assign(low=points["low"] - 100))
    assert not is_logarithmic(FD, points.assign(value=-points["value"]))  # less its bias it can be


@pytest.mark.parametrize("seed", range(10))
def test_labels_of_a_front_never_cover_each_other(seed):
    generator = np.random.default_rng(seed)
    start = np.sort(generator.uniform(0, 400, 12))
    end, bottom = start + 60, np.sort(generator.uniform(0, 300, 12))[::-1]
    height = stacked(start, end, bottom)
    assert (height >= bottom + 13).all()
    for i in range(12):
        for j in range(i):
            assert start[i] >= end[j] or height[j] - height[i] >= 13


@pytest.mark.parametrize(("metric", "direction"), [(FD, -1), (CLIP, 1)])
def test_labels_lie_on_the_beaten_side_and_within_the_panel(run, metric, direction):
    points = curve_points(load_frame(run), metric)
    labelled = front_labels(with_front(points, direction), metric, (400, 300))
    front = labelled[labelled["front"]]
    assert (direction * front["label_dy"] >= 13).all()
    x = np.log(points["latency_p50_s"])
    anchor = np.interp(x[front.index], [x.min(), x.max()], [0, 400])
    assert (anchor + front["label_dx"] + 6 * front["label"].str.len() <= 400.001).all()


def test_round_numbers_are_one_two_five_within_the_range():
    assert round_numbers(pd.Series([0.018, np.nan, 0.21])) == [0.02, 0.05, 0.1, 0.2]
    assert round_numbers(pd.Series([2.4, 3.7])) == []


def test_signed_ticks_reach_both_ends_of_wide_gains_only():
    half = np.array([1.0, 0.02, 0.02])
    gain = np.array([9.0, 0.1, 0.01])
    wide = pd.DataFrame({"gain": gain, "low": gain - half, "high": gain + half, "se": half / 1.96})
    ticks = signed_ticks(wide)
    assert ticks == sorted(ticks)
    assert 0.0 in ticks
    assert ticks[0] < 0 < 10 <= ticks[-1]
    narrow = pd.DataFrame({"gain": [1.0], "low": [0.5], "high": [1.5], "se": [0.25]})
    assert signed_ticks(narrow) == []


def test_the_subtitle_states_the_direction_and_what_is_shared(run):
    assert subtitle(load_frame(run), FD) == (
        "shapes-ddpm, txt2img, 32 samples per cell · lower is better"
    )
    assert subtitle(load_frame(run), CLIP).endswith("higher is better")
    assert batch_words(load_frame(run)) == "batch of 1"
