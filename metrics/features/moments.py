"""Counts, means and scatters of features, of which Fréchet distances are made; float64, CPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

EXACT = 10**12  # samples behind moments that are known, not estimated


@dataclass(frozen=True, eq=False)  # comparing tensors with == has no single answer
class FeatureStats:
    """Sufficient statistics of the Gaussian fitted to a set of features.

    Sums are taken about the mean, so that features far from zero lose no digits.
    """

    count: int
    mean: Tensor  # [D] float64
    scatter: Tensor  # [D, D] float64, sum of outer products about the mean

    @classmethod
    def empty(cls, dim: int) -> "FeatureStats":
        return cls(0, torch.zeros(dim).double(), torch.zeros(dim, dim).double())

    @classmethod
    def from_features(cls, features: Tensor) -> "FeatureStats":
        """Statistics of features [N, D]. Raises ValueError when they are not a finite matrix."""
        features = checked_features(features)
        if len(features) == 0:
            return cls.empty(features.shape[1])
        mean = features.mean(0)
        centred = features - mean
        return cls(len(features), mean, centred.T @ centred)

    @classmethod
    def from_moments(cls, mean: np.ndarray, cov: np.ndarray, count: int = EXACT) -> "FeatureStats":
        """Statistics of a known mean [D] and covariance [D, D], as of `count` samples."""
        return cls(count, torch.from_numpy(mean), torch.from_numpy(cov) * (count - 1))

    def merge(self, other: "FeatureStats") -> "FeatureStats":
        """Statistics of both sets together (Chan, Golub & LeVeque, 1979)."""
        check_same_dim(self.dim, other.dim)
        count = self.count + other.count
        if count == 0:
            return self
        shift = other.mean - self.mean
        scatter = self.scatter + other.scatter
        return FeatureStats(
            count,
            self.mean + shift * (other.count / count),
            scatter + shift.outer(shift) * (self.count * other.count / count),
        )

    @property
    def dim(self) -> int:
        return len(self.mean)

    @property
    def cov(self) -> Tensor:
        """Unbiased covariance [D, D]. Raises ValueError for fewer than two samples."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 samples, got {self.count}")
        return self.scatter / (self.count - 1)

    @property
    def variance(self) -> Tensor:
        """Trace of cov: the squared distance of a sample from the mean, on average."""
        return self.scatter.trace() / (self.count - 1)

    @cached_property
    def eigen(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues [D] of cov, with rounding noise set to zero, and its eigenvectors [D, D].

        They are kept, because many cells share one reference."""
        values, vectors = torch.linalg.eigh(self.cov)
        noise = values.max().clamp(min=0) * self.dim * torch.finfo(values.dtype).eps
        return torch.where(values > noise, values, 0), vectors

    @cached_property
    def cov_root(self) -> Tensor:
        """Symmetric square root of cov [D, D]."""
        values, vectors = self.eigen
        return (vectors * values.sqrt()) @ vectors.T

    def projected(self, directions: Tensor) -> "FeatureStats":
        """Statistics of the same features times directions [D, K]."""
        scatter = directions.T @ self.scatter @ directions
        return FeatureStats(self.count, self.mean @ directions, (scatter + scatter.T) / 2)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {
            "count": np.array([self.count], np.int64),
            "mean": self.mean.numpy(),
            "scatter": self.scatter.numpy(),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "FeatureStats":
        """Inverse of to_arrays. Raises ValueError when the shapes do not belong together."""
        mean = np.array(arrays["mean"], np.float64)
        scatter = np.array(arrays["scatter"], np.float64)
        if mean.ndim != 1 or scatter.shape != (len(mean), len(mean)):
            raise ValueError(f"mean {mean.shape} and scatter {scatter.shape} do not match")
        count = int(np.asarray(arrays["count"]).item())
        return cls(count, torch.from_numpy(mean), torch.from_numpy(scatter))


def checked_features(features: Tensor) -> Tensor:
    """Features [N, D] as float64 on the CPU. Raises ValueError when they are no finite matrix."""
    if features.ndim != 2:
        raise ValueError(f"features must be [samples, dimensions], got {tuple(features.shape)}")
    bad = (~features.isfinite()).any(1).nonzero().flatten()
    if len(bad):
        raise ValueError(f"features of {len(bad)} samples are not finite, first {int(bad[0])}")
    return features.detach().cpu().double()


def check_same_dim(generated: int, reference: int) -> None:
    """Raises ValueError when generated and reference features have different dimensions."""
    if generated != reference:
        raise ValueError(f"{generated}-dimensional features cannot meet {reference}-dimensional")
