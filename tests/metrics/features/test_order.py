"""Somers' D against its definition, with errors that replication confirms."""

import numpy as np
import pytest
from scipy.stats import somersd

from denoisebench.metrics.features.order import order_estimate


def drawn(rng, n=100, noise=1.0):
    asked = rng.integers(1, 21, n).astype(float)
    return asked / 10 + noise * rng.standard_normal(n), asked


def test_it_is_somers_d(generator):
    rng = np.random.default_rng(0)
    values, asked = drawn(rng)
    assert order_estimate(values, asked).value == pytest.approx(somersd(asked, values).statistic)


def test_the_ends_are_one_and_minus_one_and_ties_count_for_nothing():
    asked = np.array([1.0, 2, 2, 3])
    assert order_estimate(np.array([1.0, 2, 5, 6]), asked).value == 1
    assert order_estimate(np.array([4.0, 3, 2, 1]), asked).value == -1
    assert order_estimate(np.ones(4), asked).value == 0


def test_nothing_is_ordered_where_all_were_asked_for_the_same():
    with pytest.raises(ValueError, match="different numbers"):
        order_estimate(np.arange(4.0), np.ones(4))


def test_blocks_do_not_change_it(monkeypatch):
    values, asked = drawn(np.random.default_rng(1))
    whole = order_estimate(values, asked)
    monkeypatch.setattr("denoisebench.metrics.features.order._BLOCK", 7)
    parts = order_estimate(values, asked)
    assert parts.value == whole.value
    assert np.allclose(parts.influence, whole.influence)
    assert abs(whole.influence.mean()) < 1e-12


def test_its_standard_error_is_that_of_replication():
    rng = np.random.default_rng(2)
    estimates = [order_estimate(*drawn(rng)) for _ in range(400)]
    spread = np.std([estimate.value for estimate in estimates])
    assert np.mean([estimate.se for estimate in estimates]) == pytest.approx(spread, rel=0.12)
