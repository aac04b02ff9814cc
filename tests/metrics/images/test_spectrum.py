"""Power by octave, against white noise, cosines, Parseval and another implementation."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from denoisebench.metrics.images.spectrum import (
    LUMA,
    cosine_frequency,
    cosine_power,
    luma,
    octave_power,
)


def grey(planes):
    """Images [N, 3, H, W] uint8 of planes [N, H, W] in grey levels."""
    planes = torch.as_tensor(planes).round().clamp(0, 255).to(torch.uint8)
    return planes[:, None].expand(-1, 3, -1, -1)


def noise(generator, *shape, std=20.0):
    return 128 + std * torch.randn(*shape, generator=generator)


def wave(size, cycles, amplitude=60):
    """A cosine along x of so many cycles per image, mirrored at the edges as the transform does."""
    x = (np.arange(size) + 0.5) / size
    return np.tile(128 + amplitude * np.cos(2 * np.pi * cycles * x), (1, size, 1))


def test_white_noise_is_flat_at_its_variance(generator):
    power = octave_power(grey(noise(generator, 64, 64, 64)), 5).mean(0)
    expected = 10 * np.log10(20**2 + 1 / 12)
    # The mean of logs lies below the log of the mean where few coefficients are averaged.
    np.testing.assert_allclose(power[:3], expected, atol=0.15)
    np.testing.assert_allclose(power[3:], expected, atol=0.8)


@pytest.mark.parametrize(
    ("size", "cycles", "octave"),
    [(32, 12, 1), (32, 6, 2), (32, 3, 3), (32, 1.5, 4), (64, 24, 1), (64, 12, 2)],
)
def test_a_cosine_lies_in_its_octave(size, cycles, octave):
    power = octave_power(grey(wave(size, cycles)), 4)[0]
    assert power.argmax() == octave - 1
    others = np.delete(power.numpy(), octave - 1)
    assert power.max() > others.max() + 20
    turned = octave_power(grey(wave(size, cycles)).mT, 4)[0]
    torch.testing.assert_close(power, turned)


def test_a_checkerboard_is_as_fine_as_can_be():
    x = torch.arange(32)
    board = 128 + 60.0 * (-1) ** (x[:, None] + x)
    assert octave_power(grey(board[None]), 4)[0].argmax() == 0


def test_power_sums_to_the_sum_of_squares_and_octaves_to_all_but_the_mean(generator):
    planes = noise(generator, 3, 24, 40).double()
    power = cosine_power(planes)
    torch.testing.assert_close(power.sum((1, 2)), planes.square().sum((1, 2)))
    images = grey(planes)
    fine = (cosine_frequency(24, 40) >= 1 / 4).sum()
    middle = ((cosine_frequency(24, 40) < 1 / 4) & (cosine_frequency(24, 40) >= 1 / 8)).sum()
    coarse = cosine_frequency(24, 40) < 1 / 8
    total = 10 ** (octave_power(images, 2) / 10) @ torch.stack([fine, middle]).double()
    rest = cosine_power(luma(images))[:, coarse].sum(1)
    torch.testing.assert_close(total + rest, luma(images).square().sum((1, 2)))


def test_the_transform_is_scipys(generator):
    planes = noise(generator, 2, 20, 36).double()
    expected = np.stack([dctn(plane, norm="ortho") ** 2 for plane in planes.numpy()])
    np.testing.assert_allclose(cosine_power(planes), expected, rtol=1e-9, atol=1e-9)


def test_the_edges_of_a_ramp_are_no_texture():
    """A Fourier transform takes the jump from right to left edge for power in all octaves."""
    ramp = np.tile(np.linspace(0, 255, 64), (1, 64, 1)).round()
    power = octave_power(grey(ramp), 5)[0]
    spectrum = np.abs(np.fft.fft2(ramp[0])) ** 2 / 64**2
    radius = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64))
    periodic = 10 * np.log10(spectrum[radius >= 1 / 4].mean())
    assert power[0] == pytest.approx(10 * np.log10(1 / 12))  # nothing but rounding
    assert periodic > power[0] + 20


def test_blur_takes_from_the_finest_octave_most(generator):
    sharp = noise(generator, 8, 32, 32)
    blurred = gaussian_filter(sharp.numpy(), (0, 0.8, 0.8))
    loss = (octave_power(grey(sharp), 4) - octave_power(grey(blurred), 4)).mean(0)
    assert (loss.diff() < 0).all()
    assert loss[0] > 10
    assert 0 < loss[3] < 1


def test_added_grit_is_measured_in_decibels(generator):
    planes = noise(generator, 16, 32, 32)
    half = octave_power(grey(128 + (planes - 128) / 2), 3).mean(0)
    torch.testing.assert_close(
        octave_power(grey(planes), 3).mean(0) - half,
        torch.full((3,), 20 * np.log10(2), dtype=torch.double), atol=0.05, rtol=0,
    )  # fmt: skip


def test_a_flat_image_has_the_power_of_rounding():
    flat = torch.full((2, 3, 16, 16), 77, dtype=torch.uint8)
    np.testing.assert_allclose(octave_power(flat, 3), 10 * np.log10(1 / 12))


def test_luma_weighs_the_channels(generator):
    images = torch.randint(0, 256, (2, 3, 8, 8), generator=generator).to(torch.uint8)
    expected = (images.double() * torch.tensor(LUMA).double().view(3, 1, 1)).sum(1)
    torch.testing.assert_close(luma(images), expected)
    assert sum(LUMA) == pytest.approx(1)
