"""What more steps bring, in a sentence: held against numbers whose errors are known."""

import numpy as np
import pytest

from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.decide.steps_words import steps_sentences
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
    return steps_sentences(frame, metric, estimates(*values, **options), gating=()).get(
        ("guidance 4", "ddim"), ""
    )


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
    few = {i: Estimate(20.0 + i, np.zeros(1)) for i in range(4)}
    assert steps_sentences(frame, CLIP, few, gating=()) == {}


def test_nothing_is_said_where_bias_can_turn_the_order_around(frame):
    biased = frame.assign(**{f"{FD}_n_per_dim": 3.0})
    assert sentence(biased, FD, 40.0, 30.0, 30.0, 30.0) == ""
