"""Sharpness and banding, against pictures that have or lack them."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, laplace

from denoisebench.metrics.images.spectrum import octave_power
from denoisebench.metrics.images.texture import banding, grain, sharpness


def grey(plane):
    """An image [1, 3, H, W] uint8."""
    plane = torch.as_tensor(plane).round().clamp(0, 255).to(torch.uint8)
    return plane[None, None].expand(1, 3, *plane.shape)


def ramp(size=128, slope=1.0):
    return torch.arange(size * 1.0).mul(slope).floor().expand(size, size)


def test_sharpness_is_the_laplacian_of_the_crispest_windows(generator):
    plane = torch.randint(0, 256, (32, 48), generator=generator)
    squares = laplace(plane.double().numpy(), mode="nearest") ** 2
    windows = squares.reshape(4, 8, 6, 8).mean((1, 3))
    expected = 10 * np.log10(np.quantile(windows, 0.9))
    np.testing.assert_allclose(sharpness(grey(plane)), expected)


def test_blur_lowers_sharpness_and_contrast_scales_it():
    edge = torch.full((32, 32), 60.0)
    edge[:, 15:] = 180
    sharp = sharpness(grey(edge))
    previous = sharp
    for width in (0.5, 1, 2):
        blurred = sharpness(grey(gaussian_filter(edge.numpy(), width)))
        assert blurred < previous - 1
        previous = blurred
    half = sharpness(grey(90 + (edge - 60) / 2))
    np.testing.assert_allclose(sharp - half, 20 * np.log10(2))


def test_one_crisp_thing_on_a_plain_ground_is_crisp():
    """A mean over the picture would take it for blurred."""
    plane = torch.full((32, 32), 100.0)
    plane[:8] = 200 * (torch.arange(32) % 2)
    assert sharpness(grey(plane)) > 50
    flat = sharpness(grey(torch.full((32, 32), 100.0)))
    np.testing.assert_allclose(flat, 10 * np.log10(20 / 12))  # rounding through the kernel


@pytest.mark.parametrize("levels", [64, 32, 16])
def test_a_posterised_gradient_is_banded_and_the_smooth_one_is_not(levels):
    smooth, step = ramp(), 256 // levels
    assert banding(grey(smooth)) == 0
    share = banding(grey(smooth // step * step))
    assert share == pytest.approx(1)  # all of its change lies in contours
    assert banding(grey((smooth // step * step).mT)) == pytest.approx(1)


def test_what_eight_bits_make_of_a_slow_gradient_is_not_counted():
    assert banding(grey(ramp(slope=1 / 8))) == 0


def test_texture_noise_and_edges_are_no_bands(generator):
    coarse = torch.randint(0, 8, (64, 64), generator=generator) * 4  # few levels, like posterised
    assert banding(grey(coarse)) < 0.02
    assert banding(grey(128 + 20 * torch.randn(64, 64, generator=generator))) < 0.001
    shapes = torch.full((64, 64), 50.0)
    shapes[20:40, 20:40] = 200
    assert banding(grey(shapes)) == 0
    assert banding(grey(torch.full((64, 64), 9))) == 0


def test_part_of_a_picture_counts_by_its_part_of_the_change():
    plane = ramp(128).clone()
    plane[:64] = plane[:64] // 8 * 8
    # Smooth rows rise by 127, banded ones by 120; where the halves meet there is a contour too.
    meeting = (plane[63] - plane[64]).abs()
    banded, change = 64 * 120 + meeting[meeting > 1].sum(), 64 * (120 + 127) + meeting.sum()
    expected = banded.double() / change
    np.testing.assert_allclose(banding(grey(plane)), expected)


def test_dither_takes_bands_away(generator):
    smooth = ramp(128)
    dithered = (smooth / 8 + torch.rand(128, 128, generator=generator)).floor() * 8
    assert banding(grey(dithered)) < 0.3 * banding(grey(smooth // 8 * 8))


def test_grain_is_the_laplacian_off_the_edges(generator):
    """A plain picture with one edge, and noise of one half of it."""
    edge = torch.full((32, 32), 60.0)
    edge[:, 16:] = 180
    floor = 10 * np.log10(20 / 12)  # rounding through the kernel
    np.testing.assert_allclose(grain(grey(edge)), floor)  # an edge alone has none
    noise = 4 * torch.randn(32, 32, generator=generator)
    expected = 10 * np.log10(20 * (16 + 1 / 12))  # white noise through the kernel, and rounding
    assert float(grain(grey(edge + noise))) == pytest.approx(expected, abs=0.7)


def test_what_few_steps_blur_at_edges_does_not_hide_their_grain(generator):
    """The finest octave falls when edges are blurred, though noise is added; grain rises."""
    edge = torch.full((32, 32), 60.0)
    edge[:, 16:] = 180
    crisp = grey(edge)
    noise = torch.randn(32, 32, generator=generator)
    gritty = grey(torch.as_tensor(gaussian_filter(edge.numpy(), 1.0)) + noise)
    assert octave_power(gritty, 4)[0, 0] < octave_power(crisp, 4)[0, 0] - 3
    assert grain(gritty) > grain(crisp) + 3


def test_fine_texture_is_grain_and_turns_with_the_picture():
    stripes = torch.full((32, 32), 100.0)
    stripes[:, 1::3] = 110  # a wavelength of three pixels
    assert grain(grey(stripes)) > 20
    np.testing.assert_allclose(grain(grey(stripes)), grain(grey(stripes.mT)), atol=1.5)
    some = torch.cat([grey(stripes), grey(stripes * 0.5)])
    assert grain(some).tolist() == [float(grain(some[:1])), float(grain(some[1:]))]
