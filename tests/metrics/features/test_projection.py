"""Features on fixed random directions."""

import hashlib

import numpy as np
import pytest
import torch

from denoisebench.metrics.features.frechet import frechet_distance
from denoisebench.metrics.features.moments import FeatureStats
from denoisebench.metrics.features.projection import directions


def test_directions_never_change():
    """Stored distances are of these: other ones would be another metric under the same name."""
    signs = (directions(1280, 64) > 0).numpy()
    digest = hashlib.sha256(np.packbits(signs).tobytes()).hexdigest()
    assert digest[:16] == "04875ed053a20c25"


def test_squared_lengths_are_kept_on_average(generator):
    onto = directions(1000, 250)
    assert (onto.abs() == 250**-0.5).all()
    vectors = torch.randn(400, 1000, generator=generator, dtype=torch.float64)
    ratios = (vectors @ onto).square().sum(1) / vectors.square().sum(1)
    assert float(ratios.mean()) == pytest.approx(1, abs=0.02)
    # That of one vector errs by sqrt(2/count).
    assert float(ratios.std()) == pytest.approx((2 / 250) ** 0.5, rel=0.2)


def test_statistics_of_projected_features_are_projected_statistics(generator):
    features = torch.randn(300, 40, generator=generator, dtype=torch.float64) + 5
    onto = directions(40, 8)
    whole = FeatureStats.from_features(features).projected(onto)
    parts = FeatureStats.from_features(features @ onto)
    torch.testing.assert_close(whole.mean, parts.mean)
    torch.testing.assert_close(whole.cov, parts.cov)
    assert whole.count == 300
    assert frechet_distance(whole, parts) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("count", [0, 40, 41])
def test_directions_are_fewer_than_dimensions(count):
    with pytest.raises(ValueError, match="not fewer than 40"):
        directions(40, count)
