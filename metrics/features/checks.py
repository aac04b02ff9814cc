"""Checks of features that all their metrics share."""

from torch import Tensor


def checked_features(features: Tensor) -> Tensor:
    """Features [N, D] as float64 on the CPU. Raises ValueError when they are no finite matrix."""
    if features.ndim != 2:
        raise ValueError(f"features must be [samples, dimensions], got {tuple(features.shape)}")
    bad = (~features.isfinite()).any(1).nonzero().flatten()
    if len(bad):
        raise ValueError(f"features of {len(bad)} samples are not finite, first {int(bad[0])}")
    return features.detach().cpu().double()


def check_same_dim(generated: int, reference: int) -> None:
    """Raises ValueError when generated and reference features have different dimensions."""
    if generated != reference:
        raise ValueError(f"{generated}-dimensional features cannot meet {reference}-dimensional")
