"""How crisp an image is where it is crispest, how gritty off its edges, and whether smooth shades
fall into bands.

Pure functions of images [N, 3, H, W] uint8 to one number a sample, [N] float64.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from denoisebench.metrics.images.spectrum import ROUNDING, luma

_WINDOW = 8  # pixels
_CRISPEST = 0.9  # quantile over windows: most of a picture may be plain or out of focus
_STEEPEST = 16  # grey levels: a larger step is an edge, not a contour in a shade
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


def sharpness(images: Tensor) -> Tensor:
    """Energy of the luma's Laplacian in the window at the 90th percentile, in dB.

    The energy is the mean square over windows of 8 x 8 pixels (after Pech-Pacheco et al., 2000, who
    take the variance over the whole image). It is at least that of rounding.
    """
    window = min(_WINDOW, *images.shape[-2:])
    energy = F.avg_pool2d(_laplacian(luma(images)).square(), window)
    return _in_decibels(energy.flatten(1).quantile(_CRISPEST, dim=1))


def grain(images: Tensor) -> Tensor:
    """Energy of the luma's Laplacian off the edges of objects, in dB.

    Mean square over the half of the pixels where the image, smoothed, is least steep. The edge of
    an object stays steep when smoothed (binomial weights of five pixels, which leave a sixteenth of
    wavelengths of three pixels); grit and fine texture do not. So edges, which have power in all
    octaves, are not counted as grit. It is at least that of rounding.
    """
    plane = luma(images)
    steepness = _steepness(_smoothed(plane)).flatten(1)
    half = steepness.argsort(dim=1, stable=True)[:, : steepness.shape[1] // 2]
    energy = _laplacian(plane).square().flatten(1).gather(1, half).mean(1)
    return _in_decibels(energy)


def _laplacian(plane: Tensor) -> Tensor:
    """[N, 1, H, W] of a plane [N, H, W], which goes on beyond its border as it ends there."""
    kernel = torch.tensor(_LAPLACIAN, dtype=torch.float64, device=plane.device)
    bordered = F.pad(plane[:, None], (1, 1, 1, 1), mode="replicate")
    return F.conv2d(bordered, kernel[None, None])


def _in_decibels(energy: Tensor) -> Tensor:
    """Energy of a Laplacian in dB, at least that which rounding gives to a plain image."""
    floor = ROUNDING * sum(weight**2 for row in _LAPLACIAN for weight in row)
    return 10 * torch.log10(energy.clamp(min=floor))


def _smoothed(plane: Tensor) -> Tensor:
    """A plane [N, H, W] under binomial weights of five pixels, down and across."""
    weights = torch.tensor(_BINOMIAL, dtype=torch.float64, device=plane.device)
    bordered = F.pad(plane[:, None], (2, 2, 2, 2), mode="replicate")
    return F.conv2d(bordered, torch.outer(weights, weights)[None, None])[:, 0]


def _steepness(plane: Tensor) -> Tensor:
    """Squared gradient [N, H, W] by central differences."""
    bordered = F.pad(plane[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    down = bordered[:, 2:, 1:-1] - bordered[:, :-2, 1:-1]
    across = bordered[:, 1:-1, 2:] - bordered[:, 1:-1, :-2]
    return down.square() + across.square()


def banding(images: Tensor) -> Tensor:
    """Share, 0 to 1, of the gentle change in an image that happens in false contours; 0 if none.

    Gentle change is the sum of differences of at most 16 levels between neighbouring pixels, along
    rows and columns of each channel. A false contour is such a difference between two plateaus of
    three equal pixels each. Contours of a single level are not counted: eight bits cannot
    show a slow gradient without them.
    """
    change, banded = (sum(parts) for parts in zip(*map(_along, (images, images.mT)), strict=True))
    share: Tensor = banded / change.clamp(min=1)
    return share


def _along(images: Tensor) -> tuple[Tensor, Tensor]:
    """Gentle change along rows, and the part of it in false contours; each [N] float64."""
    steps = images.short().diff(dim=-1).abs()
    gentle = torch.where(steps <= _STEEPEST, steps, 0)
    level = F.pad(steps == 0, (2, 2))
    n = steps.shape[-1]
    before, after = (level[..., a : a + n] & level[..., a + 1 : a + 1 + n] for a in (0, 3))
    contours = torch.where(before & after & (gentle > 1), gentle, 0)
    return gentle.double().flatten(1).sum(1), contours.double().flatten(1).sum(1)
