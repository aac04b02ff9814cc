"""Damage of files, and whether a reader says it in a line."""

import numpy as np


def damaged(whole: bytes, draws: np.random.Generator) -> bytes:
    """Cut somewhere, with up to four bytes changed."""
    content = bytearray(whole[: draws.integers(1, len(whole) + 1)])
    for place in draws.integers(0, len(content), draws.integers(0, 5)):
        content[place] = draws.integers(256)
    return bytes(content)


def complaint(read, error):
    """The lines of the error of this kind that a reader raises; none when it reads."""
    try:
        read()
    except error as raised:
        return str(raised).splitlines() or [""]
    return []
