"""PNGs that PIL does not write, by hand."""

import struct
import zlib

import numpy as np
import numpy.typing as npt

_KINDS = {3: 2, 2: 4, 4: 6}  # by channels: RGB, grey with alpha, RGBA
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_ADAM7 = (*_PASSES, (0, 1, 1, 2))  # first column and row, and the steps between them


def png(head: bytes, rows: bytes, *chunks: bytes) -> bytes:
    """A file by the content of its head and its rows, with other chunks between."""
    end = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + end


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def deep_png(
    levels: npt.NDArray[np.uint16], *, is_interlaced: bool = False, clear: tuple[int, ...] = ()
) -> bytes:
    """A PNG of 16 bits a channel of an image [H, W, C]. clear: the colour that is transparent."""
    height, width, channels = levels.shape
    sizes = (width, height, 16, _KINDS[channels], 0, 0, int(is_interlaced))
    parts = [levels[y::dy, x::dx] for x, y, dx, dy in _ADAM7] if is_interlaced else [levels]
    rows = [b"\0" + row.astype(">u2").tobytes() for part in parts for row in part if row.size]
    transparency = [chunk(b"tRNS", struct.pack(">HHH", *clear))] if clear else []
    return png(struct.pack(">IIBBBBB", *sizes), b"".join(rows), *transparency)
