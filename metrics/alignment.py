"""How well images follow their prompts, from cosines of embedded images and texts. NumPy only."""

import numpy as np

from metrics.estimate import Estimate, mean_estimate


def clip_score_estimate(cosines: np.ndarray, clusters: np.ndarray | None = None) -> Estimate:
    """100 x the mean cosine of image and prompt embeddings, cosines [N] (Hessel et al., 2021).

    Neither samples nor mean are clamped: a clamp would hide how bad a cell is, and has no
    derivative. torchmetrics clamps the mean at 0; Hessel et al. clamp samples and scale by 2.5.
    clusters [N] numbers the prompts of the samples where some repeat, see Estimate.
    """
    cosines = np.asarray(cosines, np.float64)
    if cosines.ndim != 1 or len(cosines) == 0:
        raise ValueError(f"cosines must be a non-empty vector, got shape {cosines.shape}")
    broken = int(np.sum(~np.isfinite(cosines)))
    if broken:
        raise ValueError(f"{broken} of {len(cosines)} cosines are not finite")
    return mean_estimate(100 * cosines, clusters)
