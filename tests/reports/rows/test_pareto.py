import numpy as np
import pytest

from denoisebench.metrics.decide.difference import difference_of
from denoisebench.metrics.decide.sequential import fixed_reach
from denoisebench.metrics.estimate import paired_difference, plus_minus
from denoisebench.reports.rows.frame import load_estimates, load_frame
from denoisebench.reports.rows.pareto import front_lines, front_of, pareto_mask
from tests.helpers.fake_run import CLIP, FD, fabricate


def by_brute_force(cost, loss, tolerance=0.0):
    def beaten(i):
        return any(
            cost[j] <= (1 + tolerance) * cost[i]
            and loss[j] <= loss[i]
            and ((1 + tolerance) * cost[j] < cost[i] or loss[j] < loss[i])
            for j in range(len(cost))
        )

    return [bool(np.isfinite(cost[i] + loss[i]) and not beaten(i)) for i in range(len(cost))]


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("seed", range(30))
def test_front_agrees_with_brute_force_on_points_with_ties(seed, tolerance):
    generator = np.random.default_rng(seed)
    cost, loss = generator.integers(0, 8, (2, 25)).astype(float)
    cost[generator.integers(25)] = np.nan
    loss[generator.integers(25)] = np.nan
    known = np.isfinite(cost) & np.isfinite(loss)
    expected = np.zeros(25, bool)
    expected[known] = by_brute_force(cost[known], loss[known], tolerance)
    mask = pareto_mask(cost, loss, tolerance=tolerance)
    np.testing.assert_array_equal(mask, expected)


def test_twins_are_both_on_the_front():
    assert pareto_mask([1, 1, 2], [3, 3, 3]).tolist() == [True, True, False]


def test_no_points_have_no_front():
    assert pareto_mask([], []).tolist() == []


def front(run, metric=CLIP, frame=None):
    frame = load_frame(run) if frame is None else frame
    return front_of(frame, metric, load_estimates(run, metric))


def test_fronts_are_per_panel_and_follow_the_direction_of_the_metric(tmp_path):
    run = fabricate(tmp_path / "run", samples=64)
    for metric in (CLIP, FD):
        for _, group in front(run, metric).points.groupby("panel"):
            loss = (-1 if metric == CLIP else 1) * group["value"]
            expected = by_brute_force([*group["latency_p50_s"]], [*loss], 0.05)
            assert group["front"].tolist() == expected


def test_verdicts_agree_with_pairs_compared_one_by_one(tmp_path):
    """12 cells in each of two panels: the level of each of their 132 pairs is 2.5 % / 132."""
    run = fabricate(tmp_path / "run", samples=256)
    estimates = load_estimates(run, CLIP)
    made = front(run).points
    assert {"on", "off", "undecided"} == {*made["verdict"]}
    for _, group in made.groupby("panel"):
        for row, cell in group.iterrows():
            no_dearer = group[group["latency_p50_s"] <= 1.05 * cell["latency_p50_s"]].index
            bounds = [
                difference_of(estimates[row], estimates[rival]).bounds(0.025 / 132)
                for rival in no_dearer
                if rival != row
            ]
            is_off = any(high < 0 for _, high in bounds)
            is_on = all(low > 0 for low, _ in bounds)
            verdict = "off" if is_off else "on" if is_on else "undecided"
            assert cell["verdict"] == verdict


def test_the_level_is_split_between_the_pairs_of_all_panels(tmp_path):
    run, levels = fabricate(tmp_path / "run", samples=64), []

    def reaches(level):
        levels.append(level)
        return fixed_reach(level)

    front_of(load_frame(run), CLIP, load_estimates(run, CLIP), reaches=reaches)
    assert {*levels} == {0.025 / 132}


def test_no_cell_that_is_proven_off_the_front_is_on_the_one_as_measured(tmp_path):
    run = fabricate(tmp_path / "run", samples=256)
    frame = load_frame(run)
    for metric in (CLIP, FD):
        frame["latency_p50_s"] = 1 + 0.04 * frame[metric].rank(ascending=False, pct=True)
        points = front(run, metric, frame).points
        assert (points["verdict"] == "off").any()
        assert not ((points["verdict"] == "off") & points["front"]).any()


def test_uneven_or_missing_timings_are_replaced_by_evaluations(tmp_path):
    run = fabricate(tmp_path / "run", samples=64)
    frame = load_frame(run)
    assert front(run).cost == "latency_p50_s"
    busy = frame.assign(calibration_s=frame["calibration_s"] * (1 + frame["steps"]))
    untimed = frame.assign(latency_p50_s=float("nan"))
    for changed in (busy, untimed):
        made = front(run, frame=changed)
        assert made.cost == "nfe"
        lines = front_lines(made, CLIP, load_estimates(run, CLIP))
        assert {line["cost_title"] for line in lines} == {"NFE"}
        assert lines[0]["cost"] == "2"


def test_too_few_samples_a_dimension_prove_nothing(tmp_path):
    run = fabricate(tmp_path / "run", samples=256)
    frame = load_frame(run)
    assert {*front(run, FD).points["verdict"]} > {"off"}
    few = frame.assign(**{f"{FD}_n_per_dim": 3.9})
    points = front(run, FD, few).points
    assert {*points.loc[points["rival"] >= 0, "verdict"]} == {"undecided"}
    for _, group in points.groupby("panel"):
        for row, cell in group[group["rival"] >= 0].iterrows():
            no_dearer = group["latency_p50_s"] <= 1.05 * cell["latency_p50_s"]
            assert cell["rival"] == group.loc[no_dearer, "value"].drop(row).idxmin()


def test_the_table_says_what_each_cell_is_held_against(tmp_path):
    run = fabricate(tmp_path / "run", samples=256)
    made, estimates = front(run), load_estimates(run, CLIP)
    lines = front_lines(made, CLIP, estimates)
    assert len(lines) == len(made.points)
    row = next(i for i, cell in made.points.iterrows() if cell["verdict"] == "off")
    name, rival = (made.points.loc[i] for i in (row, made.points.loc[row, "rival"]))
    (line,) = [
        line
        for line in lines
        if line["panel"] == name["panel"]
        and line["setting"] == f"{name['scheduler']}, {name['steps']} steps"
    ]
    difference = paired_difference(estimates[rival.name], estimates[row])
    size = plus_minus(difference.value, difference.se)
    assert line["against"] == f"{size} worse than {rival['scheduler']}, {rival['steps']} steps"
