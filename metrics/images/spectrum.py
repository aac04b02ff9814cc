"""How much of an image is fine and how much is coarse: power by octave of spatial frequency.

Octave 1 is the finest, wavelengths of 2 to 4 pixels (and what lies beyond in the corners of the
frequency plane, down to the checkerboard); octave k has those of 2^k to 2^(k+1) pixels.
"""

import torch
from torch import Tensor

LUMA = (0.2126, 0.7152, 0.0722)  # of encoded red, green and blue (ITU-R BT.709)
ROUNDING = 1 / 12  # grey levels squared: the power of rounding to whole levels


def octave_power(images: Tensor, octaves: int) -> Tensor:
    """Mean power of each octave in dB, [N, octaves] float64, of images [N, 3, H, W] uint8.

    The radial average of the luma's spectrum, in grey levels squared per coefficient: white noise
    of variance v has 10 log10 v in every octave. The power is at least that of rounding, -10.8 dB.
    The short side must be at least 2^(octaves + 1) pixels.
    """
    power, frequency = cosine_power(luma(images)), cosine_frequency(*images.shape[-2:])
    bands = [_mean_within(power, band) for band in _bands(frequency.to(power.device), octaves)]
    return 10 * torch.log10(torch.stack(bands, 1).clamp(min=ROUNDING))


def luma(images: Tensor) -> Tensor:
    """[N, H, W] float64 in grey levels."""
    weights = torch.tensor(LUMA, dtype=torch.float64, device=images.device)
    return torch.einsum("c,nchw->nhw", weights, images.double())


def cosine_power(planes: Tensor) -> Tensor:
    """Squared coefficients [N, H, W] of the orthonormal cosine transform (DCT-II) of planes.

    A Fourier transform repeats a picture like a wallpaper, and sees fine texture in the jump where
    its edges meet. A window removes the jump, and most of the border with it. The cosine
    transform mirrors the picture instead: there is no jump, every pixel counts alike, and power
    sums to the planes' sum of squares (Denis, Côté & Laprise, 2002).
    """
    down, across = (_cosines(size).to(planes) for size in planes.shape[-2:])
    return (down @ planes @ across.T).square()


def cosine_frequency(height: int, width: int) -> Tensor:
    """Radial frequency [H, W] of cosine coefficients in cycles per pixel, 0 to 0.71."""
    down, across = (
        torch.arange(size, dtype=torch.float64) / (2 * size) for size in (height, width)
    )
    return torch.hypot(down[:, None], across)


def _bands(frequency: Tensor, octaves: int) -> list[Tensor]:
    """Which coefficients [H, W] belong to each octave, finest first."""
    above = [frequency >= 0.5 ** (k + 1) for k in range(octaves + 1)]
    return [above[1], *(above[k] & ~above[k - 1] for k in range(2, octaves + 1))]


def _mean_within(power: Tensor, band: Tensor) -> Tensor:
    return power[:, band].mean(1)


def _cosines(size: int) -> Tensor:
    """[size, size] float64: row k is the k-th cosine, of unit length."""
    k, x = torch.arange(size, dtype=torch.float64)[:, None], torch.arange(size) + 0.5
    rows: Tensor = torch.cos(torch.pi * k * x / size) * (2 / size) ** 0.5
    rows[0] *= 0.5**0.5
    return rows
