"""Numbers of height maps: against heights that were not rounded, and shapes of known slope."""

import math

import pytest
import torch

from denoisebench.metrics.images.relief import (
    HIGHEST,
    LINEAR,
    relief_features,
    relief_mean,
    relief_roughness,
    relief_slope,
)

SIZE = 64


def stored(heights):
    """Maps [N, H, W] in metres as grey levels in three channels."""
    levels = torch.asinh(heights / LINEAR) / math.asinh(HIGHEST / LINEAR) * 255
    return levels.round().clamp(0, 255).to(torch.uint8)[:, None].expand(-1, 3, -1, -1)


def hills(generator, *, count=16, reach=0.02, base=0.6):
    """Smooth maps about a height, whose slopes are a fraction of a level at some places."""
    waves = torch.randn(count, 6, 6, generator=generator).double()
    whole = torch.nn.functional.interpolate(waves[:, None], SIZE, mode="bicubic")[:, 0]
    return (base + 5 * reach * whole).clamp(min=0)


def test_a_plane_has_its_own_slope():
    """One level a row: heights of neighbours are known exactly."""
    levels = torch.arange(SIZE, dtype=torch.uint8)[None, None, :, None].expand(1, 3, SIZE, SIZE)
    heights = LINEAR * torch.sinh(math.asinh(HIGHEST / LINEAR) * torch.arange(SIZE) / 255).double()
    assert float(relief_mean(levels)) == pytest.approx(float(heights.mean()))
    assert float(relief_slope(levels)) == pytest.approx(float(heights.diff().mean()) / 2)


def test_the_ends_of_the_scale_are_the_package_s():
    ends = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 4, 4)
    assert relief_mean(ends).tolist() == pytest.approx([0, HIGHEST])
    assert relief_slope(ends).tolist() == relief_roughness(ends).tolist() == [0, 0]


@pytest.mark.parametrize("reach", [0.02, 0.1])
def test_eight_bits_hardly_move_mean_slope_and_roughness(generator, reach):
    """Without the correction the roughness of the flatter maps would be a tenth too large."""
    heights = hills(generator, reach=reach)
    images = stored(heights)
    steps = torch.cat([heights.diff(dim=1).flatten(1), heights.diff(dim=2).flatten(1)], 1)
    true_slope, true_roughness = steps.abs().mean(1), steps.square().mean(1).sqrt()
    assert torch.allclose(relief_mean(images), heights.mean((1, 2)), rtol=1e-3)
    assert float((relief_slope(images) / true_slope - 1).mean().abs()) < 0.005
    assert float((relief_roughness(images) / true_roughness - 1).mean().abs()) < 0.01


def test_features_are_of_levels_and_octaves(generator):
    images = stored(hills(generator))
    features = relief_features(images)
    assert features.shape == (16, 5 + 5)
    assert torch.allclose(features[:, 2] * 32, images[:, 0].flatten(1).float().median(1).values)
    noise = torch.randint(0, 20, images[:, :1].shape, generator=generator, dtype=torch.uint8)
    rougher = relief_features((images.short() + noise).clamp(0, 255).to(torch.uint8))
    assert (rougher[:, 5] > features[:, 5] + 1).all(), "noise is power of the finest octave"
