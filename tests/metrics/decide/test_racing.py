"""The rule of a race against simulation: paired means whose truth is known."""

import numpy as np
import pytest

from denoisebench.metrics.decide.choose import Candidate, Gate, choose
from denoisebench.metrics.decide.racing import Design, Race, Runner, look, rungs
from denoisebench.metrics.decide.sequential import LEVEL, sequential_reach
from denoisebench.metrics.decide.verdicts import FAIL, PASS, UNDECIDED
from denoisebench.metrics.estimate import mean_estimate

GATES = {"q": Gate(sign=1, margin=0.5)}
DESIGN = Design(first=64, cap=2048, per_doubling=4, confirm=64)
RISING = [80.0, 90.0, 92.9, 93.0, 93.0]
STEPS = [2, 4, 8, 16, 32]


class World:
    """Cells that share most of their noise; sample i is the same however it is drawn."""

    def __init__(self, seed, curves, own=1.0, samples=8192):
        rng = np.random.default_rng(seed)
        self.runners = [
            Runner(name, steps, float(steps))
            for name, truths in curves.items()
            for steps, _ in zip(STEPS, truths, strict=False)
        ]
        shared = 5 * rng.standard_normal(samples)
        values = [truth for truths in curves.values() for truth in truths]
        self.values = [t + shared + own * rng.standard_normal(samples) for t in values]
        self.drawn = {}

    def draw(self, places, first, last):
        self.drawn |= {place: max(last, self.drawn.get(place, 0)) for place in places}
        return {i: {"q": mean_estimate(self.values[i][first:last])} for i in places}

    def candidates(self, samples):
        found = self.draw(range(len(self.runners)), 0, samples)
        return [Candidate(r.curve, r.steps, r.cost, found[i]) for i, r in enumerate(self.runners)]

    def race(self, design=DESIGN, draw=None):
        return list(Race(self.runners, GATES, design, draw=draw or self.draw).run())

    def name(self, place):
        return None if place is None else self.runners[place].name


def test_rungs_are_whole_batches_from_the_first_to_the_cap():
    assert rungs(Design(64, 512, 1, 64)) == [64, 128, 256, 512]
    assert rungs(Design(64, 300, 2, 64, batch=64)) == [64, 128, 192, 256, 300]
    assert rungs(Design(64, 32, 1, 64)) == [32]


def test_a_race_comes_to_the_default_of_the_fixed_design_with_far_fewer_samples():
    same, images = 0, []
    for seed in range(40):
        world = World(seed, {"ddim": RISING, "euler": [70.0, 85.0, 92.0, 93.0, 93.0]})
        fixed = choose(world.candidates(DESIGN.cap), GATES).chosen
        course = world.race()[-1]
        same += fixed == course.choice.chosen
        images.append(sum(course.drawn))
    assert same >= 38
    assert np.mean(images) < DESIGN.cap * 10 / 5


@pytest.mark.long
@pytest.mark.slow
def test_a_wrong_default_is_as_rare_as_the_level_says():
    """Simulated at the margin: eight steps of each curve lose a hair too much."""
    wrong = 0
    for seed in range(300):
        at_margin = [80.0, 90.0, 92.49, 93.0, 93.0]
        world = World(seed, {"a": at_margin, "b": at_margin, "c": at_margin}, samples=4096)
        chosen = world.race(Design(64, 512, 2, 64))[-1].choice.chosen
        wrong += chosen is not None and world.runners[chosen].steps < 16
    assert wrong / 300 <= LEVEL


def test_bounds_hold_at_all_rungs_together():
    rng, design = np.random.default_rng(0), Design(64, 4096, 4, 64)
    looks = np.array(rungs(design))
    means = rng.standard_normal((1500, design.cap)).cumsum(1)[:, looks - 1] / looks
    reach = sequential_reach(128)
    bounds = np.array([reach(n) * n**-0.5 for n in looks])
    assert (means + bounds < 0).any(1).mean() <= LEVEL


def test_who_fails_on_the_rising_side_takes_all_smaller_step_counts_out():
    world = World(0, {"ddim": [91.9, 91.8, 93.0, 93.0, 93.0]}, own=0.3)
    seen = look(world.candidates(512), GATES, sequential_reach(512), cap=4096, before={})
    assert seen.low == {0, 1}


def test_a_curve_that_falls_with_steps_loses_none_that_may_be_best():
    """As a distilled model's does: what fails there has no larger step count that is better."""
    world = World(1, {"lcm": [91.0, 93.0, 92.9, 91.0, 90.0]}, own=0.3)
    seen = look(world.candidates(512), GATES, sequential_reach(512), cap=4096, before={})
    assert seen.low == {0}
    course = world.race()[-1]
    assert world.name(course.choice.chosen) == "lcm 4"
    assert course.choice.standings[4].outcome == FAIL


def test_cells_that_wait_come_in_when_the_one_before_them_is_out():
    """Eight steps of the first curve are given up; until then the second's are not sampled on."""
    truths = {"a": [80.0, 90.0, 92.2, 93.0, 93.0], "b": [80.0, 90.0, 93.0, 93.0, 93.0]}
    world = World(2, truths)
    courses = world.race()
    assert world.name(courses[-1].choice.chosen) == "b 8"
    waited = [w for rung in courses[-1].rungs for i, w in rung.stopped.items() if i == 7]
    assert any(why.startswith("was not needed") for why in waited)
    assert courses[-1].choice.standings[2].outcome != PASS


def test_a_cell_on_its_margin_is_given_up_before_the_cap():
    truths = {"a": [80.0, 90.0, 92.5, 93.0, 93.0], "b": [80.0, 90.0, 93.0, 93.0, 93.0]}
    early = 0
    for seed in range(20):
        course = World(seed, truths).race()[-1]
        early += course.rungs[-1].samples < DESIGN.cap
    assert early >= 15


def test_a_winner_by_luck_is_not_confirmed_and_the_next_is_tried():
    world = World(3, {"ddim": [80.0, 90.0, 93.0, 93.0, 93.0]}, own=0.7)
    world.values[2][200:] -= 2.0  # eight steps look good at first
    course = world.race(Design(64, 256, 1, 256))[-1]
    assert [(world.name(t.winner), t.outcome) for t in course.trials] == [
        ("ddim 8", FAIL),
        ("ddim 16", PASS),
    ]
    assert course.trials[0].first >= course.rungs[0].samples
    assert world.name(course.choice.chosen) == "ddim 16"


def test_confirming_samples_are_those_after_all_that_were_looked_at():
    world, ranges = World(4, {"ddim": RISING}), []

    def draw(places, first, last):
        ranges.append((first, last))
        return world.draw(places, first, last)

    course = world.race(draw=draw)[-1]
    assert course.trials[-1].outcome == PASS
    assert all(first in (0, course.rungs[-1].samples) for first, _ in ranges)
    assert max(last for first, last in ranges if first == 0) == course.rungs[-1].samples


@pytest.mark.parametrize("broken", [3, 4])  # between others, and the last of its curve
def test_a_cell_that_cannot_be_scored_any_more_holds_nobody_up(broken):
    world = World(5, {"ddim": RISING, "euler": RISING})

    def draw(places, first, last):
        whole = [i for i in places if i != broken or last <= 64]
        return world.draw(whole, first, last)

    course = world.race(draw=draw)[-1]
    assert course.over
    assert course.trials[-1].outcome == PASS
    assert world.name(course.choice.chosen) == "ddim 8"
    assert course.drawn[broken] == 64


def test_nothing_is_decided_by_a_biased_metric_before_it_has_enough_samples():
    world = World(6, {"ddim": RISING}, own=0.1)
    gates = {"q": Gate(1, 0.5, enough=512)}
    courses = list(Race(world.runners, gates, DESIGN, draw=world.draw).run())
    assert all(len(course.rungs[-1].live) == 5 for course in courses if course.drawn[0] < 512)
    assert courses[-1].trials[-1].outcome == PASS
    assert courses[-1].trials[-1].last - courses[-1].trials[-1].first >= 512


def test_a_race_that_decides_nothing_by_the_cap_says_so():
    world = World(7, {"ddim": [80.0, 90.0, 92.9, 93.0, 93.0]}, own=30.0)
    course = world.race(Design(64, 128, 1, 64))[-1]
    assert course.over
    assert course.choice.outcome == UNDECIDED
    assert course.choice.chosen is None


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_race_that_is_begun_again_goes_the_same_way(cut):
    world = World(8, {"ddim": RISING, "euler": RISING})
    whole = world.race()
    race = Race(world.runners, GATES, DESIGN, draw=world.draw).run()
    for _ in range(min(cut, len(whole))):
        next(race)  # killed after some rungs
    again = world.race()[-1]
    assert (again.rungs, again.trials, again.drawn) == (
        whole[-1].rungs,
        whole[-1].trials,
        whole[-1].drawn,
    )


def test_of_two_cells_the_one_that_is_left_needs_no_confirmation():
    world = World(9, {"ddim": [80.0, 93.0]}, own=0.3)
    course = world.race()[-1]
    assert world.name(course.choice.chosen) == "ddim 4"
    assert course.trials[-1].outcome == PASS
    assert course.drawn == [course.rungs[-1].samples] * 2
