"""The distance of two distributions of a number, its error and its floor."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from denoisebench.metrics.images.wasserstein import wasserstein_estimate, wasserstein_floor


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def reference(rng):
    return rng.gamma(4, 2, 5000)


def test_the_value_is_scipys(rng, reference):
    for values in (rng.normal(8, 3, 70), np.repeat([7.0, 9.5], 5), reference[:40]):
        found = wasserstein_estimate(values, reference).value
        assert found == pytest.approx(wasserstein_distance(values, reference))


def test_beyond_the_reference_it_is_the_difference_of_means(rng, reference):
    values = reference.max() + rng.random(50)
    found = wasserstein_estimate(values, reference)
    assert found.value == pytest.approx(values.mean() - reference.mean())
    np.testing.assert_allclose(found.influence, values - values.mean())


def test_the_error_is_that_of_replication(rng, reference):
    """Of a wider and shifted distribution: parts above and parts below the reference's."""
    found = [wasserstein_estimate(rng.normal(9, 6, 300), reference) for _ in range(300)]
    spread = np.std([one.value for one in found], ddof=1)
    assert np.mean([one.se for one in found]) == pytest.approx(spread, rel=0.1)


def test_the_floor_is_what_the_reference_itself_would_have(rng, reference):
    own = [wasserstein_estimate(rng.choice(reference, 200), reference).value for _ in range(300)]
    assert wasserstein_floor(reference, 200) == pytest.approx(np.mean(own), rel=0.06)
