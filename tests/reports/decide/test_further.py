"""What would probably decide: samples, or other prompts."""

import math

import numpy as np
import pytest

from denoisebench.metrics.decide.choose import Candidate, Gate, judged
from denoisebench.metrics.decide.difference import Difference, difference_from
from denoisebench.metrics.decide.verdicts import UNDECIDED, Verdict, non_inferiority
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.decide.further import Further, from_plain, further_of
from denoisebench.reports.formats import NEVER


def losses(prompts: int, draws: int = 1) -> Estimate:
    """Units of a loss: prompts that are drawn in turn."""
    drawn = np.random.default_rng(0).normal(size=prompts * draws)
    clusters = None if draws == 1 else np.tile(np.arange(prompts), draws)
    return Estimate(0.0, drawn - drawn.mean(), clusters)


@pytest.mark.parametrize("draws", [1, 4])
def test_too_few_prompts_take_other_prompts_however_often_they_are_drawn(draws):
    verdict = non_inferiority(difference_from(losses(8, draws)), 9.0, samples=8 * draws)
    assert (verdict.outcome, verdict.other_units) == (UNDECIDED, 24)
    assert further_of([verdict], of_noise=False) == Further(24, of_prompts=True)


def test_samples_that_differ_in_noise_alone_are_counted_as_samples():
    verdict = non_inferiority(difference_from(losses(8)), 9.0)
    assert further_of([verdict], of_noise=True) == Further(24)


def test_enough_prompts_that_do_not_repeat_take_more_samples():
    verdict = non_inferiority(Difference(0.0, 1.0, 64), 1.0)
    assert verdict.further > 0
    assert further_of([verdict], of_noise=False) == Further(verdict.further)


def test_a_distance_of_few_prompts_takes_as_many_as_it_is_decided_by():
    cells = [Candidate("a", n, 1.0, {"fd": losses(16)}) for n in (2, 4)]
    other = Candidate("a", 8, 1.0, {"fd": Estimate(1.0, losses(16).influence[::-1])})
    verdicts = judged(cells[0], other, {"fd": Gate(-1, 3.0, enough=256)}).values()
    assert further_of(verdicts, of_noise=False) == Further(240, of_prompts=True)


def test_what_takes_too_many_of_one_metric_is_not_decidable():
    never = Verdict(UNDECIDED, 0.0, -1.0, 1.0, 0.5, further=math.inf)
    few = Verdict(UNDECIDED, 0.0, -1.0, 1.0, 0.5, further=24, other_units=24)
    assert further_of([never, few], of_noise=False).words == NEVER


@pytest.mark.parametrize(
    ("further", "plain", "words"),
    [
        (Further(840), 840, "about 840 more samples"),
        (Further(24, True), "24 different prompts", "about 24 more different prompts"),
        (Further(math.inf), NEVER, NEVER),
    ],
)
def test_a_file_of_defaults_holds_it(further, plain, words):
    assert (further.plain, further.words) == (plain, words)
    assert from_plain(plain) == further
