"""Fréchet distance between Gaussians fitted to two sets of features, with each sample's part in it.

Knows features only: which network made them, and whether the distance may be called FID, is the
caller's matter. Float64 on the CPU throughout.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from metrics.estimate import Estimate

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
        """Of features [N, D]. Raises ValueError when they are not a finite matrix."""
        features = _checked(features)
        if len(features) == 0:
            return cls.empty(features.shape[1])
        mean = features.mean(0)
        centred = features - mean
        return cls(len(features), mean, centred.T @ centred)

    @classmethod
    def from_moments(cls, mean: np.ndarray, cov: np.ndarray, count: int = EXACT) -> "FeatureStats":
        """Of a known mean [D] and covariance [D, D], as of so many samples."""
        return cls(count, torch.from_numpy(mean), torch.from_numpy(cov) * (count - 1))

    def merge(self, other: "FeatureStats") -> "FeatureStats":
        """Statistics of both sets together (Chan, Golub & LeVeque, 1979)."""
        _check_same_dim(self.dim, other.dim)
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

    @cached_property
    def eigen(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues [D] of cov, those of rounding noise at zero, and its eigenvectors [D, D];
        kept, as many cells share one reference."""
        values, vectors = torch.linalg.eigh(self.cov)
        noise = values.max().clamp(min=0) * self.dim * torch.finfo(values.dtype).eps
        return torch.where(values > noise, values, 0), vectors

    @cached_property
    def cov_root(self) -> Tensor:
        """Symmetric square root of cov [D, D]."""
        values, vectors = self.eigen
        return (vectors * values.sqrt()) @ vectors.T

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


def frechet_distance(generated: FeatureStats, reference: FeatureStats) -> float:
    """Squared 2-Wasserstein distance between the fitted Gaussians (Dowson & Landau, 1982).

    Tr (Σr^½ Σ Σr^½)^½ is the sum of the singular values of Σ^½ Σr^½: no root of rounding noise.
    """
    _check_same_dim(generated.dim, reference.dim)
    cross = torch.linalg.svdvals(generated.cov_root @ reference.cov_root).sum()
    shift = (generated.mean - reference.mean).square().sum()
    return float(shift + generated.cov.trace() + reference.cov.trace() - 2 * cross)


def frechet_estimate(
    features: Tensor, reference: FeatureStats, clusters: np.ndarray | None = None
) -> Estimate:
    """The distance of features [N, D] to the reference, with the influence of every sample.

    The influence is the derivative of the distance by a sample's weight,
        2 zᵢᵀ(μ - μr) + zᵢᵀ(I - A)zᵢ n/(n-1) - Tr((I - A)Σ),   zᵢ = xᵢ - μ,
        A = Σr^½ (Σr^½ Σ Σr^½)^(-½) Σr^½   with the pseudo-inverse on the support.
    With the scaled samples W = Z Σr^½ / √(n-1) = U S Vᵀ, both parts of A are plain sums,
        Tr(AΣ) = Σₖ Sₖ,   zᵢᵀAzᵢ = (n-1) Σₖ Uᵢₖ² Sₖ,
    so nothing is inverted, and n < D works and costs n² D. The standard error is conservative by
    tens of per cent as n falls towards D, and none is defined where the distance is zero.
    """
    features = _checked(features)
    _check_same_dim(features.shape[1], reference.dim)
    n = len(features)
    if n < 2:
        raise ValueError(f"a Fréchet distance needs at least 2 samples, got {n}")
    mean = features.mean(0)
    centred = features - mean
    shift = mean - reference.mean
    left, singular, _ = torch.linalg.svd(
        centred @ reference.cov_root / (n - 1) ** 0.5, full_matrices=False
    )
    spread = centred.square().sum(1) - (n - 1) * (left.square() @ singular)  # zᵢᵀ(I - A)zᵢ
    trace = spread.sum() / (n - 1)  # Tr((I - A)Σ) = Tr Σ - Tr (Σr^½ Σ Σr^½)^½
    influence = 2 * centred @ shift + spread * n / (n - 1) - trace
    # Tr Σ + Tr Σr - 2 Tr(…)^½ = (trace - cross) + Tr Σr
    value = shift.square().sum() + trace - singular.sum() + reference.cov.trace()
    return Estimate(float(value), influence.numpy(), clusters)


def frechet_floor(reference: FeatureStats, samples: int) -> float:
    """What samples drawn from the reference's own Gaussian score on average, to first order.

    The distance is biased upwards by C (1/n + 1/n_r), with the eigenvalues l of the covariance
        C = Σᵢ lᵢ + ½ Σᵢⱼ lᵢ lⱼ (1 + δᵢⱼ) / (lᵢ + lⱼ):
    the first sum is the mean's sampling error, the second that of the covariance in the metric of
    Bures (its second-order expansion, with Var Σ̂ᵢⱼ of a Wishart matrix). At two samples per
    dimension it is some 5 % too small, below one it is no more than an order of magnitude.
    """
    values = reference.eigen[0]
    values = values[values > 0]
    product, total = values.outer(values), values[:, None] + values
    spread = (product / total).sum() / 2 + values.sum() / 4
    return float((values.sum() + spread) * (1 / samples + 1 / reference.count))


def _checked(features: Tensor) -> Tensor:
    if features.ndim != 2:
        raise ValueError(f"features must be [samples, dimensions], got {tuple(features.shape)}")
    bad = (~features.isfinite()).any(1).nonzero().flatten()
    if len(bad):
        raise ValueError(f"features of {len(bad)} samples are not finite, first {int(bad[0])}")
    return features.detach().cpu().double()


def _check_same_dim(generated: int, reference: int) -> None:
    if generated != reference:
        raise ValueError(f"{generated}-dimensional features cannot meet {reference}-dimensional")
