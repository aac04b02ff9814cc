"""Precision, recall, density and coverage: which samples lie within reach of which.

Knows features only. A sample's reach is the distance to its k-th nearest neighbour on its own side.
Float64 on the CPU, a block of rows at a time. All cells share the reference, which is held fixed:
standard errors are those of drawing the generated samples again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from denoisebench.metrics.built_in import DENSITY_NEIGHBOURS, PRECISION_NEIGHBOURS
from denoisebench.metrics.estimate import Estimate, mean_estimate
from denoisebench.metrics.features.moments import check_same_dim, checked_features

_BLOCK = 2**22  # distances at once


@dataclass(frozen=True, eq=False)
class ManifoldReference:
    """Reference features [M, D] float64 with the squared reach of each, computed once."""

    features: Tensor

    @classmethod
    def from_features(cls, features: Tensor) -> "ManifoldReference":
        features = checked_features(features)
        if len(features) <= DENSITY_NEIGHBOURS:
            raise ValueError(
                f"coverage needs more than {DENSITY_NEIGHBOURS} reference samples, "
                f"got {len(features)}"
            )
        return cls(features)

    @cached_property
    def reaches(self) -> Tensor:
        """[M, DENSITY_NEIGHBOURS] squared distances to the nearest others, the nearest first."""
        return _neighbours(self.features, DENSITY_NEIGHBOURS)[0]


@dataclass(frozen=True, eq=False)
class ManifoldEstimates:
    """Fidelity: precision and density. Variety: recall and coverage."""

    precision: Estimate  # share of generated samples within reach of a reference sample
    recall: Estimate  # share of reference samples within reach of a generated sample
    density: Estimate  # reference samples in whose reach a generated one is, mean / k; 1 if perfect
    coverage: Estimate  # share of reference samples with a generated one in their reach


def manifold_estimates(
    features: Tensor, reference: Tensor | ManifoldReference, clusters: np.ndarray | None = None
) -> ManifoldEstimates:
    """All four of features [N, D]; k is 3 for precision and recall, 5 for density and coverage.

    Precision and density are means over generated samples, so their influence is exact. Recall and
    coverage are shares of the reference that depend on the generated samples as a set. Their
    influence is a jackknife: n - 1 times what the value loses when the sample is left out. With G
    clusters it is G - 1 times what it loses without the cluster. The value loses the reference
    samples that no other sample covers. Recall also gains: each sample that had the lost one among
    its k nearest then reaches to its next neighbour, and may cover a reference sample that was
    missed. Such standard errors are too large on average, not too small (Efron & Stein, 1981): in
    tests 1.1 to 2 times for a value, up to 3 times for a difference.
    """
    if isinstance(reference, Tensor):
        reference = ManifoldReference.from_features(reference)
    features = checked_features(features)
    check_same_dim(features.shape[1], reference.features.shape[1])
    if len(features) <= PRECISION_NEIGHBOURS:
        raise ValueError(
            f"recall needs more than {PRECISION_NEIGHBOURS} samples, got {len(features)}"
        )
    units = (
        np.arange(len(features))
        if clusters is None
        else np.unique(clusters, return_inverse=True)[1]
    )
    balls = _balls(features, units)
    return _all_four(features, reference, torch.from_numpy(units), balls=balls, clusters=clusters)


@dataclass(frozen=True, eq=False)
class _Balls:
    """Squared reach of generated samples, and what it becomes without one of their neighbours."""

    reach: Tensor  # [n]
    left_out: Tensor  # [n, k] units of the k nearest neighbours
    then: Tensor  # [n, k] the reach without that unit; -1 where it is the sample's own


def _balls(features: Tensor, units: np.ndarray) -> _Balls:
    k, unit_of = PRECISION_NEIGHBOURS, torch.from_numpy(units)
    most = min(len(features) - 1, k + int(np.bincount(units).max()))
    distances, indices = _neighbours(features, most)
    around = unit_of[indices]  # [n, most] units of the neighbours
    left_out = around[:, :k]
    remaining = [
        torch.where(around != unit[:, None], distances, torch.inf).sort(1).values[:, k - 1]
        for unit in left_out.T
    ]
    then = torch.stack(remaining, 1)
    then = torch.where(left_out == unit_of[:, None], -1, then)
    return _Balls(distances[:, k - 1], left_out, then)


def _all_four(
    features: Tensor,
    reference: ManifoldReference,
    units: Tensor,
    *,
    balls: _Balls,
    clusters: np.ndarray | None,
) -> ManifoldEstimates:
    near = reference.reaches[:, PRECISION_NEIGHBOURS - 1]
    far = reference.reaches[:, DENSITY_NEIGHBOURS - 1]
    covered, recalled = (_Coverers(len(near)) for _ in range(2))
    precise, dense, shells = [], [], []
    for rows, distances in _blocks(features, reference.features):
        precise.append((distances <= near).any(1))
        within = distances <= far
        dense.append(within.sum(1).double() / DENSITY_NEIGHBOURS)
        covered.add(within, units[rows])
        reach = balls.reach[rows][:, None]
        recalled.add(distances <= reach, units[rows])
        widest = balls.then[rows].amax(1, keepdim=True)
        sample, place = ((distances > reach) & (distances <= widest)).nonzero(as_tuple=True)
        shells.append((sample + rows.start, place, distances[sample, place]))
    samples, places, far_off = map(torch.cat, zip(*shells, strict=True))
    gains = _gains(balls, recalled, samples, places=places, distances=far_off)
    return ManifoldEstimates(
        mean_estimate(torch.cat(precise).numpy(), clusters),
        _jackknife(recalled, gains, units, clusters=clusters),
        mean_estimate(torch.cat(dense).numpy(), clusters),
        _jackknife(covered, gains[:0], units, clusters=clusters),
    )


class _Coverers:
    """The least and the greatest unit that covers each reference sample."""

    def __init__(self, count: int):
        self.least = torch.full((count,), torch.iinfo(torch.int64).max)
        self.greatest = torch.full((count,), -1)

    def add(self, covers: Tensor, units: Tensor) -> None:
        """Notes which samples [n] of which units [n] cover which reference samples: [n, M] bool."""
        places, samples = covers.T.nonzero(as_tuple=True)
        self.least.scatter_reduce_(0, places, units[samples], "amin")
        self.greatest.scatter_reduce_(0, places, units[samples], "amax")

    @property
    def missed(self) -> Tensor:
        return self.greatest < 0

    @property
    def by_one(self) -> Tensor:
        return self.least == self.greatest


def _gains(
    balls: _Balls, recalled: _Coverers, samples: Tensor, *, places: Tensor, distances: Tensor
) -> Tensor:
    """Pairs [P, 2] of a unit and a reference sample that wider balls cover when it is left out.

    Reference samples that several units cover stay covered: they are in no pair.
    """
    unit = balls.left_out[samples]  # [S, k]
    alone = recalled.by_one[places][:, None] & (recalled.least[places][:, None] == unit)
    uncovered = alone | recalled.missed[places][:, None]
    chosen = uncovered & (balls.then[samples] >= distances[:, None])
    pairs = torch.stack([unit, places[:, None].expand_as(unit)], -1)[chosen]
    distinct: Tensor = torch.unique(pairs, dim=0)
    return distinct


def _jackknife(
    coverers: _Coverers, gains: Tensor, units: Tensor, *, clusters: np.ndarray | None
) -> Estimate:
    """The share that is covered, with the influence of each sample by leaving out its unit."""
    sizes = torch.bincount(units)
    losses = torch.bincount(coverers.least[coverers.by_one], minlength=len(sizes))
    losses -= torch.bincount(gains[:, 0], minlength=len(sizes))
    places = len(coverers.least)
    change = losses.double() / places
    of_unit = (len(sizes) - 1) * (change - change.mean())
    influence = of_unit[units] * len(units) / len(sizes) / sizes[units]
    value = 1 - float(coverers.missed.double().mean())
    return Estimate(value, influence.numpy(), clusters)


def _neighbours(features: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Squared distances and indices, each [N, count], of the nearest others, the nearest first."""
    # Made beforehand: kept block by block they would lie between freed blocks, see kernel.py.
    values = features.new_empty(len(features), count)
    indices = torch.empty(len(features), count, dtype=torch.int64)
    for rows, distances in _blocks(features, features):
        samples = torch.arange(rows.start, rows.stop)
        distances[samples - rows.start, samples] = torch.inf  # a sample is no neighbour of itself
        torch.topk(distances, count, largest=False, out=(values[rows], indices[rows]))
    return values, indices


def _blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Rows of x, block by block, and their squared distances [rows, M] to all y."""
    centre = y.mean(0)  # far from zero, differences would lose digits
    x, y = x - centre, y - centre
    lengths, size = y.square().sum(1), max(1, _BLOCK // len(y))
    for start in range(0, len(x), size):
        part = x[start : start + size]
        distances = (part @ y.T).mul_(-2).add_(lengths).add_(part.square().sum(1)[:, None])
        yield slice(start, start + len(part)), distances.clamp_(min=0)
