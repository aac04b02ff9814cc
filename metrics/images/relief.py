"""Numbers of height maps that are stored as grey levels: heights, slopes, and features of both.

Grey levels are those of the terrain model: 0 to 255 stand for u = 0 to 1, and a height is
0.1 sinh(u asinh(221.7)) metres, up to 22.17 (TerrainGenerator of adaptive-terrain-diffusion). A
level is 2 mm in the plain and 0.5 m at the top. Slopes are in metres a cell of the map.
"""

import math

import torch
from torch import Tensor

from denoisebench.metrics.built_in import octaves_of
from denoisebench.metrics.images.spectrum import octave_power

HIGHEST, LINEAR = 22.16864013671875, 0.1  # metres; below about LINEAR levels are evenly spaced
_SCALE = math.asinh(HIGHEST / LINEAR) / 255  # of a level
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the heights of a map
_LEVELS, _DECIBELS = 32, 3  # that make one unit of a feature: about what maps differ by


def relief_mean(images: Tensor) -> Tensor:
    """Mean height of maps [N, 3, H, W] uint8, [N] float64 in metres."""
    return _heights(images).mean((1, 2))


def relief_slope(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring heights in rows and columns, [N] in metres a cell.

    Rounding to grey levels hardly moves it: the mean distance of two rounded numbers is theirs.
    """
    steps = _steps(_heights(images))
    return torch.cat([step.abs() for step in steps], 1).mean(1)


def relief_roughness(images: Tensor) -> Tensor:
    """Root mean square difference of neighbouring heights, [N] in metres a cell.

    What rounding adds, a twelfth of a squared level for either neighbour, is taken out (Sheppard's
    correction); a map that is flatter than that has 0.
    """
    heights = _heights(images)
    level = _SCALE * LINEAR * torch.cosh(torch.asinh(heights / LINEAR))  # metres a level, there
    rounding = level.square() / 12
    steps = torch.cat([step.square() for step in _steps(heights)], 1)
    added = torch.cat([*_sums(rounding)], 1)
    return (steps - added).mean(1).clamp(min=0).sqrt()


def relief_features(images: Tensor) -> Tensor:
    """Features [N, 5 + octaves] of maps [N, 3, H, W] uint8: five quantiles of the grey levels, in
    units of 32, and the power of each octave, in units of 3 dB; 11 of maps of 128x128."""
    octaves = octaves_of(*images.shape[-2:])
    levels = images[:, 0].flatten(1).float()
    wanted = torch.tensor(_QUANTILES, device=images.device)
    quantiles = levels.quantile(wanted, dim=1).T / _LEVELS
    return torch.cat([quantiles, octave_power(images, octaves).float() / _DECIBELS], 1)


def _heights(images: Tensor) -> Tensor:
    """[N, H, W] float64 in metres."""
    return LINEAR * torch.sinh(_SCALE * images[:, 0].double())


def _steps(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbours along rows and columns, each [N, …]."""
    return planes.diff(dim=2).flatten(1), planes.diff(dim=1).flatten(1)


def _sums(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of neighbours, likewise."""
    rows = planes[:, :, 1:] + planes[:, :, :-1]
    columns = planes[:, 1:] + planes[:, :-1]
    return rows.flatten(1), columns.flatten(1)
