"""A metric is an estimate: a value, a standard error, each sample's part in it. NumPy only."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value with the first-order influence of every sample (Hampel, 1974).

    influence has mean zero, and the standard error is its standard deviation over sqrt(n).
    """

    value: float
    influence: np.ndarray  # [n] float64

    @property
    def samples(self) -> int:
        return len(self.influence)

    @property
    def se(self) -> float:
        """Standard error; nan for fewer than two samples."""
        if self.samples < 2:
            return float("nan")
        return float(np.std(self.influence, ddof=1) / np.sqrt(self.samples))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Normal confidence interval."""
        reach = NormalDist().inv_cdf(0.5 + level / 2) * self.se
        return self.value - reach, self.value + reach


def mean_estimate(values: np.ndarray) -> Estimate:
    """The mean of per-sample values [n]."""
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    return Estimate(mean, values - mean)


def paired_difference(a: Estimate, b: Estimate) -> Estimate:
    """a - b when sample i of both had the same prompt and noise.

    Raises ValueError when the numbers of samples differ.
    """
    if a.samples != b.samples:
        raise ValueError(f"cannot pair {a.samples} samples with {b.samples}")
    return Estimate(a.value - b.value, a.influence - b.influence)
