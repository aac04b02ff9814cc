"""Colour of images: how saturated, how much of it clipped, how different from another image's.

Pure functions of images [N, 3, H, W] uint8, read as sRGB, to one number a sample, [N] float64.
Lab is CIE 1976 L*a*b* with the white of D65.
"""

import torch
from torch import Tensor

# IEC 61966-2-1: linear sRGB to XYZ. Its rows sum to the white point.
_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_LINEAR_BELOW = 0.04045
_EPSILON = 6 / 29  # cube root of the ratio to white below which Lab is linear


def lab(images: Tensor) -> Tensor:
    """[N, 3, H, W] float64: L* from 0 to 100, a* and b*; grey has a* = b* = 0."""
    encoded = images.double() / 255
    curved = ((encoded + 0.055) / 1.055) ** 2.4
    linear = torch.where(encoded <= _LINEAR_BELOW, encoded / 12.92, curved)
    matrix = torch.tensor(_TO_XYZ, dtype=torch.float64, device=images.device)
    ratio = torch.einsum("xc,nchw->nxhw", matrix / matrix.sum(1, keepdim=True), linear)
    low = ratio / (3 * _EPSILON**2) + 4 / 29
    x, y, z = torch.where(ratio > _EPSILON**3, ratio ** (1 / 3), low).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def chroma(images: Tensor) -> Tensor:
    """Mean chroma sqrt(a*² + b*²) over an image's pixels: 0 for grey, 134 for pure blue."""
    _, a, b = lab(images).unbind(1)
    return torch.hypot(a, b).flatten(1).mean(1)


def clipped(images: Tensor) -> Tensor:
    """Share, 0 to 1, of pixels with a channel at 0 or 255."""
    ends = (images == 0) | (images == 255)
    return ends.any(1).double().flatten(1).mean(1)


def delta_e(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Mean CIEDE2000 difference between the pixels of two images; about 1 can be seen."""
    return ciede2000(lab(outputs), lab(inputs)).flatten(1).mean(1)


def ciede2000(first: Tensor, second: Tensor) -> Tensor:
    """Difference [N, ...] of Lab colours [N, 3, ...] (Sharma, Wu & Dalal, 2005)."""
    (l1, a1, b1), (l2, a2, b2) = first.unbind(1), second.unbind(1)
    stretch = 1.5 - 0.5 * _seventh((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2)
    (c1, h1), (c2, h2) = _polar(stretch * a1, b1), _polar(stretch * a2, b2)
    c, far = (c1 + c2) / 2, (h1 - h2).abs() > 180
    h = torch.where(far, (h1 + h2 + 360) / 2 % 360, (h1 + h2) / 2)
    turn = torch.where(far, (h2 - h1 + 180) % 360 - 180, h2 - h1)
    t = 1 - 0.17 * _cos(h - 30) + 0.24 * _cos(2 * h)
    t = t + 0.32 * _cos(3 * h + 6) - 0.20 * _cos(4 * h - 63)
    grey = ((l1 + l2) / 2 - 50).square()
    d_l = (l2 - l1) / (1 + 0.015 * grey / (20 + grey).sqrt())
    d_c = (c2 - c1) / (1 + 0.045 * c)
    d_h = 2 * (c1 * c2).sqrt() * torch.sin(torch.deg2rad(turn / 2)) / (1 + 0.015 * c * t)
    blue = 60 * torch.exp(-((h - 275) / 25).square())
    rotation = -2 * _seventh(c) * torch.sin(torch.deg2rad(blue))
    return (d_l.square() + d_c.square() + d_h.square() + rotation * d_c * d_h).clamp(min=0).sqrt()


def _polar(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Chroma, and hue in degrees from 0 to 360."""
    return torch.hypot(a, b), torch.rad2deg(torch.atan2(b, a)) % 360


def _seventh(chroma: Tensor) -> Tensor:
    return (chroma**7 / (chroma**7 + 25.0**7)).sqrt()


def _cos(degrees: Tensor) -> Tensor:
    return torch.cos(torch.deg2rad(degrees))
