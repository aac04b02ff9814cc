import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.rows.curves import (
    better_by,
    curve_points,
    marginal_gains,
    panels,
    strength_points,
    with_panels,
)
from denoisebench.reports.rows.frame import load_estimates, load_frame
from tests.helpers.fake_run import CLIP, FD, PSNR, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", failed=[("euler", 4)])


def test_gain_per_step_agrees_with_a_computation_by_hand(run):
    frame = load_frame(run).query("scheduler == 'ddim' and guidance == 1.0").iloc[[1, 3]]
    a, b = np.array([1.0, -1.0, 2.0, -2.0]), np.array([0.5, -1.5, 2.0, -1.0])
    frame[FD] = [10.0, 4.0]  # at 4 and 16 steps
    estimates = {frame.index[0]: Estimate(10.0, a), frame.index[1]: Estimate(4.0, b)}
    (gain,) = marginal_gains(frame, FD, estimates).to_dict("records")
    assert (gain["steps_from"], gain["steps_to"]) == (4, 16)
    assert gain["gain"] == pytest.approx(0.5)  # a distance that falls by 6 over 12 steps
    # differences b - a: -0.5, -0.5, 0, 1: mean 0, sum of squares 1.5
    se = np.sqrt(1.5 / 3) / np.sqrt(4) / 12
    assert gain["se"] == pytest.approx(se)


def test_a_bar_is_the_interval_of_the_paired_difference_whatever_it_is_per(run):
    """With what may be left of the bias; of skewed samples, farther to one side."""
    frame = load_frame(run).query("scheduler == 'ddim' and guidance == 1.0")
    samples = np.random.default_rng(0).lognormal(size=(len(frame), 64))
    estimates = {
        row: Estimate(frame[FD][row], own - own.mean(), left=0.1 * place)
        for place, (row, own) in enumerate(zip(frame.index, samples, strict=True))
    }
    gains = marginal_gains(frame, FD, estimates).to_dict("records")
    costs = {"": "steps", "gain_per_nfe_": "nfe", "gain_per_second_": "latency_p50_s"}
    assert len(gains) == 3
    for gain, before, after in zip(gains, frame.index[:-1], frame.index[1:], strict=True):
        change = better_by(estimates[after], estimates[before], FD)
        low, high = change.interval()
        assert abs(high + low - 2 * change.value) > 0.01 * change.se
        for stem, cost in costs.items():
            ends = gain[f"{stem}low"], gain[f"{stem}high"]
            rise = frame[cost][after] - frame[cost][before]
            assert ends == pytest.approx((low / rise, high / rise))


def test_samples_of_other_clusters_have_a_gain_and_one_of_unknown_bias_has_no_bar(run):
    frame = load_frame(run).query("scheduler == 'ddim' and guidance == 1.0")
    shared, *own = np.random.default_rng(0).standard_normal((1 + len(frame), 64))
    noise = [shared + 0.1 * part for part in own]
    rows, values = [*frame.index], [*frame[FD]]
    paired = dict(zip(rows, map(Estimate, values, noise), strict=True))
    first = marginal_gains(frame, FD, paired).iloc[0]
    other = paired | {rows[1]: Estimate(values[1], noise[1], np.arange(64) // 2)}
    assert marginal_gains(frame, FD, other)["se"].iloc[0] > 3 * first["se"]
    unknown = paired | {rows[1]: Estimate(values[1], noise[1], left=np.inf)}
    gain = marginal_gains(frame, FD, unknown).iloc[0]
    assert gain["gain"] == first["gain"]
    assert np.isnan([gain["low"], gain["high"]]).all()


def test_a_rising_score_is_a_positive_gain_where_higher_is_better(run):
    frame, estimates = load_frame(run), load_estimates(run, CLIP)
    gains = marginal_gains(frame, CLIP, estimates).query("scheduler == 'heun'")
    first = gains.iloc[0]
    by_steps = frame.query("scheduler == 'heun' and guidance == 1.0").set_index("steps")[CLIP]
    assert by_steps[4] > by_steps[2]
    assert first["gain"] == pytest.approx((by_steps[4] - by_steps[2]) / 2)


def test_paired_intervals_are_narrower_than_unpaired_ones(run):
    frame, estimates = load_frame(run), load_estimates(run, FD)
    se = frame.set_index(["scheduler", "guidance", "steps"])[f"{FD}_se"]
    gain = marginal_gains(frame, FD, estimates).query("scheduler == 'ddim' and steps_to == 16")
    unpaired = np.hypot(se["ddim", 1.0, 8], se["ddim", 1.0, 16]) / 8
    assert gain["se"].iloc[0] < 0.5 * unpaired


def test_a_failed_cell_is_stepped_over(run):
    gains = marginal_gains(load_frame(run), FD, load_estimates(run, FD)).query(
        "scheduler == 'euler' and panel == 'guidance 1'"
    )
    assert gains[["steps_from", "steps_to"]].values.tolist() == [[2, 8], [8, 16]]


def test_points_hold_95_percent_intervals_and_keep_row_numbers(run):
    frame = load_frame(run)
    points = curve_points(frame, FD)
    assert len(points) == 22
    np.testing.assert_array_equal(points["value"], frame.loc[points.index, FD])
    multiple = t.ppf(0.975, frame.loc[points.index, f"{FD}_units"] - 1)
    np.testing.assert_allclose(points["high"] - points["low"], 2 * multiple * points["se"])


def test_points_are_ordered_by_steps_within_a_curve_whatever_the_order_of_the_sweep(tmp_path):
    shuffled = load_frame(fabricate(tmp_path / "run", steps=(16, 2, 8)))
    for _, curve in curve_points(shuffled, FD).groupby(["panel", "scheduler"]):
        assert curve["steps"].tolist() == [2, 8, 16]


def test_one_step_count_has_no_gain(tmp_path):
    run = fabricate(tmp_path / "run", steps=(8,))
    assert marginal_gains(load_frame(run), FD, load_estimates(run, FD)).empty


def test_models_and_seeds_get_panels_of_their_own(tmp_path):
    frame = load_frame(fabricate(tmp_path / "run", models=("a", "b"), seeds=(0, 7), steps=(2, 4)))
    names = [name for name, _ in panels(curve_points(frame, FD))]
    assert names[:3] == ["a, guidance 1, seed 0", "a, guidance 1, seed 7", "a, guidance 4, seed 0"]
    assert len(names) == 8


def test_repeated_cells_are_drawn_once(run):
    frame = load_frame(run)
    twice = pd.concat([frame, frame], ignore_index=True)
    assert len(curve_points(twice, FD)) == len(curve_points(frame, FD))


def test_guidance_is_named_even_when_it_is_the_only_one(tmp_path):
    frame = load_frame(fabricate(tmp_path / "run", guidances=(7.5,), steps=(2,)))
    assert set(with_panels(frame)["panel"]) == {"guidance 7.5"}


def test_along_the_strength_a_curve_holds_the_steps_fixed(tmp_path):
    tasks, strengths = ("txt2img", "img2img"), (0.9, 0.3, 0.6)
    run = fabricate(tmp_path / "run", steps=(4, 8), tasks=tasks, strengths=strengths)
    frame = load_frame(run)
    points = strength_points(frame, PSNR)
    curve = points[
        (points["scheduler"] == "euler") & (points["panel"] == "img2img, guidance 4, 8 steps")
    ]
    assert curve["strength"].tolist() == [0.3, 0.6, 0.9]
    assert curve["value"].is_monotonic_decreasing
    assert len(points) == 2 * 2 * 3 * 3  # guidances, steps, schedulers, strengths
    assert not strength_points(frame, FD)["panel"].str.contains("txt2img").any()


def test_along_the_steps_strengths_are_panels_of_their_own(tmp_path):
    run = fabricate(tmp_path / "run", tasks=("inpaint",), strengths=(0.3, 0.6), guidances=(1.0,))
    frame = load_frame(run)
    assert curve_points(frame, FD)["panel"].unique().tolist() == [
        "guidance 1, strength 0.3",
        "guidance 1, strength 0.6",
    ]
    gains = marginal_gains(frame, PSNR, load_estimates(run, PSNR))
    assert len(gains) == 2 * 3 * 3  # strengths, schedulers, neighbouring step counts


def test_one_strength_makes_no_curve(tmp_path):
    run = fabricate(tmp_path / "run", tasks=("img2img",), strengths=(0.5,))
    assert strength_points(load_frame(run), FD).empty
