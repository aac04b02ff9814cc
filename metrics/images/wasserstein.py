"""How far the distribution of a number per sample is from that of a reference. NumPy only."""

import numpy as np

from denoisebench.metrics.estimate import Estimate


def wasserstein_estimate(
    generated: np.ndarray, reference: np.ndarray, clusters: np.ndarray | None = None
) -> Estimate:
    """The 1-Wasserstein distance of values [n] to those of the reference [m], which is held fixed.

    It is the integral of |F - G|, F and G being the two distribution functions. A sample's
    influence is the integral of sign(F - G) from its own value upwards, centred: the first order of
    the distance wherever F and G differ. Where they are the same, see wasserstein_floor.
    """
    places = np.sort(np.concatenate([generated, reference]))
    excess = _below(generated, places[:-1]) - _below(reference, places[:-1])
    widths = np.diff(places)
    onwards = np.append(np.cumsum((np.sign(excess) * widths)[::-1])[::-1], 0.0)
    parts = onwards[np.searchsorted(places, generated)]
    value = float(np.sum(np.abs(excess) * widths))
    return Estimate(value, parts - parts.mean(), clusters)


def wasserstein_floor(reference: np.ndarray, samples: int) -> float:
    """The mean distance of that many samples of the reference's own distribution, to first order:
    F - G is then normal with variance G (1 - G) / n at each place."""
    places = np.sort(reference)
    share = _below(reference, places[:-1])
    spread = np.sum(np.sqrt(share * (1 - share)) * np.diff(places))
    return float(np.sqrt(2 / np.pi / samples) * spread)


def _below(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The empirical distribution function of values at places."""
    return np.searchsorted(np.sort(values), places, side="right") / len(values)
