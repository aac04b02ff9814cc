"""What more samples bring where prompts repeat. NumPy only.

The variance of a mean over G prompts of n samples is B/G + w/n: B between prompts, w within them.
More samples of the same prompts take off the second part alone.
"""

import math

import numpy as np

from denoisebench.metrics.estimate import Estimate


def units_at(estimate: Estimate, samples: int, prompts: int | None) -> float:
    """Independent units that so many samples will have, as many a sample as today.

    prompts: different ones that there are among the samples; None: all differ."""
    later = len(estimate.units) * samples / estimate.samples
    return later if estimate.clusters is None else min(later, prompts or math.inf)


def error_left(estimate: Estimate, samples: int, prompts: int | None) -> float:
    """The standard error of so many samples as a share of today's.

    Without clusters it is that of fresh samples: whether they repeat is not seen yet."""
    units, later = len(estimate.units), units_at(estimate, samples, prompts)
    within = _share_within(estimate)
    fresh = estimate.samples / samples
    return math.sqrt((1 - within) * units / later + within * fresh)


def _share_within(estimate: Estimate) -> float:
    """The part of the variance that is within prompts; 0 where no prompt has two samples."""
    n, units, variance = estimate.samples, len(estimate.units), estimate.se**2
    if estimate.clusters is None or units == n or not variance > 0:
        return 0.0
    means = np.bincount(estimate.clusters, estimate.influence) / np.bincount(estimate.clusters)
    within = np.square(estimate.influence - means[estimate.clusters]).sum() / (n - units)
    return float(min(1.0, within / n / variance))


def goes_round(clusters: np.ndarray | None) -> bool:
    """Whether samples go round a set of prompts, so that further ones only repeat them.

    Prompts that are drawn at random may repeat too, but not all in the order that they came in."""
    if clusters is None:
        return False
    # A single repetition at the end is chance, unless all before it differ.
    starts = [
        start
        for start in np.flatnonzero(clusters == clusters[0])[1:]
        if start < len(clusters) - 1 or len(np.unique(clusters[:start])) == start
    ]
    return any(np.array_equal(clusters[start:], clusters[:-start]) for start in starts)
