"""Kernel distances: squared maximum mean discrepancy of features, with each sample's part.

Knows features only. Float64 on the CPU. The reference is held fixed: standard errors are those of
drawing the generated samples again. All cells share the error of the reference, which a paired
difference cancels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.features.draws import Draws
from denoisebench.metrics.features.moments import check_same_dim, checked_features

Kernel = Callable[[Tensor, Tensor], Tensor]  # x [N, D], y [M, D] to [N, M]
CMMD_SIGMA, CMMD_SCALE = 10.0, 1000.0  # of Jayasumana et al. (2024)
_BLOCK = 2**22  # entries of a kernel matrix at once


def polynomial(x: Tensor, y: Tensor) -> Tensor:
    """(x·y / D + 1)³, the kernel of KID."""
    base = (x @ y.T).div_(x.shape[1]).add_(1)
    return base * base * base


def gaussian(x: Tensor, y: Tensor) -> Tensor:
    """exp(-|x - y|² / (2 sigma²)) - 1, sigma = CMMD_SIGMA.

    A constant does not change the distance, and without the 1 of the usual kernel no digits are
    lost: embeddings of length one are at most two apart, where that kernel is still close to 1.
    """
    lengths = x.square().sum(1)[:, None] + y.square().sum(1)
    return torch.expm1((x @ y.T).mul_(2).sub_(lengths).clamp_(max=0).div_(2 * CMMD_SIGMA**2))


@dataclass(frozen=True, eq=False)
class KernelReference:
    """Features [M, D] float64 that many cells are compared with; shared sums are computed once."""

    features: Tensor
    kernel: Kernel

    @cached_property
    def within(self) -> float:
        """Mean kernel of two different reference samples."""
        count = len(self.features)
        rows = _row_sums(self.kernel, self.features, self.features)
        return float((rows - _diagonal(self.kernel, self.features)).sum() / count / (count - 1))


def kernel_reference(features: Tensor) -> KernelReference:
    """The reference of kernel_distance_estimate. Raises ValueError for unusable features."""
    return _reference(features, polynomial)


def cmmd_reference(embeddings: Tensor) -> KernelReference:
    """The reference of cmmd_estimate; embeddings [M, D] need not have length one."""
    return _reference(_unit(embeddings), gaussian)


def kernel_distance_estimate(
    features: Tensor, reference: Tensor | KernelReference, clusters: np.ndarray | None = None
) -> Estimate:
    """The kernel distance of features [N, D] (Bińkowski et al., 2018): KID if Inception made them.

    It uses all samples at once, where usual implementations average over random subsets. It is
    unbiased, so it can be negative.
    """
    if isinstance(reference, Tensor):
        reference = kernel_reference(reference)
    return _mmd_estimate(checked_features(features), reference, clusters)


def cmmd_estimate(
    embeddings: Tensor, reference: Tensor | KernelReference, clusters: np.ndarray | None = None
) -> Estimate:
    """CLIP-MMD of image embeddings [N, D], times 1000 (Jayasumana et al., 2024).

    Gaussian kernel, sigma = 10, on embeddings of length one. This is the U-statistic, which is
    unbiased. The published code computes the V-statistic, which pairs each sample with itself too:
    it is higher by 1000 (1 - mean kernel) / count, once for generated and once for reference
    samples.
    """
    if isinstance(reference, Tensor):
        reference = cmmd_reference(reference)
    plain = _mmd_estimate(_unit(embeddings), reference, clusters)
    return Estimate(CMMD_SCALE * plain.value, CMMD_SCALE * plain.influence, plain.clusters)


def _mmd_estimate(
    features: Tensor, reference: KernelReference, clusters: np.ndarray | None
) -> Estimate:
    """Unbiased MMD² = mean k(x, x') + mean k(y, y') - 2 mean k(x, y) (Gretton et al., 2012).

    x, x' are two different samples of the distribution of which Draws says the samples are. The
    influence is the Hájek projection with the reference held fixed,
        2 (mean of k(xᵢ, x') - mean of k(xᵢ, y)) less its mean.
    """
    check_same_dim(features.shape[1], reference.features.shape[1])
    count = len(features)
    if count < 2:
        raise ValueError(f"a kernel distance needs at least 2 samples, got {count}")
    draws = Draws.of(count, clusters)
    others, pairs = _with_others(reference.kernel, features, draws)
    across = _row_sums(reference.kernel, features, reference.features) / len(reference.features)
    within = others.sum() / pairs.sum()
    # The influence on a ratio of sums over pairs; without clusters 2 (others / (n-1) - within).
    among = 2 * count * (others - within * pairs) / pairs.sum()
    influence = among - 2 * (across - across.mean())
    value = float(within + reference.within - 2 * across.mean())
    return draws.estimate(value, influence.numpy())


def _with_others(kernel: Kernel, features: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Sums of each sample's kernel with independent ones [N], and their numbers [N].

    Where prompts stand for a population, two of one prompt are not independent, and such pairs are
    left out. Of these prompts, all pairs but a sample with itself are: the m - 1 others of
    its stratum of m count m/(m-1) each, so that the stratum has its share.
    """
    sums, count = _row_sums(kernel, features, features), len(features)
    pairs, diagonal = torch.full_like(sums, count), _diagonal(kernel, features)
    between = draws.clusters is not None
    groups = draws.units if between else draws.strata
    for group in np.unique(groups):
        rows = torch.from_numpy(np.flatnonzero(groups == group))
        size, part = len(rows), features[rows]
        own = sums[rows] if size == count else _row_sums(kernel, part, part)
        if between:
            sums[rows] -= own
            pairs[rows] -= size
        else:
            sums[rows] += (own - diagonal[rows]) * (size / (size - 1)) - own
    return sums, pairs


def _row_sums(kernel: Kernel, x: Tensor, y: Tensor) -> Tensor:
    """[N] sums of the kernel of each x with all y, a block of rows at a time.

    Sums of blocks go where they stay: kept one by one, they lay between the freed blocks, and the
    allocator could use none of these again (15 GB and more at 50,000 samples).
    """
    rows, sums = max(1, _BLOCK // len(y)), x.new_empty(len(x))
    for part, room in zip(torch.split(x, rows), torch.split(sums, rows), strict=True):
        torch.sum(kernel(part, y), 1, out=room)
    return sums


def _diagonal(kernel: Kernel, x: Tensor) -> Tensor:
    return torch.cat([kernel(row[None], row[None])[0] for row in x])


def _reference(features: Tensor, kernel: Kernel) -> KernelReference:
    features = checked_features(features)
    if len(features) < 2:
        raise ValueError(f"a kernel distance needs 2 reference samples, got {len(features)}")
    return KernelReference(features, kernel)


def _unit(embeddings: Tensor) -> Tensor:
    embeddings = checked_features(embeddings)
    lengths = embeddings.norm(dim=1, keepdim=True)
    if not lengths.all():
        raise ValueError("embeddings of length zero have no direction")
    unit: Tensor = embeddings / lengths
    return unit
