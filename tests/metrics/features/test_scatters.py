"""Distances from scatters of groups are those of decompositions of each part's own samples."""

import numpy as np
import pytest
import torch

from denoisebench.metrics.features import frechet, scatters
from denoisebench.metrics.features.frechet import frechet_record
from denoisebench.metrics.features.moments import FeatureStats

DIM = 16
DESIGNS = {
    "even": (300, None),
    "odd": (301, None),
    "four a dimension": (4 * DIM, None),
    "prompts drawn once or seldom": (300, np.r_[np.arange(250), np.arange(50)]),
    "four of each prompt": (800, np.repeat(np.arange(200), 4)),
    "many of few prompts": (500, np.repeat(np.arange(5), 100)),
}
ELSEWHERE = {
    "uneven": (803, np.r_[np.repeat(np.arange(200), 4), [0, 1, 2]]),
    "few": (4 * DIM - 1, None),
}


@pytest.fixture
def taken(monkeypatch):
    """Whether each record was made from scatters."""
    ways = []

    def watched(*args, **kwargs):
        distances = scatters.by_scatters(*args, **kwargs)
        ways.append(distances is not None)
        return distances

    monkeypatch.setattr(scatters, "_MANY", 0)
    monkeypatch.setattr(frechet, "by_scatters", watched)
    return ways


def features(count, *, decay=1.0, seed=0):
    """[count, DIM], of standard deviations that fall as the power of the number."""
    spread = torch.arange(1.0, DIM + 1).double() ** -decay
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, DIM, generator=generator).double() * spread + 0.1


def one_by_one(monkeypatch, *args):
    monkeypatch.setattr(frechet, "by_scatters", lambda *args, **kwargs: None)
    return frechet_record(*args)


@pytest.mark.parametrize(("count", "clusters"), DESIGNS.values(), ids=DESIGNS)
@pytest.mark.parametrize("decay", [0.0, 2.0])
def test_both_ways_give_the_same_record(count, clusters, decay, taken, monkeypatch):
    samples, reference = (
        features(count, decay=decay),
        FeatureStats.from_features(features(999, seed=1)),
    )
    record = frechet_record(samples, reference, clusters)
    assert taken == [True]
    other = one_by_one(monkeypatch, samples, reference, clusters)
    assert record.estimate.value == pytest.approx(other.estimate.value, rel=1e-9)
    assert record.raw == pytest.approx(other.raw, rel=1e-10)
    assert record.infinity == pytest.approx(other.infinity, rel=1e-6)
    scale = np.abs(other.estimate.influence).max()
    np.testing.assert_allclose(
        record.estimate.influence, other.estimate.influence, atol=1e-8 * scale, rtol=0
    )


@pytest.mark.parametrize(("count", "clusters"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_other_designs_are_left_to_the_other_way(count, clusters, taken):
    reference = FeatureStats.from_features(features(999, seed=1))
    assert np.isfinite(frechet_record(features(count), reference, clusters).raw)
    assert taken == [False]


def test_a_feature_that_does_not_vary_is_left_to_the_other_way(taken):
    samples, reference = features(300), FeatureStats.from_features(features(999, seed=1))
    samples[:, 3] = 0.1
    assert np.isfinite(frechet_record(samples, reference).estimate.se)
    assert taken == [False]
