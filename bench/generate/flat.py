"""Images that show nothing: black frames, blanked by a safety checker, one flat colour, no number.

They are found before anything is scored: a black frame can beat a healthy image on CLIP score.
"""

import numpy as np

MOST_FLAT = 0.05  # share of a cell's images, above which its scores mean nothing
_FLAT_LEVELS = 2  # of 255: what rounding and a decoder leave of one colour


def count_flat(images: np.ndarray) -> int:
    """Images of [N, 3, H, W] uint8 in which no channel spans more than a few grey levels."""
    pixels = images.reshape(*images.shape[:2], -1)
    span = pixels.max(-1).astype(int) - pixels.min(-1)
    return int((span <= _FLAT_LEVELS).all(-1).sum())


def overflow_hint(dtype: str) -> str:
    """What usually breaks images of this number format, and what to do."""
    if dtype != "float16":
        return ""
    return "; overflow in a float16 VAE is the usual cause: set model.dtype=bfloat16 or float32"
