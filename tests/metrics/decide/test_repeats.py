"""What more samples bring where prompts repeat, against simulation."""

import math

import numpy as np
import pytest

from denoisebench.metrics.decide.choose import Candidate, Gate, judged
from denoisebench.metrics.decide.difference import difference_from
from denoisebench.metrics.decide.hopeless import is_hopeless
from denoisebench.metrics.decide.racing import Design, tightest_at
from denoisebench.metrics.decide.repeats import error_left, goes_round, units_at
from denoisebench.metrics.decide.verdicts import PASS, UNDECIDED, non_inferiority
from denoisebench.metrics.estimate import Estimate, clusters_of, mean_estimate

GATES = {"q": Gate(sign=1, margin=0.5)}


def losses(samples, prompts, *, between, within, seed=0, mean=0.0):
    """A mean over samples that go round so many prompts; standard deviations of its two parts."""
    rng = np.random.default_rng(seed)
    of_prompts = between * rng.standard_normal(prompts)
    names = np.arange(samples) % prompts
    values = mean + of_prompts[names] + within * rng.standard_normal(samples)
    return mean_estimate(values, clusters_of([str(name) for name in names]))


def hopeless(loss, *, cap, prompts):
    """Of a cell against a rival of which every sample scores 0."""
    rival = Estimate(0.0, np.zeros(loss.samples), loss.clusters)
    cell, other = (Candidate("a", steps, 1.0, {"q": e}) for steps, e in ((8, loss), (16, rival)))
    verdicts = judged(cell, other, GATES)
    return verdicts["q"].is_open and is_hopeless(
        cell, other, verdicts, gates=GATES, cap=cap, prompts=prompts
    )


@pytest.mark.parametrize(("between", "within"), [(1.0, 0.0), (0.0, 1.0), (1.0, 3.0)])
def test_the_error_to_come_is_that_of_prompts_and_of_noise(between, within):
    """400 prompts, four samples of each; then ten of each."""
    parts = [losses(1600, 400, between=between, within=within, seed=seed) for seed in range(30)]
    told = [estimate.se * error_left(estimate, 4000, 400) for estimate in parts]
    expected = math.sqrt(between**2 / 400 + within**2 / 4000)
    assert np.mean(told) == pytest.approx(expected, rel=0.06)


def test_units_grow_with_samples_up_to_the_prompts_that_there_are():
    assert units_at(losses(64, 100, between=1, within=1), 256, 100) == 256  # none repeats so far
    assert units_at(losses(150, 100, between=1, within=1), 1500, 100) == 100
    drawn = mean_estimate(np.arange(8.0), np.array([0, 1, 2, 0, 3, 4, 5, 6]))
    assert units_at(drawn, 80, None) == 70
    assert units_at(drawn, 80, 50) == 50


def test_a_race_gives_a_cell_up_that_more_samples_of_its_prompts_do_not_decide():
    """The error is of 40 prompts; 51 times as many samples take nothing off."""
    given_up = [
        hopeless(losses(80, 40, between=1.0, within=0.1, seed=s, mean=-0.3), cap=4096, prompts=40)
        for s in range(40)
    ]
    among_fresh = [
        hopeless(losses(80, 80, between=1.0, within=0.1, seed=s, mean=-0.3), cap=4096, prompts=None)
        for s in range(40)
    ]
    assert np.mean(given_up) > 0.5
    assert np.mean(among_fresh) < 0.1


def test_a_race_keeps_a_cell_that_more_noise_of_its_prompts_decides():
    """Prompts are alike, so that samples count although prompts repeat."""
    given_up = [
        hopeless(losses(80, 40, between=0.0, within=2.0, seed=s), cap=4096, prompts=40)
        for s in range(40)
    ]
    at_the_cap = difference_from(losses(4096, 40, between=0.0, within=2.0))
    assert non_inferiority(at_the_cap, 0.5).outcome == PASS
    assert np.mean(given_up) < 0.1


def test_a_race_gives_up_where_there_are_too_few_prompts_to_decide_anything():
    assert hopeless(losses(64, 20, between=1.0, within=1.0), cap=4096, prompts=20)


def test_bounds_are_tightest_at_units_that_there_are():
    assert tightest_at(GATES, Design(64, 2048, 4, 64)) == 64
    assert tightest_at(GATES, Design(64, 2048, 4, 64, prompts=40)) == 40
    assert tightest_at({"q": Gate(1, 0.5, enough=256)}, Design(64, 2048, 4, 64)) == 512


@pytest.mark.parametrize(
    ("clusters", "round_"),
    [
        (None, False),
        ([0, 1, 2, 3], False),
        ([0, 1, 2, 0], True),
        ([0, 1, 2, 0, 1, 2, 0], True),
        ([0, 1, 1, 0, 1], True),  # a prompt that its file holds twice
        ([0, 1, 0, 2, 3, 1], False),  # drawn at random
        ([0, 0, 1, 1], False),
        ([0, 0, 0], True),
    ],
)
def test_samples_that_go_round_are_told_from_those_drawn_at_random(clusters, round_):
    assert goes_round(None if clusters is None else np.array(clusters)) == round_


def test_no_number_of_samples_is_told_where_they_only_repeat_their_prompts():
    exhausted = difference_from(losses(400, 100, between=2.0, within=0.1, mean=0.2))
    verdict = non_inferiority(exhausted, 0.5, samples=400)
    assert (verdict.outcome, verdict.further) == (UNDECIDED, math.inf)
    fresh = difference_from(losses(100, 100, between=2.0, within=0.1, mean=0.2))
    assert 0 < non_inferiority(fresh, 0.5).further < math.inf


def test_a_distance_is_told_the_samples_from_which_they_count_themselves():
    """300 samples of 200 prompts: from two draws of each on, samples are the units."""
    for margin in (0.5, 0.15):  # which the loss is within, and which it is undecided against
        gates = {"fd": Gate(-1, margin, enough=256)}
        for seed in range(10):
            now = losses(300, 200, between=1.0, within=1.0, seed=seed)
            rival = Estimate(0.0, np.zeros(300), now.clusters)
            cells = [Candidate("a", n, 1.0, {"fd": e}) for n, e in ((8, now), (16, rival))]
            assert judged(*cells, gates)["fd"].further == 100
