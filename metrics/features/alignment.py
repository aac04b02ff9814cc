"""How well images follow their prompts, from cosines of embedded images and texts. NumPy only."""

import numpy as np

from denoisebench.metrics.estimate import Estimate, mean_estimate

CLIP_S_WEIGHT = 2.5  # of Hessel et al. (2021), to bring the values near the range 0 to 1


def clip_score_estimate(cosines: np.ndarray, clusters: np.ndarray | None = None) -> Estimate:
    """100 x the mean cosine of image and prompt embeddings, cosines [N].

    Nothing is clamped: a clamp would hide how bad a cell is, and has no derivative. torchmetrics
    clamps the mean at 0; clip_s_estimate clamps samples.
    clusters [N] numbers the prompts of the samples where some repeat, see Estimate.
    """
    return mean_estimate(100 * _checked(cosines), clusters)


def clip_s_estimate(cosines: np.ndarray, clusters: np.ndarray | None = None) -> Estimate:
    """CLIP-S as its authors define it (Hessel et al., 2021): the mean of 2.5 max(cosine, 0)."""
    return mean_estimate(CLIP_S_WEIGHT * _checked(cosines).clip(min=0), clusters)


def _checked(cosines: np.ndarray) -> np.ndarray:
    cosines = np.asarray(cosines, np.float64)
    if cosines.ndim != 1 or len(cosines) == 0:
        raise ValueError(f"cosines must be a non-empty vector, got shape {cosines.shape}")
    broken = int(np.sum(~np.isfinite(cosines)))
    if broken:
        raise ValueError(f"{broken} of {len(cosines)} cosines are not finite")
    return cosines
