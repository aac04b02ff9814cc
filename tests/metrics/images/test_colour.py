"""Colour against published values."""

import numpy as np
import pytest
import torch

from denoisebench.metrics.images.colour import chroma, ciede2000, clipped, delta_e, lab


def colours(*rgb):
    """Images [N, 3, 1, 1] uint8 of one pixel each."""
    return torch.tensor(rgb, dtype=torch.uint8).view(-1, 3, 1, 1)


# Of sRGB, as tabulated by Lindbloom's calculator with the white of D65.
KNOWN = {
    (255, 255, 255): (100, 0, 0),
    (0, 0, 0): (0, 0, 0),
    (128, 128, 128): (53.585, 0, 0),
    (255, 0, 0): (53.241, 80.092, 67.203),
    (0, 255, 0): (87.735, -86.183, 83.179),
    (0, 0, 255): (32.297, 79.188, -107.860),
    (255, 255, 0): (97.139, -21.554, 94.478),
    (0, 255, 255): (91.113, -48.088, -14.131),
    (255, 0, 255): (60.324, 98.234, -60.825),
}


def test_lab_has_its_known_values():
    found = lab(colours(*KNOWN)).flatten(1).numpy()
    np.testing.assert_allclose(found, list(KNOWN.values()), atol=2e-3)


def test_every_grey_has_no_chroma():
    levels = torch.arange(256, dtype=torch.uint8)
    greys = levels.view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    np.testing.assert_allclose(chroma(greys), 0, atol=1e-10)
    lightness = lab(greys)[:, 0, 0, 0]
    assert (lightness.diff() > 0).all()


def test_chroma_is_the_mean_over_pixels():
    pair = torch.cat([colours((255, 0, 0)), colours((128, 128, 128))], dim=3)
    expected = np.hypot(80.092, 67.203) / 2
    np.testing.assert_allclose(chroma(pair), expected, atol=1e-3)


def test_clipped_pixels_are_counted_once_whatever_their_channels(generator):
    image = torch.full((1, 3, 4, 5), 100, dtype=torch.uint8)
    image[0, 0, 0, 0] = 255
    image[0, :, 1, 1] = 0
    image[0, 2, 3, 4] = 0
    image[0, 1, 2, 2] = 254
    assert clipped(image).tolist() == [3 / 20]


# Pairs of Lab colours and their difference, from table 1 of Sharma, Wu & Dalal (2005).
SHARMA = [
    ((50.0000, 2.6772, -79.7751), (50.0000, 0.0000, -82.7485), 2.0425),
    ((50.0000, 3.1571, -77.2803), (50.0000, 0.0000, -82.7485), 2.8615),
    ((50.0000, 2.8361, -74.0200), (50.0000, 0.0000, -82.7485), 3.4412),
    ((50.0000, -1.3802, -84.2814), (50.0000, 0.0000, -82.7485), 1.0000),
    ((50.0000, 0.0000, 0.0000), (50.0000, -1.0000, 2.0000), 2.3669),
    ((50.0000, 2.4900, -0.0010), (50.0000, -2.4900, 0.0009), 7.1792),
    ((50.0000, 2.4900, -0.0010), (50.0000, -2.4900, 0.0011), 7.2195),
    ((50.0000, -0.0010, 2.4900), (50.0000, 0.0009, -2.4900), 4.8045),
    ((50.0000, -0.0010, 2.4900), (50.0000, 0.0011, -2.4900), 4.7461),
    ((50.0000, 2.5000, 0.0000), (50.0000, 0.0000, -2.5000), 4.3065),
    ((50.0000, 2.5000, 0.0000), (73.0000, 25.0000, -18.0000), 27.1492),
    ((50.0000, 2.5000, 0.0000), (61.0000, -5.0000, 29.0000), 22.8977),
    ((50.0000, 2.5000, 0.0000), (56.0000, -27.0000, -3.0000), 31.9030),
    ((50.0000, 2.5000, 0.0000), (58.0000, 24.0000, 15.0000), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((61.2901, 3.7196, -5.3901), (61.4292, 2.2480, -4.9620), 1.8731),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def test_colour_differences_are_those_that_were_published():
    first, second, expected = (
        torch.tensor(v, dtype=torch.double) for v in zip(*SHARMA, strict=True)
    )
    np.testing.assert_allclose(ciede2000(first, second), expected, atol=5.1e-5)
    np.testing.assert_allclose(ciede2000(second, first), expected, atol=5.1e-5)


def test_a_difference_of_images_is_the_mean_over_their_pixels(generator):
    images = torch.randint(0, 256, (3, 3, 6, 7), generator=generator).to(torch.uint8)
    np.testing.assert_allclose(delta_e(images, images), 0, atol=1e-6)
    greyer = colours((120, 100, 90), (120, 100, 90)), colours((110, 100, 95), (120, 100, 90))
    assert delta_e(*greyer)[1] == pytest.approx(0, abs=1e-6)
    assert 3 < delta_e(*greyer)[0] < 12
    both = torch.cat([images, images.flip(3)], dim=3)
    halves = delta_e(images, images.flip(3)) / 2
    torch.testing.assert_close(delta_e(both, torch.cat([images, images], dim=3)), halves)
