"""Do Fréchet distances of simulated features hold? Part of `make coverage`.

Features are drawn from distributions whose distance to the reference is known exactly: mixtures of
prompts, and single distributions of several spectra and tails, up to the 2,048 dimensions of
Inception. A worse cell shares the noise of a perfect one: it is shifted and spreads less.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from denoisebench.bench.machine import environment
from denoisebench.metrics.estimate import Estimate, paired_difference
from denoisebench.metrics.features.frechet import frechet_distance, frechet_record
from denoisebench.metrics.features.moments import FeatureStats

SHIFT, SHRINK = 0.1, 0.9  # of the worse cell, in standard deviations
BETWEEN = 3.0  # variance of prompts' means; that within a prompt is 2.25 down to 0.25
# Prompts, times that each is drawn, dimensions. Drawn once, they stand for a population of prompts.
# 553 x 4 is GenEval's.
MIXTURES = (
    *((2, 50, 16), (2, 500, 16), (10, 7, 16), (10, 200, 16), (10, 500, 16), (40, 3, 16)),
    *((100, 3, 16), (553, 4, 16), (800, 2, 16), (1, 1000, 16), (800, 1, 16), (5000, 1, 16)),
    *((6, 100, 64), (64, 8, 64), (553, 4, 64), (1000, 1, 64), (13, 100, 128), (1280, 1, 128)),
)
SPECTRA: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # variances by number 1..D
    "1/k": lambda k: 1 / k,
    "exponential": lambda k: np.exp(-8 * k / len(k)),
    "flat": np.ones_like,
}
TAILS = ("normal", "exponential", "t5")
DIMENSIONS, PER_DIM = (64, 256), (1, 2, 3, 4, 8)
# Dimensions, samples a dimension, tails, share of the replications, which take a minute each.
LARGE = ((1280, 3, TAILS[:1], 0.25), (2048, 3, ("normal", "t5"), 0.1))


@dataclass(frozen=True)
class Design:
    """What is drawn, and what it is held against."""

    name: str
    reference: FeatureStats  # exact; that of the perfect cell
    worse: FeatureStats  # exact
    # Features [n, D] of a perfect and of a worse cell, and their prompts where these repeat.
    draw: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray | None]]


@dataclass(frozen=True)
class Row:
    """A design over all replications. Shares are nan where no interval is given."""

    design: str
    samples: int
    per_dim: float
    replications: int
    truth: float  # of the worse cell; that of the perfect one is 0
    perfect: float  # mean value of the perfect cell
    plain: float  # its mean plain distance
    infinity: float  # its mean FD∞
    covers: float  # share of 95 % intervals of values, of both cells, that hold the truth
    covers_without: float  # the same of intervals without the bias that may be left
    bias: float  # of the difference of both cells
    se: float  # of that difference, mean of those claimed
    difference_covers: float
    in_order: float  # share in which the worse cell is the worse one


def replicate(design: Design, repetitions: int) -> Row:
    """All estimates of a design, drawn anew each time."""
    truth, rng = frechet_distance(design.worse, design.reference), np.random.default_rng(0)
    perfect, worse = [], []
    for _ in range(repetitions):
        one, two, prompts = design.draw(rng)
        perfect.append(frechet_record(torch.from_numpy(one), design.reference, prompts))
        worse.append(frechet_record(torch.from_numpy(two), design.reference, prompts).estimate)
    own = [record.estimate for record in perfect]
    losses = [paired_difference(b, a) for a, b in zip(own, worse, strict=True)]
    truths = [0.0] * repetitions + [truth] * repetitions
    return Row(
        design=design.name,
        samples=own[0].samples,
        per_dim=own[0].samples / design.reference.dim,
        replications=repetitions,
        truth=truth,
        perfect=float(np.mean([estimate.value for estimate in own])),
        plain=float(np.mean([record.raw for record in perfect])),
        infinity=float(np.mean([record.infinity for record in perfect])),
        covers=_share([*own, *worse], truths),
        covers_without=_share([replace(e, left=0.0) for e in (*own, *worse)], truths),
        bias=float(np.mean([loss.value for loss in losses]) - truth),
        se=float(np.mean([loss.se for loss in losses])),
        difference_covers=_share(losses, truths[repetitions:]),
        in_order=float(np.mean([loss.value > 0 for loss in losses])),
    )


def _share(estimates: Sequence[Estimate], truths: Sequence[float]) -> float:
    """The share of estimates whose 95 % interval holds the truth; nan where there are none."""
    bounds = np.array([estimate.interval() for estimate in estimates])
    if not np.isfinite(bounds).all():
        return float("nan")
    return float(np.mean((bounds[:, 0] <= truths) & (truths <= bounds[:, 1])))


def mixture(prompts: int, times: int, dim: int) -> Design:
    """Prompts, each a Gaussian. Drawn once they are drawn anew each time."""
    scale, fixed = np.linspace(1.5, 0.5, dim), np.random.default_rng(prompts)
    means = fixed.normal(size=(prompts, dim)) * BETWEEN**0.5
    clusters = np.tile(np.arange(prompts), times)
    once = times == 1
    middle = np.zeros(dim) if once else means.mean(0)
    between = BETWEEN * np.eye(dim) if once else np.cov(means.T, bias=True).reshape(dim, dim)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        own = rng.normal(size=means.shape) * BETWEEN**0.5 if once else means
        noise = rng.normal(size=(len(clusters), dim)) * scale
        worse = SHRINK * noise + SHIFT
        return own[clusters] + noise, own[clusters] + worse, None if once else clusters

    exact = FeatureStats.from_moments
    return Design(
        f"{prompts} prompts x {times}, d = {dim}",
        exact(middle, between + np.diag(scale**2)),
        exact(middle + SHIFT, between + SHRINK**2 * np.diag(scale**2)),
        draw,
    )


def spectrum(name: str, tails: str, dim: int, *, per_dim: float) -> Design:
    """Independent samples; t5 is the multivariate Student's t with 5 degrees of freedom."""
    variances, samples = SPECTRA[name](np.arange(1.0, dim + 1)), round(per_dim * dim)

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, None]:
        noise = _standard(tails, (samples, dim), rng)
        return noise * variances**0.5, (SHRINK * noise + SHIFT) * variances**0.5, None

    exact = FeatureStats.from_moments
    return Design(
        f"{name} spectrum, {tails}, d = {dim}",
        exact(np.zeros(dim), np.diag(variances)),
        exact(SHIFT * variances**0.5, SHRINK**2 * np.diag(variances)),
        draw,
    )


def _standard(tails: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draws of mean 0 and variance 1."""
    if tails == "exponential":
        return rng.exponential(size=shape) - 1
    normal = rng.normal(size=shape)
    return normal * np.sqrt(3 / rng.chisquare(5, (shape[0], 1))) if tails == "t5" else normal


def designs() -> Iterator[tuple[Design, float]]:
    """All, with the share of the replications that each takes."""
    for prompts, times, dim in MIXTURES:
        yield mixture(prompts, times, dim), 1.0 if prompts * times * dim < 50_000 else 0.5
    for dim in DIMENSIONS:
        for per_dim in PER_DIM:
            for name in SPECTRA:
                for tails in TAILS if per_dim >= 3 else TAILS[:1]:
                    share = 0.5 if dim <= 64 else 0.1
                    yield spectrum(name, tails, dim, per_dim=per_dim), share
    for dim, per_dim, all_tails, share in LARGE:
        for tails in all_tails:
            for name in SPECTRA if tails == "normal" else ("1/k",):
                yield spectrum(name, tails, dim, per_dim=per_dim), share


HEADER = """\
| design | n | n / d | perfect: plain | debiased | FD∞ | values covered | without what is left \
| worse: truth | difference: bias | claimed se | covered | in order |
|---|---|---|---|---|---|---|---|---|---|---|---|---|"""


def line(row: Row) -> str:
    """A row of the table under HEADER."""
    shares = [row.covers, row.covers_without, row.difference_covers, row.in_order]
    values, without, difference, order = (
        "none" if np.isnan(share) else f"{100 * share:.0f} %" for share in shares
    )
    numbers = [row.plain, row.perfect, row.infinity, row.truth, row.bias, row.se]
    plain, perfect, infinity, truth, bias, se = (f"{number:.3g}" for number in numbers)
    cells = (row.design, f"{row.samples:,}", f"{row.per_dim:.3g}", plain, perfect, infinity)
    return f"| {' | '.join([*cells, values, without, truth, bias, se, difference, order])} |"


def main(file: Path, repetitions: int) -> None:
    """repetitions: of the smallest designs; each has two at least."""
    rows = []
    print(HEADER)
    for design, share in designs():
        rows.append(replicate(design, max(2, round(share * repetitions))))
        print(line(rows[-1]), flush=True)
    record = {"environment": environment(), "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
