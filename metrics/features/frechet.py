"""Fréchet distance between Gaussians fitted to two sets of features, with each sample's part in it.

Knows features only, neither the network that made them nor whether the distance may be called FID.
Float64 on the CPU throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.features.draws import Draws
from denoisebench.metrics.features.moments import FeatureStats, check_same_dim, checked_features
from denoisebench.metrics.features.scatters import Distances, Part, Whole, by_scatters
from denoisebench.metrics.specs import FEW_SAMPLES

SPLITS = 4  # into halves, for the bias
LARGE = 512  # dimensions, beyond which each split costs seconds
SPLITS_LARGE = 2  # there, see frechet_record
LEFT = 0.3  # of the bias that is taken out: at most as much is left from FEW_SAMPLES on
_SMALL = 1e-8  # of the largest eigenvalue: below, a root has lost half its digits


def frechet_distance(generated: FeatureStats, reference: FeatureStats) -> float:
    """Squared 2-Wasserstein distance between the fitted Gaussians (Dowson & Landau, 1982).

    Tr (Σr^½ Σ Σr^½)^½ is the sum of the singular values of Σ^½ Σr^½: no root of rounding noise.
    """
    check_same_dim(generated.dim, reference.dim)
    cross = torch.linalg.svdvals(generated.cov_root @ reference.cov_root).sum()
    shift = (generated.mean - reference.mean).square().sum()
    return float(shift + generated.cov.trace() + reference.cov.trace() - 2 * cross)


def frechet_estimate(
    features: Tensor,
    reference: FeatureStats,
    clusters: np.ndarray | None = None,
    *,
    debias: bool = True,
) -> Estimate:
    """The distance of features [N, D] to the reference, with the influence of every sample.

    By default the bias of few samples is taken out, see frechet_record; debias=False gives the
    plain distance, which publications report. clusters [N] numbers the prompts of samples where
    some repeat; Draws says what the distance is of then.
    """
    if debias:
        return frechet_record(features, reference, clusters).estimate
    value, influence = _Samples.of(features, reference).distance(reference)
    return Draws.of(len(influence), clusters).estimate(value, influence)


@dataclass(frozen=True, eq=False)
class FrechetRecord:
    """The debiased distance, with the plain one and FD∞ to compare it with."""

    estimate: Estimate  # debiased; it can be negative
    raw: float  # the plain distance of all samples, too high by about C/n
    infinity: float  # FD∞, by a parabola in 1/n; nan for fewer than 8 units, or 4 of a prompt


def frechet_record(
    features: Tensor, reference: FeatureStats, clusters: np.ndarray | None = None
) -> FrechetRecord:
    """Distances of features [N, D] to the reference: debiased by half-splits, plain, and FD∞.

    The plain distance is too high by about C/n, and C is smaller for samples that spread less: at
    small n a worse cell can look better. Halves are too high by 2 C/n, so
        2 FDₙ - mean FD of halves,   influence 2 IFᵢ - mean over splits of IFᵢ in its own half
    has no bias of this order (the jackknife of Quenouille, 1956, on halves). This costs about a
    tenth more variance. The halves of SPLITS splits are the same in all cells of equal n and do not
    depend on the features. Of more than LARGE dimensions there are SPLITS_LARGE: the error of
    a value near zero grows by a tenth then, that of a difference by a thousandth, since both cells
    are split alike (1,024 dimensions, n = 4 d, the spectra of benchmarks/simulated.py). Each half
    is drawn as the whole was, see Draws: half of the prompts where they stand for a population,
    else half of the samples of each prompt, weighted to its share. A mixture of prompts that
    differed between halves would count as bias. For fewer than 4 units there are no halves: the
    estimate is the plain distance.

    The next order of the bias is left. From FEW_SAMPLES units a dimension on it was measured to be
    within half of LEFT of what was taken out, to either side; with tails as those of Student's t
    with 5 degrees within 0.4, where errors are so much wider that intervals hold, too
    (benchmarks/simulated.py). That of a difference is within LEFT of the difference of both. Below,
    the value is nearer the truth than the plain one, but how near is unknown, and the error of a
    difference cannot be told either.

    FD∞ is the limit of a parabola through the mean distances of the whole, halves and quarters
    against 1/n, which takes out that order too. One split makes the quarters: they count a sixth of
    the halves there. The straight line of Chong & Forsyth (2020) is further off than the value.
    """
    samples = _Samples.of(features, reference)
    draws = Draws.of(samples.count, clusters)
    units = draws.count
    if units < 4:
        value, influence = samples.distance(reference)
        plain = draws.estimate(value, influence)
        plain = _known(plain, taken=float("nan"), ratio=units / reference.dim)
        return FrechetRecord(plain, value, float("nan"))
    has_limit = units >= 8 and _fewest(draws) >= 4
    halves = _parts(draws, 2, SPLITS if reference.dim <= LARGE else SPLITS_LARGE)
    quarters = _parts(draws, 4, 1) if has_limit else []
    inverse = float(np.mean([part.inverse for part in halves]))
    weight = (1 / units) / (inverse - 1 / units)  # 1 when the halves are equal
    strata = int(draws.strata.max()) + 1
    distances = by_scatters(
        samples.whole(reference), halves, quarters, weight=weight, strata=strata
    ) or _one_by_one(samples, reference, draws, halves=halves, quarters=quarters, weight=weight)
    taken = weight * (distances.half - distances.value)
    debiased = _known(
        draws.estimate(distances.value - taken, distances.influence),
        taken=taken,
        ratio=units / reference.dim,
    )
    points = [(1 / units, distances.value), (inverse, distances.half)]
    if not has_limit:
        return FrechetRecord(debiased, distances.value, float("nan"))
    points.append((float(np.mean([part.inverse for part in quarters])), distances.quarter))
    inverses, values = zip(*points, strict=True)
    return FrechetRecord(debiased, distances.value, float(np.polyfit(inverses, values, 2)[2]))


def _known(estimate: Estimate, *, taken: float, ratio: float) -> Estimate:
    """The estimate with what may be left of its bias, see frechet_record. taken: the bias that was
    taken out, with its sign: where two differ in it, a difference may be off by both together;
    ratio: units a dimension."""
    if ratio < FEW_SAMPLES:
        return replace(estimate, left=float("inf"))
    return replace(estimate, left=LEFT * taken)


def _fewest(draws: Draws) -> int:
    """Units of the smallest stratum."""
    return int(np.bincount(draws.strata[np.unique(draws.units, return_index=True)[1]]).min())


def _one_by_one(
    samples: "_Samples",
    reference: FeatureStats,
    draws: Draws,
    *,
    halves: Sequence[Part],
    quarters: Sequence[Part],
    weight: float,
) -> Distances:
    """The distances, each by decompositions of its own samples: of any number of them."""
    value, influence = samples.distance(reference)
    # What a prompt's samples share does not depend on their weights, which add up to its share.
    common = draws.means(influence)
    values, share = [], np.zeros(samples.count)
    for part in halves:
        of_part, of_half = samples.part(part).distance(reference)
        values.append(of_part)
        scale = samples.count * part.weights / len(halves)
        share[part.rows] += (of_half - common[part.rows]) * scale
    return Distances(
        value,
        float(np.mean(values)),
        float(np.mean([samples.part(part).value(reference) for part in quarters] or [np.nan])),
        influence + weight * (influence - share),
    )


def _parts(draws: Draws, pieces: int, times: int) -> list[Part]:
    return [Part(rows, *_shares(draws, rows)) for rows in splits(draws, pieces, times=times)]


def _shares(draws: Draws, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights of samples that give each stratum its share in the whole, and the sum of the squares
    of those of units."""
    strata = draws.strata[rows]
    shares = np.bincount(draws.strata) / len(draws.strata)
    weights = (shares / np.bincount(strata))[strata]
    sizes = np.bincount(strata[np.unique(draws.units[rows], return_index=True)[1]])
    return weights, float((shares**2 / sizes).sum())


def splits(draws: Draws, pieces: int, *, times: int) -> list[np.ndarray]:
    """Rows of each part; as often as asked, the units of each stratum are shuffled and cut up. What
    is over goes to another part in each stratum."""
    units, first = np.unique(draws.units, return_index=True)
    strata = draws.strata[first]
    generator = np.random.default_rng(len(units))
    parts = []
    for _ in range(times):
        order = generator.permutation(len(units))
        order = order[np.argsort(strata[order], kind="stable")]
        place = np.arange(len(units)) - np.searchsorted(strata[order], strata[order])
        size = np.bincount(strata)[strata[order]]
        piece = np.empty(len(units), int)
        piece[order] = ((place * pieces) // size + strata[order]) % pieces
        parts += [np.flatnonzero(np.isin(draws.units, units[piece == k])) for k in range(pieces)]
    return parts


@dataclass(frozen=True, eq=False)
class _Samples:
    """Features prepared for their distance to one reference; parts share the costly products."""

    weights: Tensor  # [n] wᵢ, sum 1
    centred: Tensor  # [n, D] zᵢ = xᵢ - μ
    shift: Tensor  # [D] μ - μr
    scaled: Tensor  # [n, D] zᵢᵀ Σr^½
    gram: Tensor | None  # [n, n] scaled scaledᵀ, where that is the smaller of the two products

    @classmethod
    def of(cls, features: Tensor, reference: FeatureStats) -> "_Samples":
        features = checked_features(features)
        count = len(features)
        check_same_dim(features.shape[1], reference.dim)
        if count < 2:
            raise ValueError(f"a Fréchet distance needs at least 2 samples, got {count}")
        mean = features.mean(0)
        centred = features - mean
        scaled = centred @ reference.cov_root
        gram = scaled @ scaled.T if count <= reference.dim else None
        weights = torch.full((count,), 1 / count, dtype=torch.float64)
        return cls(weights, centred, mean - reference.mean, scaled, gram)

    @property
    def count(self) -> int:
        return len(self.centred)

    def whole(self, reference: FeatureStats) -> Whole:
        return Whole(self.centred, self.scaled, self.shift, reference.variance)

    def part(self, part: Part) -> "_Samples":
        """Some of the samples, weighted, about their own mean."""
        rows, weights = part.rows, torch.from_numpy(part.weights)
        mean, scaled = weights @ self.centred[rows], self.scaled[rows]
        scaled = scaled - weights @ scaled
        gram = None
        if self.gram is not None:
            gram = self.gram[rows][:, rows]
            along = gram @ weights
            gram = gram - along - along[:, None] + weights @ along
        elif len(rows) <= scaled.shape[1]:
            gram = scaled @ scaled.T
        return _Samples(weights, self.centred[rows] - mean, self.shift + mean, scaled, gram)

    def distance(self, reference: FeatureStats) -> tuple[float, np.ndarray]:
        """The plain distance, and its derivative [n] by each sample's weight,
            2 zᵢᵀ(μ - μr) + c zᵢᵀ(I - A)zᵢ - Tr((I - A)Σ),   Σ = c Σᵢ wᵢ zᵢzᵢᵀ,
            A = Σr^½ (Σr^½ Σ Σr^½)^(-½) Σr^½   with the pseudo-inverse on the support,
        where c = 1 / (1 - Σᵢ wᵢ²), which is n/(n-1) for equal weights. With the rows
        √(c wᵢ) zᵢᵀ Σr^½ of a matrix U S Vᵀ, both parts of A are plain sums,
            Tr(AΣ) = Σₖ Sₖ,   zᵢᵀAzᵢ = Σₖ Uᵢₖ² Sₖ / (c wᵢ),
        so nothing is inverted, and n < D works. The standard error becomes too large by tens of
        per cent as n falls towards D. Where the distance is zero, none is defined.
        """
        factors = self.factors
        roots = factors.sqrt()[:, None]
        singular, share = _singular(self.scaled * roots, self._weighted_gram())
        spread = self.centred.square().sum(1) - share / factors  # zᵢᵀ(I - A)zᵢ
        trace = factors @ spread  # Tr((I - A)Σ) = Tr Σ - Tr (Σr^½ Σ Σr^½)^½
        growth = factors.sum()  # c, for the weights sum to 1
        influence = 2 * (self.centred @ self.shift) + growth * spread - trace
        # Tr Σ + Tr Σr - 2 Tr(…)^½ = (trace - cross) + Tr Σr
        value = self.shift.square().sum() + trace - singular.sum() + reference.variance
        return float(value), influence.numpy()

    def value(self, reference: FeatureStats) -> float:
        """The plain distance alone. No eigenvectors are needed, half of the work; the root of an
        eigenvalue that is zero but for rounding is 1e-8 of the largest, which is small enough for
        FD∞."""
        gram = self._weighted_gram()
        if gram is None:
            tall = self.scaled * self.factors.sqrt()[:, None]
            gram = tall.T @ tall
        cross = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().sum()
        trace = self.factors @ self.centred.square().sum(1)
        return float(self.shift.square().sum() + trace + reference.variance - 2 * cross)

    @property
    def factors(self) -> Tensor:
        """c wᵢ [n], by which samples count in Σ."""
        return self.weights / (1 - self.weights.square().sum())

    def _weighted_gram(self) -> Tensor | None:
        """[n, n], of the rows √(c wᵢ) zᵢᵀ Σr^½; None where n > D."""
        roots = self.factors.sqrt()
        return None if self.gram is None else self.gram * roots[:, None] * roots


def _singular(scaled: Tensor, gram: Tensor | None) -> tuple[Tensor, Tensor]:
    """Singular values S of W [n, D], and Σₖ Uᵢₖ² Sₖ [n], by the eigenvalues of W Wᵀ or WᵀW.

    That is five times as fast as the decomposition of W, but the root of a small eigenvalue is
    mostly rounding noise. So small eigenvalues are computed again within the span of their own
    vectors, where nothing large is left to round.
    """
    tall = scaled if gram is None else scaled.T
    values, vectors = torch.linalg.eigh(tall.T @ tall if gram is None else gram)
    small = values < _SMALL * values[-1]
    if small.any():
        rest = tall @ vectors[:, small]
        values[small], turn = torch.linalg.eigh(rest.T @ rest)
        vectors[:, small] = vectors[:, small] @ turn
    singular = values.clamp(min=0).sqrt()
    if gram is not None:
        return singular, vectors.square() @ singular
    inverse = torch.where(singular > 0, 1 / singular, 0)
    return singular, (tall @ vectors).square() @ inverse


def frechet_floor(reference: FeatureStats, samples: int) -> float:
    """The mean plain distance of samples of the reference's own Gaussian, to first order.

    The distance is biased upwards by C (1/n + 1/n_r), with the eigenvalues l of the covariance
        C = Σᵢ lᵢ + ½ Σᵢⱼ lᵢ lⱼ (1 + δᵢⱼ) / (lᵢ + lⱼ):
    the first sum is the sampling error of the mean, the second that of the covariance in the metric
    of Bures (its second-order expansion, with Var Σ̂ᵢⱼ of a Wishart matrix). At two samples per
    dimension the floor is some 5 % too small; below one, only its order of magnitude is right.
    """
    values = reference.eigen[0]
    values = values[values > 0]
    product, total = values.outer(values), values[:, None] + values
    spread = (product / total).sum() / 2 + values.sum() / 4
    return float((values.sum() + spread) * (1 / samples + 1 / reference.count))
