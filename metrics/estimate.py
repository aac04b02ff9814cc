"""A metric is an estimate: a value with a standard error, from each sample's part, how both are
written, and Student's distribution, which its intervals are of. NumPy only."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist

import numpy as np

ROUNDED = 1e-6  # relative to the largest influence: single precision
MISSING = "\N{EN DASH}"  # shown for nan
_MOST_PLACES = 9  # decimals: smaller errors are those of rounding


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value with the first-order influence of every sample (Hampel, 1974).

    influence has mean zero. Where samples are alike, as those of one prompt are, clusters numbers
    their groups 0..G-1: the clusters are the independent units, and the error is that of fewer
    samples than n, of other prompts. An estimate that is of the prompts at hand has
    influences within prompts and no clusters.
    """

    value: float
    influence: np.ndarray  # [n] float64
    clusters: np.ndarray | None = None  # [n] int; None: all samples are independent
    # By number of samples: estimates from that many first samples alone, where they were made too.
    nested: Mapping[int, "Estimate"] = field(default_factory=dict)
    # How far the value may be biased at most, to either side, with the sign of the bias that was
    # taken out. Biases of two values go the same way by it, so that their difference has the
    # difference of both left, which is the sum where the signs differ. nan: unknown. inf: so
    # large that the influences are not known either, and no difference but that of equal samples.
    left: float = 0.0

    @property
    def samples(self) -> int:
        return len(self.influence)

    @property
    def units(self) -> np.ndarray:
        """Influence of each independent unit; the value's error is that of their mean.

        The influence of a cluster is the sum over its samples times G/n (Liang & Zeger, 1986).
        """
        if self.clusters is None:
            return self.influence
        sums = np.bincount(self.clusters, self.influence)
        return sums * len(sums) / self.samples

    @property
    def se(self) -> float:
        """Standard error; nan for fewer than two independent units, and where left is infinite
        unless all influences are 0."""
        units = self.units
        if math.isinf(self.left) and self.influence.any():
            return math.nan
        return (
            float(np.std(units, ddof=1) / np.sqrt(len(units))) if len(units) > 1 else float("nan")
        )

    @property
    def own_se(self) -> float:
        """Standard error to show beside the value; nan where its bias is unknown."""
        return self.se if math.isfinite(self.left) else math.nan

    def __str__(self) -> str:
        return plus_minus(self.value, self.own_se)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval by Student's distribution, which holds the bias that may be left too;
        nan where that is unknown.

        It has one degree of freedom fewer than there are units: of few clusters the standard error
        is itself an estimate."""
        multiple = students_quantile(0.5 + level / 2, max(1, len(self.units) - 1))
        reach = multiple * self.se + abs(self.left)
        return self.value - reach, self.value + reach


def plus_minus(value: float, error: float) -> str:
    """`43.5 ± 1.2`, `1,240 ± 120`: two significant digits of the error, and the value rounded where
    they end. An error that is not known is left out."""
    places = places_of(error)
    shown = number(value, places)
    return f"{shown} ± {number(error, places)}" if math.isfinite(error) else shown


def places_of(error: float) -> int:
    """Decimals that an error has to two significant digits: 1 for 1.2, -1 for 120, at most 9.

    2 for one that is not known, or is 0."""
    if not (math.isfinite(error) and error > 0):
        return 2
    exponent = int(f"{error:.1e}".rpartition("e")[2])  # of 0.0996, which is 0.10, -1
    return min(1 - exponent, _MOST_PLACES)


def number(value: float, places: int) -> str:
    """A number to so many decimals, to whole tens for -1; a dash for what is none."""
    if not math.isfinite(value):
        return MISSING
    text = f"{round(value, places) + 0.0:,.{max(places, 0)}f}"  # no minus before 0
    return text.replace("-", "\N{MINUS SIGN}")


def mean_estimate(values: np.ndarray, clusters: np.ndarray | None = None) -> Estimate:
    """The mean of per-sample values [n]."""
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    return Estimate(mean, values - mean, clusters)


def paired_difference(a: Estimate, b: Estimate) -> Estimate:
    """a - b, where sample i of both had the same prompt, or the same prompt and noise.

    The error is that of the differences themselves, sample by sample, so it holds whatever the
    samples share: the more, the smaller it is. With independent noise they share what is hard or
    easy about a prompt, and without prompts nothing, which is the error of two unpaired sides.

    When one has more samples, nested estimates of the same number of samples are compared, the most
    that both have: all samples are paired. Where there are none, the influences of the m samples
    of the smaller are scaled by n/m and are 0 from m to n: its value is to first order the mean of
    either. The samples that only one side has add their own variance, and nothing is paired with
    them. Raises ValueError when the smaller is not clustered as the first samples of the larger.
    """
    a, b = _in_common(a, b)
    n = max(a.samples, b.samples)
    left = math.inf if math.isinf(a.left) or math.isinf(b.left) else a.left - b.left
    if math.isinf(left) and are_equal(a, b):
        return Estimate(0.0, np.zeros(n), a.clusters)
    larger, smaller = (a, b) if a.samples == n else (b, a)
    if not _same_groups(larger, smaller):
        raise ValueError("cannot pair samples of different clusters")
    return Estimate(
        a.value - b.value,
        _stretched(a, n) - _stretched(b, n),
        clusters=larger.clusters,
        left=left,
    )


def are_equal(a: Estimate, b: Estimate) -> bool:
    """Whether both are of equal images: the influences may be rounded, as packs keep them."""
    return a.value == b.value and _move_alike(a, b)


def _move_alike(a: Estimate, b: Estimate) -> bool:
    if a.samples != b.samples:
        return False
    largest = np.abs(a.influence).max(initial=0)
    return bool(np.abs(a.influence - b.influence).max(initial=0) <= ROUNDED * largest)


def are_bound(a: Estimate, b: Estimate) -> bool:
    """Whether all samples differ by one number, which is no matter of chance: hardly two samples of
    one side are alike, as they often are by a metric that counts."""
    if a is b:
        return True
    return _move_alike(a, b) and 10 * len(np.unique(a.influence)) > 9 * a.samples


def _in_common(a: Estimate, b: Estimate) -> tuple[Estimate, Estimate]:
    """Both from the largest number of samples that both have an estimate of; as they are if there
    is none."""
    of_a, of_b = ({**estimate.nested, estimate.samples: estimate} for estimate in (a, b))
    shared = of_a.keys() & of_b.keys()
    return (of_a[max(shared)], of_b[max(shared)]) if shared else (a, b)


def _stretched(estimate: Estimate, n: int) -> np.ndarray:
    """Influence [n] of an estimate, scaled, with 0 for the samples that it has not."""
    scaled = estimate.influence * (n / estimate.samples)
    return np.pad(scaled, (0, n - estimate.samples))


def of_same_samples(a: Estimate, b: Estimate) -> bool:
    """Whether both have as many samples, clustered alike: then their influences can be added."""
    return a.samples == b.samples and _same_groups(a, b)


def _same_groups(larger: Estimate, smaller: Estimate) -> bool:
    """Whether the first samples of the larger are clustered as those of the smaller.

    Cells of one sweep are compared by the thousand and usually have the same numbers. This is asked
    first: building the sets takes twenty times as long as all else about a pair.
    """
    if larger.clusters is None and smaller.clusters is None:
        return True
    a, b = _numbers(larger)[: smaller.samples], _numbers(smaller)
    if np.array_equal(a, b):
        return True
    pairs = len(set(zip(a.tolist(), b.tolist(), strict=True)))
    return pairs == len(set(a.tolist())) == len(set(b.tolist()))


def _numbers(estimate: Estimate) -> np.ndarray:
    return np.arange(estimate.samples) if estimate.clusters is None else estimate.clusters


def clusters_of(names: Sequence[str]) -> np.ndarray | None:
    """Numbers [n], the same for equal names; None when all differ."""
    distinct, clusters = np.unique(np.array(names), return_inverse=True)
    return None if len(distinct) == len(names) else clusters


def students_tail(t: float, freedom: float) -> float:
    """Probability of a value above t; freedom is a whole number, or infinite for the normal.

    A finite series (Abramowitz & Stegun, 1964, 26.7.3 and 26.7.4). Below about 1e-16 it is 0.
    """
    if math.isinf(freedom) or math.isinf(t):
        return NormalDist().cdf(-t)
    within = _within(abs(t), int(freedom)) / 2
    return max(0.0, 0.5 - within) if t > 0 else 0.5 + within


@lru_cache(maxsize=4096)  # cells are compared by the thousand, all at one size and level
def students_quantile(p: float, freedom: float) -> float:
    """The number that a value is below with probability p, 1/2 <= p < 1."""
    low, high = 0.0, NormalDist().inv_cdf(p)
    if math.isinf(freedom):
        return high
    while students_tail(high, freedom) > 1 - p:
        low, high = high, 2 * high + 1
    for _ in range(60):  # to the last digits of a float
        middle = (low + high) / 2
        low, high = (middle, high) if students_tail(middle, freedom) > 1 - p else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """Probability of a value between -t and t."""
    angle = math.atan2(t, math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k - 1) / k
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
