"""What more steps bring, in a sentence: held against numbers whose errors are known."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from denoisebench.metrics.decide.difference import difference_of
from denoisebench.metrics.decide.sequential import sequential_reach
from denoisebench.metrics.estimate import Estimate, mean_estimate
from denoisebench.reports.decide.decisions import NOTHING
from denoisebench.reports.decide.steps_words import steps_sentences
from denoisebench.reports.rows.curves import curve_points
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.fake_run import CLIP, FD, fabricate

N = 400
SHARED = np.random.default_rng(0).standard_normal(N)
OWN = np.random.default_rng(1).standard_normal((4, N))
OWN -= OWN.mean(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words") / "run"
    grid = {"schedulers": ("ddim",), "steps": (2, 4, 8, 16), "guidances": (4.0,)}
    return load_frame(fabricate(folder, **grid))


def estimates(*values, clusters=None):
    """Much noise that all share, and little of each: differences are known to about 0.07."""
    shared = 30 * (SHARED - SHARED.mean())
    return {
        i: Estimate(value, shared + own, None if clusters is None else clusters[i])
        for i, (value, own) in enumerate(zip(values, OWN, strict=True))
    }


def sentence(frame, metric, *values, **options):
    return said(frame, metric, estimates(*values, **options))


def said(frame, metric, of_rows, decisions=NOTHING):
    points = curve_points(frame, metric)
    sentences = steps_sentences(frame, metric, of_rows, points=points, decisions=decisions)
    return sentences.get(("guidance 4", "ddim"), "")


def se(a, b):
    return (OWN[a] - OWN[b]).std(ddof=1) / N**0.5


def test_the_last_gain_is_said_with_its_paired_error_and_that_nothing_beyond_is_resolved(frame):
    assert sentence(frame, CLIP, 20.0, 23.0, 23.01, 23.0) == (
        f"ddim, guidance 4: 2 → 4 steps gain 3.000 ± {se(1, 0):.3f}; "
        "beyond 4 no gain over 4 is resolved."
    )


def test_where_lower_is_better_a_fall_is_a_gain(frame):
    words = sentence(frame, FD, 40.0, 30.0, 30.0, 30.0)
    assert words.startswith(f"ddim, guidance 4: 2 → 4 steps gain 10.000 ± {se(1, 0):.3f}; beyond 4")


def test_a_curve_that_still_gains_says_so(frame):
    words = sentence(frame, CLIP, 20.0, 21.0, 22.0, 23.0)
    assert words.endswith(
        f"8 → 16 steps gain 1.000 ± {se(3, 2):.3f}; 16 are the most that were run."
    )


def test_a_curve_without_a_gain_and_one_that_gets_worse(frame):
    assert sentence(frame, CLIP, 20.0, 20.0, 20.0, 20.0) == (
        "ddim, guidance 4: beyond 2 steps no gain over 2 is resolved."
    )
    words = sentence(frame, CLIP, 20.0, 23.0, 23.0, 21.0)
    assert words.endswith(f"no gain over 4 is resolved; 16 are worse by 2.000 ± {se(3, 1):.3f}.")


def test_a_gain_that_only_many_more_steps_resolve_is_not_denied(frame):
    words = sentence(frame, CLIP, 20.0, 20.1, 20.2, 20.4)
    assert "beyond 2 steps" not in words
    assert "beyond 4 no" not in words


def test_nothing_is_said_where_samples_are_not_paired_or_errors_are_not_known(frame):
    halves, thirds = np.arange(N) // 2, np.arange(N) // 4
    clusters = [halves, thirds, halves, halves]
    assert sentence(frame, CLIP, 20.0, 23.0, 23.0, 23.0, clusters=clusters) == ""
    assert said(frame, CLIP, {i: Estimate(20.0 + i, np.zeros(1)) for i in range(4)}) == ""


@pytest.mark.parametrize(("samples", "is_said"), [(6, False), (31, False), (32, True)])
def test_nothing_is_said_of_fewer_samples_than_decide(samples, is_said, frame):
    few = {i: mean_estimate(20 + i + 0.01 * own[:samples]) for i, own in enumerate(OWN)}
    assert bool(said(frame, CLIP, few)) == is_said


def test_a_gain_is_resolved_by_bounds_that_hold_for_all_pairs_of_all_curves(frame):
    """One of 2.4 errors is by itself, and not among six pairs; of 3.2 not among those of nine."""
    values = 20.0, 20.0 + 2.4 * se(1, 0), 20.0, 20.0
    before, after, *_ = estimates(*values).values()
    assert difference_of(after, before).interval()[0] > 0
    assert "beyond 2 steps no gain" in sentence(frame, CLIP, *values)
    values = 20.0, 20.0 + 3.2 * se(1, 0), 20.0, 20.0
    assert "2 → 4 steps gain" in sentence(frame, CLIP, *values)
    more = pd.concat([frame.assign(scheduler=name) for name in ("ddim", *"abcdefgh")])
    rows = more.reset_index(drop=True)
    of_rows = dict(enumerate([*estimates(*values).values()] * 9))
    assert "beyond 2 steps no gain" in said(rows, CLIP, of_rows)


def test_bounds_are_those_of_the_run_such_as_of_a_race(frame):
    gain = estimates(20.0, 20.0 + 3.2 * se(1, 0), 20.0, 20.0)
    race = replace(NOTHING, reaches=partial(sequential_reach, 1000))
    assert "2 → 4 steps gain" in said(frame, CLIP, gain)
    assert "beyond 2 steps no gain" in said(frame, CLIP, gain, race)


def test_nothing_is_said_where_bias_can_turn_the_order_around(frame):
    biased = frame.assign(**{f"{FD}_n_per_dim": 3.0})
    assert sentence(biased, FD, 40.0, 30.0, 30.0, 30.0) == ""
