"""Can a classifier tell two sets of samples apart? NumPy only.

A classifier two-sample test (Lopez-Paz & Oquab, ICLR 2017): trained on one half of both sets, it is
right about the other half more often than half the time if, and only if, it found a difference.
"""

from collections.abc import Callable

import numpy as np

from denoisebench.metrics.estimate import Estimate, mean_estimate

_RIDGE = 1e-2  # of the covariance of standardised columns, so that it can be inverted


def classifier_accuracy(
    first: np.ndarray, second: np.ndarray, clusters: np.ndarray | None = None
) -> Estimate:
    """How often samples are put into the right one of two sets [n, d], 1/2 when these are alike.

    Row i of both sets is a pair, of one prompt. A pair and all others of its cluster are either
    trained on or tested, so that knowing a prompt cannot help the classifier. The
    estimate is over the tested half, by pairs. There is one split: with folds, samples share the
    classifiers that test them, and standard errors come out too small (Bengio & Grandvalet, 2004).
    """
    units = np.arange(len(first)) if clusters is None else clusters
    trained = units % 2 == 0
    score = _discriminant(first[trained], second[trained])
    right = (_right(-score(first[~trained])) + _right(score(second[~trained]))) / 2
    return mean_estimate(right, None if clusters is None else clusters[~trained] // 2)


def _right(towards: np.ndarray) -> np.ndarray:
    """1 for scores above 0, 1/2 at 0, 0 below."""
    right: np.ndarray = (np.sign(towards) + 1) / 2
    return right


def _discriminant(first: np.ndarray, second: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Fisher's linear discriminant of columns and their squares, which show a change of spread;
    positive for what looks like the second set."""
    both = np.concatenate([first, second])
    centre, scale = both.mean(0), both.std(0)
    scale[scale == 0] = 1.0  # a constant column tells nothing

    def expanded(samples: np.ndarray) -> np.ndarray:
        standard = (samples - centre) / scale
        return np.concatenate([standard, standard**2], 1)

    a, b = expanded(first), expanded(second)
    middle = (a.mean(0) + b.mean(0)) / 2
    within = (np.cov(a.T) + np.cov(b.T)) / 2
    weights = np.linalg.solve(within + _RIDGE * np.eye(len(within)), b.mean(0) - a.mean(0))
    return lambda samples: (expanded(samples) - middle) @ weights
