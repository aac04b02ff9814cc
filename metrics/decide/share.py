"""A share of samples held against a share that does not matter, exactly. NumPy only.

Of n samples k have a property, such as that an image moved. The bounds of their share in the long
run are those of Clopper & Pearson (1934), "The use of confidence or fiducial limits illustrated in
the case of the binomial".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from denoisebench.metrics.decide.further import Outlook, smallest
from denoisebench.metrics.decide.sequential import LEVEL, Reach
from denoisebench.metrics.decide.shape import wilson


@dataclass(frozen=True)
class Share:
    """k of n samples."""

    k: int
    n: int

    @property
    def value(self) -> float:
        return self.k / self.n

    def p_above(self, margin: float) -> float:
        """One-sided, of a share that is in truth no more than the margin."""
        return _Tails(self.k, self.n).at_least(margin)

    def bounds(self, level: float = LEVEL) -> tuple[float, float]:
        """The lower and the upper bound, each missed with a probability of at most `level`."""
        k, n, tails = self.k, self.n, _Tails(self.k, self.n)
        low = 0.0 if k == 0 else _crossing(lambda share: tails.at_least(share) > level)
        high = 1.0 if k == n else _crossing(lambda share: tails.at_most(share) <= level)
        return low, high

    def samples_to_decide(self, margin: float, reach: Reach) -> float:
        """Samples with which the share would probably be decided, those there are among them; see
        metrics/decide/further.py. The bounds of later are Wilson's, half a sample wider, which are
        nearly the exact ones; the error of today is that of Agresti & Coull (1998), which none of n
        has too."""
        share, nearer = self.value, (self.k + 2) / (self.n + 4)
        error = math.sqrt(nearer * (1 - nearer) / (self.n + 4))

        def outlook(samples: int) -> Outlook:
            multiple, half = reach(samples), 1 / (2 * samples)
            high, low = (wilson(share, samples, side * multiple) for side in (1, -1))
            se = math.sqrt(share * (1 - share) / samples)
            return Outlook(se, share - low + half, high - share + half)

        return smallest(share - margin, error, outlook, units=self.n, least=self.n)


class _Tails:
    """Probabilities of k of n or more, and of k of n or fewer, by the share in the long run."""

    def __init__(self, k: int, n: int):
        self._k, counts = k, range(n + 1)
        self._counts, self._rest = np.arange(n + 1), n - np.arange(n + 1)
        ways = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in counts]
        self._log_ways = np.array(ways)

    def at_least(self, share: float) -> float:
        return min(1.0, float(self._probabilities(share)[self._k :].sum()))

    def at_most(self, share: float) -> float:
        return min(1.0, float(self._probabilities(share)[: self._k + 1].sum()))

    def _probabilities(self, share: float) -> np.ndarray:
        """Probability of each count [n + 1]; share: strictly between 0 and 1."""
        log = self._counts * math.log(share) + self._rest * math.log1p(-share)
        probabilities: np.ndarray = np.exp(self._log_ways + log)
        return probabilities


def _crossing(is_beyond: Callable[[float], bool]) -> float:
    """The share from which on something is so, by halving to the last digits of a float."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if is_beyond(middle) else (middle, high)
    return (low + high) / 2
