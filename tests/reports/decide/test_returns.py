"""What extra steps buy, from cells of known quality and cost."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from denoisebench.metrics.decide.power_law import PowerLaw
from denoisebench.metrics.decide.verdicts import (
    FAIL,
    NO_PLATEAU,
    PASS,
    UNDECIDED,
    UNTESTED,
    Plateau,
)
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.reports.decide.decisions import NOTHING, CurvePlateau
from denoisebench.reports.decide.returns import return_lines, returns
from denoisebench.reports.formats import MISSING, number, places_of
from denoisebench.reports.rows.curves import better_by
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.fake_run import FD, PSNR, fabricate

STEPS = (2, 4, 8, 16, 32)
NFE = np.array([3, 7, 15, 31, 63])  # of Heun: 2n - 1
VALUES = np.array([20.0, 10.0, 8.0, 7.0, 6.8])
GAINS = np.array([10.0, 2.0, 1.0, 0.2])  # of a distance: what it fell by
COMMON, OWN = 3.0, 0.1  # spread of the noise that step counts share, and of each one's own
SAMPLES = 400
T95 = t.ppf(0.975, SAMPLES - 1)


@pytest.fixture
def frame(tmp_path):
    """One curve of Heun; an evaluation takes 10 ms, all else 50 ms."""
    grid = {"schedulers": ("heun",), "guidances": (1.0,), "steps": STEPS}
    frame = load_frame(fabricate(tmp_path / "run", samples=4, **grid))
    return frame.assign(latency_p50_s=0.05 + 0.01 * frame["nfe"].astype(float))


def estimates_of(values, common=COMMON, own=OWN):
    """Estimates by row; noise that step counts share is in all of them, each has a little own."""
    noise = np.random.default_rng(0).standard_normal((1 + len(values), SAMPLES))
    noise -= noise.mean(1, keepdims=True)
    rows = enumerate(zip(values, noise[1:], strict=True))
    return {i: mean_estimate(value + common * noise[0] + own * part) for i, (value, part) in rows}


def found_of(frame, estimates, decisions=NOTHING, metric=FD):
    values = {i: e.value for i, e in estimates.items()}
    errors = {i: e.se for i, e in estimates.items()}
    columns = {metric: frame.index.map(values), f"{metric}_se": frame.index.map(errors)}
    columns |= {f"{metric}_units": [len(e.units) for e in estimates.values()]}
    return returns(frame.assign(**columns), metric, estimates, decisions=decisions)


def decided(outcomes):
    """Decisions on the curve, of which the outcomes by step count are known."""
    flat = [steps for steps, outcome in outcomes.items() if outcome == PASS]
    plateau = Plateau(PASS if flat else NO_PLATEAU, min(flat, default=STEPS[-1]), outcomes)
    curve = CurvePlateau("guidance 1", "heun", plateau, {}, {})
    return replace(NOTHING, curves=[curve])


def test_a_gain_is_what_each_step_evaluation_and_second_brings(frame):
    (found,) = found_of(frame, estimates_of(VALUES))
    assert (found.panel, found.scheduler) == ("guidance 1", "heun")
    gains = found.gains
    assert [*zip(gains["steps_from"], gains["steps_to"], strict=True)] == [
        (2, 4),
        (4, 8),
        (8, 16),
        (16, 32),
    ]
    assert frame["nfe"].tolist() == NFE.tolist()
    np.testing.assert_allclose(gains["gain"], GAINS / np.diff(STEPS))
    np.testing.assert_allclose(gains["gain_per_nfe"], GAINS / np.diff(NFE))
    np.testing.assert_allclose(gains["gain_per_second"], GAINS / (0.01 * np.diff(NFE)))


def test_errors_are_of_paired_differences_and_fall_with_the_cost_that_they_are_per(frame):
    estimates = estimates_of(VALUES)
    (found,) = found_of(frame, estimates)
    steps = np.diff([e.influence for e in estimates.values()], axis=0)
    paired = steps.std(1, ddof=1) / SAMPLES**0.5
    unpaired = np.hypot(estimates[0].se, estimates[1].se)
    assert paired == pytest.approx(OWN * (2 / SAMPLES) ** 0.5, rel=0.2)
    assert (paired < unpaired / 20).all()
    gains = found.gains
    np.testing.assert_allclose(gains["se"], paired / np.diff(STEPS))
    np.testing.assert_allclose(gains["gain_per_nfe_se"], paired / np.diff(NFE))
    np.testing.assert_allclose(gains["gain_per_second_se"], paired / (0.01 * np.diff(NFE)))
    reach = T95 * gains["se"]  # of samples that are many, even and free of bias
    np.testing.assert_allclose(gains["gain"] - gains["low"], reach, rtol=0.1)
    np.testing.assert_allclose(gains["high"] - gains["gain"], reach, rtol=0.1)


def test_intervals_of_a_gain_hold_the_truth_as_often_as_they_say(frame):
    rng, held = np.random.default_rng(1), []
    for _ in range(100):
        shared = rng.normal(0, COMMON, SAMPLES)
        estimates = {
            i: mean_estimate(value + shared + rng.normal(0, OWN, SAMPLES))
            for i, value in enumerate(VALUES)
        }
        gains = found_of(frame, estimates)[0].gains
        truth = GAINS / np.diff(STEPS)
        held += [*((gains["low"] < truth) & (truth < gains["high"]))]
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_a_cost_that_is_unknown_or_did_not_rise_has_no_gain_per_it(frame):
    frame["latency_p50_s"] = [0.1, 0.2, 0.2, np.nan, 0.4]
    (found,) = found_of(frame, estimates_of(VALUES))
    per_second = found.gains["gain_per_second"].to_numpy()
    assert per_second[0] == pytest.approx(100)
    assert np.isnan(per_second[1:]).all()
    lines = return_lines([found])
    assert [line["per_second"] == MISSING for line in lines] == [False, True, True, True]
    assert all(line["per_nfe"] != MISSING for line in lines)


def test_lines_name_the_change_and_its_interval_and_the_law_once(frame):
    (found,) = found_of(frame, estimates_of(VALUES, own=1.0))
    lines = return_lines([found])
    assert [line["change"] for line in lines] == ["2 → 4", "4 → 8", "8 → 16", "16 → 32"]
    assert [line["span"] for line in lines] == [4, 0, 0, 0]
    assert [bool(line["law"]) for line in lines] == [True, False, False, False]
    gain = found.gains.iloc[0]
    assert lines[0]["per_step"] == f"5.000 ({gain['low']:.3f} to {gain['high']:.3f})"
    ends = gain["gain_per_nfe_low"], gain["gain_per_nfe_high"]
    assert lines[0]["per_nfe"] == f"2.500 ({ends[0]:.3f} to {ends[1]:.3f})"


def test_the_table_shows_the_interval_of_the_paired_difference(frame):
    estimates = {
        i: mean_estimate(value + np.random.default_rng(i).lognormal(size=40))
        for i, value in enumerate(VALUES)
    }
    lines = return_lines(found_of(frame, estimates))
    for before, (line, steps) in enumerate(zip(lines, np.diff(STEPS), strict=True)):
        change = better_by(estimates[before + 1], estimates[before], FD)
        places = places_of(change.se / steps)
        low, high = (number(end / steps, places) for end in change.interval())
        assert line["per_step"].endswith(f" ({low} to {high})")


def test_an_interval_that_is_not_known_is_not_shown(frame):
    estimates = {i: replace(e, left=np.inf) for i, e in estimates_of(VALUES).items()}
    line = return_lines(found_of(frame, estimates))[0]
    assert (line["per_step"], line["per_nfe"]) == ("5.00", "2.50")


LAW = 5 + 40 * NFE**-1.5
FLAT = {16: PASS, 8: FAIL, 4: UNTESTED, 2: UNTESTED}


def test_the_law_of_a_curve_that_follows_one_is_found_in_evaluations(frame):
    (found,) = found_of(frame, estimates_of(LAW, own=0.01), decided(FLAT))
    assert isinstance(found.law, PowerLaw)
    for part, truth in (("limit", 5), ("amplitude", 40), ("exponent", 1.5)):
        estimate = getattr(found.law, part)
        assert estimate.value == pytest.approx(truth, rel=1e-3)
        assert estimate.se > 0
    words = return_lines([found])[0]["law"]
    assert words.startswith("limit 5.0")
    assert "approached as 1 / NFE to the power 1.5" in words


def test_noise_that_all_step_counts_share_moves_the_limit_and_not_the_exponent(frame):
    (found,) = found_of(frame, estimates_of(LAW, own=0.0), decided(FLAT))
    assert found.law.limit.se == pytest.approx(estimates_of(LAW, own=0.0)[0].se)
    assert found.law.exponent.se == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "outcomes", "told"),
    [
        (LAW, {}, "2 of them on the plateau; here are 5 and 1"),
        (LAW, {16: FAIL, 8: UNTESTED}, "here are 5 and 1"),
        (LAW, {16: UNDECIDED}, "here are 5 and 1"),
        (np.array([9.0, 5.0, 5.0, 5.0, 5.0]), FLAT, "bends otherwise than a power law"),
        (20 - 0.2 * NFE, FLAT, "bends otherwise than a power law"),
        (np.array([6.0, 5.0, 7.0, 5.5, 6.5]), FLAT, "NO-FIT"),
    ],
)
def test_a_law_that_cannot_be_told_is_no_fit_with_the_reason(frame, values, outcomes, told):
    (found,) = found_of(frame, estimates_of(values), decided(outcomes))
    assert isinstance(found.law, str)
    assert found.law.startswith("NO-FIT: ")
    assert told in found.law
    assert return_lines([found])[0]["law"] == found.law


def test_a_curve_that_was_not_judged_counted_or_measured_at_five_step_counts_has_no_law(frame):
    estimates = estimates_of(LAW)
    assert "here are 5 and 0" in found_of(frame, estimates)[0].law
    uncounted = frame.assign(nfe=frame["nfe"].where(frame["steps"] > 2))
    (found,) = found_of(uncounted, estimates, decided(FLAT))
    assert found.law == "NO-FIT: evaluations were not counted"
    few = {i: estimates[i] for i in (0, 2, 3, 4)}
    assert "here are 4 and 2" in found_of(frame.iloc[[0, 2, 3, 4]], few, decided(FLAT))[0].law


def test_one_step_count_and_metrics_that_only_explain_have_no_returns(frame):
    estimates = estimates_of(VALUES)
    assert found_of(frame.iloc[:1], {0: estimates[0]}) == []
    assert found_of(frame, estimates, metric="kd_shapes") == []
    assert return_lines([]) == []


def test_gains_are_positive_where_higher_is_better_and_rises(frame):
    (found,) = found_of(frame, estimates_of(-VALUES), metric=PSNR)
    np.testing.assert_allclose(found.gains["gain"], GAINS / np.diff(STEPS))
