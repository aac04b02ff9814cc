import json

import numpy as np
import pandas as pd
import pytest

from denoisebench.reports.page.axes import is_logarithmic
from denoisebench.reports.page.chart_data import (
    batch_words,
    end_names,
    front_labels,
    gain_records,
    point_records,
    room_for,
    stacked,
    subtitle,
)
from denoisebench.reports.rows.curves import curve_points, marginal_gains
from denoisebench.reports.rows.frame import load_estimates, load_frame
from denoisebench.reports.rows.pareto import front_of
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


def ends(**curves):
    """Names at the ends of curves, given as their points: (steps, value) pairs."""
    rows = [
        {"panel": "", "scheduler": name, "steps": steps, "value": v, "low": v - 1, "high": v + 1}
        for name, points in curves.items()
        for steps, v in points
    ]
    points = pd.DataFrame(rows)
    names = end_names(points, "steps", "steps", logarithmic=False, own_axes=False)
    assert room_for(names) == max([6 * (len(name) + 2) for name in names.dropna()], default=0)
    return [(int(points["steps"][i]), name) for i, name in names.dropna().items()]


def test_curves_are_named_at_their_ends_where_no_other_ends_near_by():
    far, near = [(2, 9.0), (16, 5.0)], [(2, 8.0), (16, 1.2)]
    assert ends(a=far, b=near) == [(16, "a"), (16, "b")]
    assert ends(a=far, b=near, c=[(2, 7.0), (16, 1.3)]) == [(16, "a")]
    assert ends(a=far, b=[(2, 8.0), (8, 1.0)]) == [(16, "a")]  # b ends where a still runs
    assert ends(**{"a": far, "n" * 30: near}) == [(16, "a")]


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
    frame = load_frame(run)
    points = curve_points(frame, metric)
    labelled = front_labels(
        front_of(frame, metric, load_estimates(run, metric)),
        metric,
        (400, 300),
        logarithmic=is_logarithmic(metric, points),
    )
    front = labelled[labelled["front"]]
    assert (direction * front["label_dy"] >= 13).all()
    x = np.log(points["latency_p50_s"])
    anchor = np.interp(x[front.index], [x.min(), x.max()], [0, 400])
    assert (anchor + front["label_dx"] + 6 * front["label"].str.len() <= 400.001).all()


def test_the_subtitle_states_the_direction_and_what_is_shared(run):
    assert subtitle(load_frame(run), FD) == (
        "shapes-ddpm, txt2img, 32 samples per cell · lower is better"
    )
    assert subtitle(load_frame(run), CLIP).endswith("higher is better")
    assert subtitle(load_frame(run), FD, is_timed=True).endswith("lower is better · batch of 1")
    assert batch_words(load_frame(run)) == "batch of 1"
