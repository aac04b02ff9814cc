import numpy as np
import pytest
import torch
from torch import Tensor

from denoisebench.metrics.features.moments import FeatureStats


def draw(n: int, dim: int, generator: torch.Generator, offset: float = 0.0) -> Tensor:
    return torch.randn(n, dim, generator=generator, dtype=torch.float64) + offset


def test_merging_batches_equals_the_whole(generator):
    features = draw(100, 8, generator, offset=50)
    whole = FeatureStats.from_features(features)
    merged = FeatureStats.empty(8)
    for batch in features.split(17):
        merged = merged.merge(FeatureStats.from_features(batch))
    assert merged.count == 100
    torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-13, atol=0)
    torch.testing.assert_close(merged.cov, whole.cov, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(whole.cov, np.cov(features.numpy(), rowvar=False), rtol=1e-10)


def test_merging_empty_changes_nothing(generator):
    stats = FeatureStats.from_features(draw(9, 3, generator))
    for merged in (stats.merge(FeatureStats.empty(3)), FeatureStats.empty(3).merge(stats)):
        torch.testing.assert_close(merged.mean, stats.mean)
        torch.testing.assert_close(merged.cov, stats.cov)
    assert FeatureStats.empty(3).merge(FeatureStats.from_features(torch.zeros(0, 3))).count == 0


def test_a_large_offset_loses_no_digits(generator):
    features = draw(500, 4, generator)
    far = FeatureStats.from_features(features + 1e6)
    near = FeatureStats.from_features(features)
    torch.testing.assert_close(far.cov, near.cov, rtol=1e-8, atol=1e-9)


def test_statistics_survive_arrays(generator):
    stats = FeatureStats.from_features(draw(20, 5, generator))
    again = FeatureStats.from_arrays(stats.to_arrays())
    assert again.count == stats.count
    assert torch.equal(again.mean, stats.mean)
    assert torch.equal(again.scatter, stats.scatter)


def test_arrays_of_wrong_shape_are_refused():
    arrays = {"count": np.array([3]), "mean": np.zeros(4), "scatter": np.zeros((3, 3))}
    with pytest.raises(ValueError, match="do not match"):
        FeatureStats.from_arrays(arrays)


def test_the_covariance_root_squares_to_the_covariance_and_is_kept(generator):
    stats = FeatureStats.from_features(draw(50, 6, generator))
    torch.testing.assert_close(stats.cov_root @ stats.cov_root, stats.cov)
    torch.testing.assert_close(stats.cov_root, stats.cov_root.T)
    assert stats.cov_root is stats.cov_root
