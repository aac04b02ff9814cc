"""How well images follow their prompts, from cosines of embedded images and texts. NumPy only."""

import numpy as np

from metrics.estimate import Estimate, mean_estimate


def clip_score_estimate(cosines: np.ndarray, clusters: np.ndarray | None = None) -> Estimate:
    """100 x the mean cosine of image and prompt embeddings, cosines [N] (Hessel et al., 2021).

    Neither samples nor mean are clamped: a clamp would hide how bad a cell is, and has no
    derivative. torchmetrics clamps the mean at 0; Hessel et al. clamp samples and scale by 2.5.
    clusters [N] names the prompt of each sample where prompts repeat, see clustered.
    """
    cosines = np.asarray(cosines, np.float64)
    if cosines.ndim != 1 or len(cosines) == 0:
        raise ValueError(f"cosines must be a non-empty vector, got shape {cosines.shape}")
    broken = int(np.sum(~np.isfinite(cosines)))
    if broken:
        raise ValueError(f"{broken} of {len(cosines)} cosines are not finite")
    estimate = mean_estimate(100 * cosines)
    return estimate if clusters is None else clustered(estimate, clusters)


def clustered(estimate: Estimate, clusters: np.ndarray) -> Estimate:
    """The same value with one influence per cluster, in sorted order of the clusters' names.

    Samples of one prompt are alike, so n of them are worth fewer: the clusters are the independent
    units, and the sum over a cluster is its influence (Liang & Zeger, 1986). Works for any metric.
    Raises ValueError when clusters is not one name per sample.
    """
    clusters = np.asarray(clusters)
    if clusters.shape != (estimate.samples,):
        raise ValueError(f"{clusters.shape} clusters for {estimate.samples} samples")
    names, index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(index, estimate.influence, len(names))
    return Estimate(estimate.value, sums * len(names) / estimate.samples)
