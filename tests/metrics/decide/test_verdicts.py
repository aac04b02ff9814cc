"""Decisions against simulation and closed forms."""

import math

import numpy as np
import pytest

from denoisebench.metrics.decide.choose import Candidate, Gate, choose, judged, plateau_of
from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.power_law import PowerLaw, fit_power_law
from denoisebench.metrics.decide.sequential import LEVEL, fixed_reach, sequential_reach
from denoisebench.metrics.decide.verdicts import (
    FAIL,
    NO_PLATEAU,
    PASS,
    UNDECIDED,
    UNTESTED,
    fixed_sequence,
    non_inferiority,
    plateau,
)
from denoisebench.metrics.estimate import Estimate, mean_estimate, paired_difference, students_tail

QUALITY = Gate(sign=1, margin=0.5)


def paired_means(generator, truths, n=400, own=0.3):
    """Estimates of means whose samples share most of their noise."""
    shared = 5 * generator.standard_normal(n)
    return [mean_estimate(t + shared + own * generator.standard_normal(n)) for t in truths]


def curve(generator, name, truths, **options):
    """Candidates at 2, 4, 8, … steps with means as given."""
    estimates = paired_means(generator, truths, **options)
    steps = [2 ** (i + 1) for i in range(len(truths))]
    return [Candidate(name, s, s, {"q": e}) for s, e in zip(steps, estimates, strict=True)]


def test_paired_comparison_is_that_of_the_per_sample_differences():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(200)
    y = x + 0.1 * rng.standard_normal(200) + 0.05
    found = difference_of(mean_estimate(x), mean_estimate(y))
    assert found.value == pytest.approx((x - y).mean())
    assert found.se == pytest.approx((x - y).std(ddof=1) / 200**0.5)
    assert found.unpaired == ""
    assert found.units == 200
    assert found.p >= 2 * students_tail(abs(found.value) / found.se, 199)  # of normal units
    low, _ = found.bounds(found.p / 2) if found.value > 0 else found.opposite.bounds(found.p / 2)
    assert low == pytest.approx(0, abs=1e-9)
    assert found.interval()[0] < found.value < found.interval()[1]


def test_unpaired_comparison_says_why_and_adds_the_errors():
    rng = np.random.default_rng(0)
    a, b = mean_estimate(rng.standard_normal(50)), mean_estimate(rng.standard_normal(50))
    found = difference_of(a, b, "other prompts")
    assert found.unpaired == "other prompts"
    assert found.se == pytest.approx(math.hypot(a.se, b.se))
    clustered = Estimate(b.value, b.influence, np.repeat(np.arange(25), 2))
    assert "clusters" in difference_of(a, clustered).unpaired


def test_a_prefix_pairs_with_the_whole_and_its_error_is_that_of_replication():
    rng = np.random.default_rng(1)
    found, claimed = [], []
    for _ in range(2000):
        shared = rng.standard_normal(60)
        a = mean_estimate(shared + 0.5 * rng.standard_normal(60))
        b = mean_estimate((shared + 0.5 * rng.standard_normal(60))[:40])
        difference = paired_difference(a, b)
        found.append(difference.value)
        claimed.append(difference.se)
    assert np.mean(claimed) == pytest.approx(np.std(found), rel=0.06)


def test_a_prefix_whose_prompts_do_not_repeat_yet_pairs_with_a_set_that_repeats():
    whole = Estimate(1.0, np.arange(6.0) - 2.5, np.array([0, 1, 2, 0, 1, 2]))
    first = Estimate(0.5, np.array([1.0, -1.0, 0.0]))
    assert paired_difference(whole, first).clusters is not None
    with pytest.raises(ValueError, match="clusters"):
        paired_difference(whole, Estimate(0.5, np.zeros(3), np.array([0, 0, 1])))


def test_no_difference_found_is_no_proof_of_equality():
    wide = Difference(0.0, 1.0, 100)
    found = non_inferiority(wide, margin=0.5)
    assert found.outcome == UNDECIDED
    # power 0.8: (1.96 + 0.84)² (1 / 0.5)² = 31.4 times the samples, were the loss known
    assert found.further > 100 * 30.4
    assert non_inferiority(Difference(0.0, 0.2, 100), 0.5).outcome == PASS
    assert non_inferiority(Difference(1.0, 0.2, 100), 0.5).outcome == FAIL
    assert non_inferiority(Difference(0.0, math.nan, 1), 0.5).outcome == UNDECIDED


def test_a_loss_at_the_margin_passes_as_seldom_as_the_level_says():
    rng = np.random.default_rng(3)
    losses = 0.5 + 0.1 * rng.standard_normal(20_000)
    passed = [non_inferiority(Difference(x, 0.1, 100), 0.5).outcome == PASS for x in losses]
    assert np.mean(passed) == pytest.approx(LEVEL, abs=0.004)


def test_a_sequential_bound_holds_at_all_looks_together_and_a_fixed_one_does_not():
    rng = np.random.default_rng(4)
    looks = 64 * 2 ** np.arange(7)
    means = np.stack(
        [rng.standard_normal((2000, 64 * 2**6)).cumsum(1)[:, n - 1] / n for n in looks], 1
    )
    for reach, least, most in (
        (sequential_reach(256), 0.0, 0.03),
        (fixed_reach(), 0.05, 1.0),
    ):
        bounds = np.array([reach(n) * n**-0.5 for n in looks])
        missed = (means + bounds < 0).any(1).mean()
        assert least <= missed <= most


def test_a_fixed_sequence_stops_at_the_first_that_does_not_pass():
    assert fixed_sequence([PASS, PASS, UNDECIDED, PASS]) == [PASS, PASS, UNDECIDED, UNTESTED]
    assert fixed_sequence([PASS, PASS]) == [PASS, PASS]
    assert fixed_sequence([]) == []


def test_the_four_outcomes_of_a_curve():
    assert plateau(32, {2: FAIL, 4: FAIL, 8: PASS, 16: PASS}).steps == 8
    assert plateau(32, {2: PASS, 4: FAIL, 8: PASS, 16: PASS}).outcomes[2] == UNTESTED
    grows = plateau(32, {8: FAIL, 16: FAIL})
    assert (grows.outcome, grows.steps) == (NO_PLATEAU, 32)
    assert plateau(32, {8: PASS, 16: UNDECIDED}).outcome == UNDECIDED
    assert plateau(32, {}).outcome == UNDECIDED


def test_the_plateau_of_a_curve_is_where_its_truth_says():
    found, verdicts = plateau_of(
        curve(np.random.default_rng(5), "ddim", [70, 88, 92.9, 93, 93]), {"q": QUALITY}
    )
    assert (found.outcome, found.steps) == (PASS, 8)
    assert verdicts[4]["q"].outcome == FAIL
    assert verdicts[4]["q"].loss == pytest.approx(5, abs=0.2)


def test_direction_turns_the_loss_around():
    a, b = paired_means(np.random.default_rng(6), [10.0, 12.0])
    cells = Candidate("x", 1, 1, {"q": a}), Candidate("x", 2, 2, {"q": b})
    assert judged(cells[0], cells[1], {"q": QUALITY})["q"].outcome == FAIL
    assert judged(cells[0], cells[1], {"q": Gate(-1, 0.5)})["q"].outcome == PASS


def test_the_cheapest_cell_within_the_margin_of_every_curve_is_chosen():
    rng = np.random.default_rng(7)
    truths = [60, 80, 92.9, 93.0, 93.0], [70, 92.8, 93.1, 93.1, 93.1]
    shared = 5 * rng.standard_normal(400)
    cells = [
        Candidate(
            name,
            2 ** (i + 1),
            2 ** (i + 1),
            {"q": mean_estimate(t + shared + 0.2 * rng.standard_normal(400))},
        )
        for name, values in zip(("ddim", "dpmpp_2m"), truths, strict=True)
        for i, t in enumerate(values)
    ]
    found = choose(cells, {"q": QUALITY})
    assert found.outcome == PASS
    assert found.chosen is not None
    assert found.runner_up is not None
    assert (cells[found.chosen].curve, cells[found.chosen].steps) == ("dpmpp_2m", 4)
    assert cells[found.runner_up].steps == 8
    assert found.standings[0].outcome == FAIL


def test_a_curve_that_falls_at_its_end_still_has_a_default():
    """Distilled models get worse with many steps: those that fail are skipped."""
    cells = curve(np.random.default_rng(8), "lcm", [91.4, 93.0, 92.9, 92.0, 91.0])
    found = choose(cells, {"q": QUALITY})
    assert found.chosen is not None
    assert cells[found.chosen].steps == 4


def test_a_curve_that_still_rises_has_no_plateau_and_says_so():
    cells = curve(np.random.default_rng(9), "ddim", [60, 70, 80, 90, 100])
    found = choose(cells, {"q": QUALITY})
    assert (found.outcome, found.chosen) == (NO_PLATEAU, 4)


def test_too_few_samples_for_a_biased_metric_decide_nothing():
    cells = curve(np.random.default_rng(10), "ddim", [60, 93, 93, 93], n=100)
    found = choose(cells, {"q": Gate(1, 0.5, enough=256)})
    assert found.outcome == UNDECIDED
    assert found.chosen is None
    assert max(verdict.further for verdict in found.standings[-1].worst.values()) == 156


def test_a_cell_outside_its_margin_is_seldom_chosen():
    """Simulated: eight steps lose a little more than the margin, so 16 is the answer."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(400):
        cells = curve(rng, "ddim", [80.0, 90.0, 92.45, 93.0, 93.0], n=100, own=1.0)
        found = choose(cells, {"q": QUALITY})
        wrong += found.chosen is not None and cells[found.chosen].steps < 16
    assert wrong / 400 <= LEVEL + 0.01


def test_relative_margins_are_shares_of_the_other_cells_value():
    a, b = paired_means(np.random.default_rng(12), [103.0, 100.0])
    gate = {"q": Gate(-1, 0.05, relative=True)}
    cells = Candidate("x", 1, 1, {"q": a}), Candidate("x", 2, 2, {"q": b})
    verdict = judged(cells[0], cells[1], gate)["q"]
    assert verdict.margin == pytest.approx(0.05 * b.value)
    assert verdict.outcome == PASS


def power_cells(rng, costs, n=1000):
    return paired_means(rng, [93 - 80 * c**-1.5 for c in costs], n=n)


def test_a_power_law_is_found_again_with_errors_that_replication_confirms():
    costs, found = [2, 4, 8, 16, 32, 64], []
    rng = np.random.default_rng(13)
    for _ in range(200):
        fit = fit_power_law(costs, power_cells(rng, costs), on_plateau=3)
        assert isinstance(fit, PowerLaw)
        found.append((fit.limit, fit.exponent, fit.slope(8)))
    truths = 93, 1.5, 80 * 1.5 * 8**-2.5
    for truth, estimates in zip(truths, zip(*found, strict=True), strict=True):
        values = np.array([e.value for e in estimates])
        assert values.mean() == pytest.approx(truth, rel=0.01)
        assert np.mean([e.se for e in estimates]) == pytest.approx(values.std(), rel=0.2)


def test_a_power_law_is_refused_where_it_cannot_be_told():
    rng = np.random.default_rng(14)
    costs = [2, 4, 8, 16]
    assert "5 step counts" in fit_power_law(costs, power_cells(rng, costs), on_plateau=2)
    costs = [2, 4, 8, 16, 32]
    assert "plateau" in fit_power_law(costs, power_cells(rng, costs), on_plateau=1)
    jump = paired_means(rng, [0, 50, 50, 50, 50], n=200)
    assert "NO-FIT" in fit_power_law(costs, jump, on_plateau=4)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_loss_at_a_relative_margin_passes_as_seldom_as_the_level_says(sign):
    """The other's value is an estimate too, and so is the margin that is a share of it."""
    rng, passed, gate = np.random.default_rng(5), 0, Gate(sign, 0.05, relative=True)
    for _ in range(3000):
        rival = 10 + 5 * rng.standard_normal(100)
        cell = (1 - sign * 0.05) * 10 + 0.2 * rng.standard_normal(100)
        verdicts = judged(
            Candidate("a", 4, 4.0, {"q": mean_estimate(cell)}),
            Candidate("b", 8, 8.0, {"q": mean_estimate(rival)}),
            {"q": gate},
        )
        passed += verdicts["q"].outcome == PASS
    assert 0.006 < passed / 3000 < LEVEL + 0.005


def test_equal_cells_are_within_a_relative_margin_of_nothing():
    centred = np.random.default_rng(15).standard_normal(10)
    zero = Candidate("a", 4, 4.0, {"q": Estimate(0.0, centred)})
    other = Candidate("b", 8, 8.0, {"q": Estimate(0.0, centred.copy())})
    verdict = judged(zero, other, {"q": Gate(-1, 0.1, relative=True)})["q"]
    assert verdict.outcome == PASS
    assert verdict.in_margins(verdict.high) == 0.0
