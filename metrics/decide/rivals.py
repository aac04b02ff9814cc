"""How all pairs of cells stand, found without judging every pair. NumPy only.

A choice holds each of n cells against every other one, but shows only the rival that each is
nearest to failing against; a front asks of each pair which of both is proven better. Bounds of all
n² losses follow from products of the matrix of influences with itself: with rows u and v of two
cells,

    Σ(u - v)² = Σu² - 2 Σuv + Σv²,   Σ(u - v)³ = Σu³ - 3 Σu²v + 3 Σuv² - Σv³.

Pairs for which that is not exact are told, to be judged one by one: of cells that are nearly equal,
and those that may have the same difference at half of their units.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from denoisebench.metrics.decide.sequential import Reach
from denoisebench.metrics.decide.shape import CAUTION, LEAN, LEAST_LEAN, hall
from denoisebench.metrics.estimate import ROUNDED, Estimate, students_quantile

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_BLOCK = 256  # cells at a time, so that memory does not grow with the square of their number
_NEARLY_EQUAL = 1e-6  # of the variance of both: below, the products have lost too many digits
_DRAWN, _ALIKE = 32, 3  # units looked at, of which so many have one difference where half of all do
_PASS, _UNDECIDED, _FAIL = range(3)  # ranks of outcomes, the worst last


@dataclass(frozen=True, eq=False)
class Held:
    """Cells by one metric, and what it asks of them. All have the same units."""

    units: Floats  # [C, N] influences of the cells as candidates, positive for a loss
    beside: Floats  # [C, N] the same of the cells as rivals, with the error of their margin
    losses: Floats  # [C] values, positive for a loss
    left: tuple[Floats, Floats]  # [C] of the bias, as candidates and as rivals
    margins: Floats  # [C] by rival
    is_decided: bool  # whether there are units enough to decide


class Judged(NamedTuple):
    """A block of cells [B] against all rivals [C] by one metric."""

    ranks: npt.NDArray[np.int64]  # [B, C] of outcomes
    beyond: Floats  # [B, C] how far the bound that decides lies beyond the margin
    losses: Floats  # [B, C] how far the loss as measured does
    unsure: Flags  # [B, C] pairs to be judged one by one


def worst_rivals(metrics: Sequence[Held], reach: Reach) -> Iterator[set[int]]:
    """Places of rivals, for each cell: among them is, by each metric, the one that it is nearest to
    failing against, or fails most."""
    cells = len(metrics[0].losses)
    for start in range(0, cells, _BLOCK):
        rows = slice(start, min(start + _BLOCK, cells))
        judged = [_block(held, rows, reach) for held in metrics]
        unsure = np.logical_or.reduce([of_metric.unsure for of_metric in judged])
        worst = np.stack([_worst(of_metric, unsure) for of_metric in judged], 1)
        for row in range(len(unsure)):
            yield {*np.flatnonzero(unsure[row]).tolist(), *worst[row].tolist()}


def proven_worse(held: Held, reach: Reach) -> tuple[Flags, Flags]:
    """[C, C] whether a cell is proven to lose more than its margin against a rival, and pairs of
    which that is to be judged one by one."""
    cells = len(held.losses)
    rows = [slice(start, min(start + _BLOCK, cells)) for start in range(0, cells, _BLOCK)]
    judged = [_block(held, block, reach) for block in rows]
    worse = np.concatenate([of_block.ranks == _FAIL for of_block in judged])
    return worse, np.concatenate([of_block.unsure for of_block in judged])


def are_alike(a: Estimate, b: Estimate) -> bool:
    """Whether both have the same samples, clustered by the same numbers, and finite influences."""
    if not np.isfinite(b.influence).all() or a.samples != b.samples or b.samples < 3:
        return False
    if a.clusters is None or b.clusters is None:
        return a.clusters is b.clusters
    return np.array_equal(a.clusters, b.clusters)


def _drawn(units: int) -> npt.NDArray[np.int64]:
    """Units among which ties are looked for: three in 32 differ alike where half of all do, but for
    one pair in ten million."""
    return np.random.default_rng(0).choice(units, min(units, _DRAWN), replace=False)


def _block(held: Held, rows: slice, reach: Reach) -> Judged:
    n = held.units.shape[1]
    loss = held.losses[rows, None] - held.losses
    variance, both, third = _moments(held, rows)
    with np.errstate(divide="ignore", invalid="ignore"):  # where pairs are equal or left is unknown
        left = np.abs(held.left[0][rows, None] - held.left[1])
        spread = np.sqrt(variance / (n - 1))
        lean = n * third / spread**3 / ((n - 1) * (n - 2)) / math.sqrt(n)
        below, above = (
            _distance(spread / math.sqrt(n), side * lean, n, reach=reach) for side in (-1, 1)
        )
    low, high = loss - below - left, loss + above + left
    ranks = np.select([high < held.margins, low > held.margins], [_PASS, _FAIL], _UNDECIDED)
    if not held.is_decided:
        ranks[:] = _UNDECIDED
    beyond = np.where(ranks == _FAIL, low, high) - held.margins
    equal = (variance <= _NEARLY_EQUAL * both) | (loss == 0)
    return Judged(ranks, beyond, loss - held.margins, equal | _may_be_tied(held, rows))


def _distance(se: Floats, lean: Floats, units: int, *, reach: Reach) -> Floats:
    """Distance of the upper bound from the mean, as Difference and Shape have it without ties."""
    students = students_quantile(NormalDist().cdf(reach(units)), max(1, units - 1))
    multiple = students * (1 + CAUTION / units)
    leaning = np.where(np.abs(lean) < LEAST_LEAN / LEAN, np.nan, LEAN * lean)
    bent: Floats = se * np.fmax(multiple, hall(multiple, leaning))
    return bent


def _moments(held: Held, rows: slice) -> tuple[Floats, Floats, Floats]:
    """Sums [B, C] of squared differences, of both sides' squares, and of cubed differences."""
    u, v = held.units[rows], held.beside
    squares, of_rivals = u**2, v**2
    both = squares.sum(1)[:, None] + of_rivals.sum(1)
    variance = np.maximum(both - 2 * u @ v.T, 0)
    cubes = (squares * u).sum(1)[:, None] - (of_rivals * v).sum(1)
    third = cubes - 3 * squares @ v.T + 3 * u @ of_rivals.T
    return variance, both, third


def _worst(judged: Judged, unsure: Flags) -> npt.NDArray[np.int64]:
    """The worst rival [B] of those that are sure. An unknown bound is worse than any other that is
    undecided; of several the one of the largest loss as measured."""
    ranks = np.where(unsure, -1, judged.ranks)
    is_worst = ranks == ranks.max(1, keepdims=True)
    beyond = np.where(is_worst, np.nan_to_num(judged.beyond, nan=np.inf), -np.inf)
    is_worst &= beyond == beyond.max(1, keepdims=True)
    worst: npt.NDArray[np.int64] = np.where(is_worst, judged.losses, -np.inf).argmax(1)
    return worst


def _may_be_tied(held: Held, rows: slice) -> Flags:
    """Whether so many of the units drawn have one difference that half of all may."""
    drawn = _drawn(held.units.shape[1])
    few = held.beside[:, drawn]
    spreads = np.ptp(held.units, axis=1), np.ptp(held.beside, axis=1)
    tied = []
    for u, spread in zip(held.units[rows][:, drawn], spreads[0][rows], strict=True):
        differences = np.sort(u - few, axis=1)
        rounding = 2 * ROUNDED * np.maximum(spread, spreads[1])[:, None]
        tied.append(
            (differences[:, _ALIKE - 1 :] - differences[:, : 1 - _ALIKE] <= rounding).any(1)
        )
    return np.array(tied)
