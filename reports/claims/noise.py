"""How much noise a strength of img2img means at another resolution. NumPy only.

A picture of s times as many pixels along a side carries the same noise s times as well: averaged
over what is one pixel of the smaller, noise falls by s and the picture does not. So sigma / alpha
of the smaller is that of the larger over s (Hoogeboom, Heek & Salimans, ICML 2023, section 3.1).
"""

import numpy as np

PIXELS, LATENTS = 1024, 128  # along a side: of images that statements on strength are about
_BETAS = (0.00085, 0.012)  # of Stable Diffusion's schedule, linear in their roots
_TIMESTEPS = 1000
TOLERANCE = 2**0.5  # of sigma: 3 dB of the signal-to-noise ratio


def noise_of(strength: float, latent_pixels: int) -> float:
    """sigma / alpha that is to a denoiser of so many latents along a side what a strength, 0 to 1,
    of Stable Diffusion XL is at 1024x1024 pixels."""
    roots = np.linspace(_BETAS[0] ** 0.5, _BETAS[1] ** 0.5, _TIMESTEPS)
    signal = np.cumprod(1 - roots**2)[round(strength * _TIMESTEPS) - 1]
    return float(((1 - signal) / signal) ** 0.5) * latent_pixels / LATENTS


def is_about(noise: float, wanted: float) -> bool:
    """Whether two noise levels have signal-to-noise ratios within 3 dB."""
    return 1 / TOLERANCE <= noise / wanted <= TOLERANCE
