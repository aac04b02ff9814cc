"""Fixed random directions that features of many dimensions are projected onto, where samples are
too few for a Fréchet distance of all of them."""

import hashlib
from functools import cache

import numpy as np
import torch
from torch import Tensor

_SEED = b"denoisebench"


@cache
def directions(dim: int, count: int) -> Tensor:
    """[dim, count] float64, entries ±1/sqrt(count): squared lengths are kept on average
    (Achlioptas, 2003). They depend on dim and count alone and are the same everywhere: their signs
    are bits of SHAKE-256. Raises ValueError for more directions than dimensions.
    """
    if not 0 < count < dim:
        raise ValueError(f"{count} directions are not fewer than {dim} dimensions")
    bits = hashlib.shake_256(b"%s %d %d" % (_SEED, dim, count)).digest(-(-dim * count // 8))
    signs = np.unpackbits(np.frombuffer(bits, np.uint8))[: dim * count].reshape(dim, count)
    return torch.from_numpy((2.0 * signs - 1) / np.sqrt(count))
