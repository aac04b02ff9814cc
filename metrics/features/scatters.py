"""The distances of a Fréchet record from the scatters of its parts, where samples are many.

Halves of several splits and quarters cut the samples into groups. The scatter of each group is made
once, and that of a part is a sum of them. The influence of a sample is a quadratic form, and the
forms of all the parts that it is in are added before it is evaluated. So samples are multiplied by
matrices three times, however many parts there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_SMALL = (
    1e-13  # of the largest eigenvalue: below, too few of its digits are left to divide by its root
)
_MANY = 2**17  # numbers of all samples, from which groups save more than they cost
_EVEN = 1e-12  # relative: weights that differ by less are equal


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the samples, weighted so that each stratum has its share in the whole."""

    rows: np.ndarray  # [n] in order
    weights: np.ndarray  # [n], sum 1
    inverse: float  # sum of the squared weights of its units: 1 / units where they are equal

    @property
    def is_even(self) -> bool:
        return bool(np.ptp(self.weights) <= _EVEN * self.weights[0])


@dataclass(frozen=True, eq=False)
class Whole:
    """All samples about their mean μ, beside a reference with mean μr and covariance Σr."""

    centred: Tensor  # [n, D] zᵢ = xᵢ - μ
    scaled: Tensor  # [n, D] yᵢ = zᵢᵀ Σr^½
    shift: Tensor  # [D] μ - μr
    variance: Tensor  # Tr Σr


@dataclass(frozen=True, eq=False)
class Distances:
    """Plain distances of the whole and of its parts, see frechet_record."""

    value: float
    half: float  # mean over the halves of all splits
    quarter: float  # mean over quarters; nan without any
    influence: np.ndarray  # [n] of the debiased distance, but for a constant of each stratum


def by_scatters(
    whole: Whole, halves: Sequence[Part], quarters: Sequence[Part], *, weight: float, strata: int
) -> Distances | None:
    """The distances, and the influences of (1 + weight) whole - weight mean of halves.

    strata: how many have their share of the samples fixed. None where that takes decompositions of
    the samples themselves: parts with fewer samples than dimensions or with uneven weights, and
    features of which some combination hardly varies. None, too, of so few that it takes longer.
    """
    count, dim = whole.centred.shape
    parts = [Part(np.arange(count), np.full(count, 1 / count), 1 / count), *halves, *quarters]
    if count * dim < _MANY:
        return None
    if min(len(part.rows) for part in parts) < dim or not all(part.is_even for part in parts):
        return None
    if strata > 1 and len({len(half.rows) for half in halves}) > 1:
        return None  # a constant of each stratum would not be the same in all of its samples
    groups = [*_groups(count, parts)]
    fits = [*_fits(whole, groups, parts)]
    formed = [_Form.of(fit) for fit in fits[: 1 + len(halves)]]
    forms = [form for form in formed if form]
    if len(forms) < len(formed):
        return None
    values = [form.fit.value(form.roots.sum(), whole) for form in forms]
    of_quarters = [fit.value(_cross(fit), whole) for fit in fits[len(forms) :]]
    shares = [count * part.weights[0] / len(halves) for part in halves]
    scales = [1 + weight, *(-weight * share for share in shares)]
    influence = np.empty(count)
    for rows, members in groups:
        mine = [(scales[p], forms[p]) for p in members if p < len(forms)]
        influence[rows] = _influence(whole, torch.from_numpy(rows), mine)
    return Distances(
        values[0],
        float(np.mean(values[1:])),
        float(np.mean(of_quarters or [np.nan])),
        influence,
    )


def _groups(count: int, parts: Sequence[Part]) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Rows that are in the same parts, and numbers of these."""
    code = np.zeros(count, np.int64)
    for p, part in enumerate(parts):
        code[part.rows] |= 1 << p
    for one in np.unique(code):
        yield np.flatnonzero(code == one), [p for p in range(len(parts)) if one >> p & 1]


@dataclass(frozen=True, eq=False)
class _Fit:
    """The Gaussian of a part, with its weights w and c = 1 / (1 - w)."""

    mean: Tensor  # [D] of its zᵢ
    along: Tensor  # [D] of its yᵢ
    shift: Tensor  # [D] from the reference's mean to its own
    inner: Tensor  # [D, D] Σr^½ Σ Σr^½
    trace: Tensor  # Tr Σ
    growth: float  # c

    def value(self, cross: Tensor, whole: Whole) -> float:
        """The plain distance. cross: the sum of the roots of the eigenvalues of inner."""
        return float(self.shift.square().sum() + self.trace + whole.variance - 2 * cross)


def _fits(
    whole: Whole, groups: Sequence[tuple[np.ndarray, list[int]]], parts: Sequence[Part]
) -> Iterator[_Fit]:
    """That of each part, from sums over groups."""
    dim = whole.centred.shape[1]
    means, alongs = (torch.zeros(len(parts), dim).double() for _ in range(2))
    inners, squares = torch.zeros(len(parts), dim, dim).double(), torch.zeros(len(parts)).double()
    for rows, members in groups:
        z, y = (array[torch.from_numpy(rows)] for array in (whole.centred, whole.scaled))
        scatter, mean, along, square = y.T @ y, z.sum(0), y.sum(0), z.square().sum()
        for p in members:
            weight = float(parts[p].weights[0])
            means[p].add_(mean, alpha=weight)
            alongs[p].add_(along, alpha=weight)
            squares[p].add_(square, alpha=weight)
            inners[p].add_(scatter, alpha=weight)
    for p, part in enumerate(parts):
        mean, along, growth = means[p], alongs[p], 1 / (1 - float(part.weights[0]))
        inner = growth * inners[p].addr_(along, along, alpha=-1)
        trace = growth * (squares[p] - mean @ mean)
        yield _Fit(mean, along, whole.shift + mean, inner, trace, growth)


def _cross(fit: _Fit) -> Tensor:
    """No eigenvectors are needed, half of the work."""
    values: Tensor = torch.linalg.eigvalsh(fit.inner)
    return values.clamp(min=0).sqrt().sum()


@dataclass(frozen=True, eq=False)
class _Form:
    """The influence of a sample on the distance of a part that it is in,
        2 (zᵢ - m)ᵀ(μ - μr) + c |zᵢ - m|² - c (yᵢ - a)ᵀ M (yᵢ - a) - Tr((I - A)Σ),
    with the part's means m, a and μ, M = (Σr^½ Σ Σr^½)^(-½) and A = Σr^½ M Σr^½."""

    fit: _Fit
    roots: Tensor  # [D] of the eigenvalues of inner
    matrix: Tensor  # [D, D] M

    @classmethod
    def of(cls, fit: _Fit) -> "_Form | None":
        """None where an eigenvalue is too small to divide by its root."""
        values, vectors = torch.linalg.eigh(fit.inner)
        if not values[0] > _SMALL * values[-1]:
            return None
        roots = values.sqrt()
        return cls(fit, roots, (vectors / roots) @ vectors.T)

    @property
    def constant(self) -> Tensor:
        """What does not depend on the sample."""
        fit = self.fit
        of_means = fit.growth * (fit.mean @ fit.mean - fit.along @ self.matrix @ fit.along)
        constant: Tensor = of_means - 2 * fit.mean @ fit.shift - fit.trace + self.roots.sum()
        return constant


def _influence(whole: Whole, rows: Tensor, forms: Sequence[tuple[float, _Form]]) -> np.ndarray:
    """The sum of scaled influences [n] of samples that are in all of the parts."""
    z, y = whole.centred[rows], whole.scaled[rows]
    scaled = [(scale * form.fit.growth, scale, form) for scale, form in forms]
    matrix = _total([grown * form.matrix for grown, _, form in scaled])
    of_y = _total([2 * grown * form.matrix @ form.fit.along for grown, _, form in scaled])
    of_z = _total(
        [2 * scale * form.fit.shift - 2 * grown * form.fit.mean for grown, scale, form in scaled]
    )
    of_square = sum(grown for grown, _, _ in scaled)
    constant = _total([scale * form.constant for scale, form in forms])
    quadratic = (y @ matrix).mul_(y).sum(1)
    influence: np.ndarray = (
        of_square * z.square().sum(1) - quadratic + y @ of_y + z @ of_z + constant
    ).numpy()
    return influence


def _total(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack([*parts]).sum(0)
