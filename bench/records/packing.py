"""Arrays as the content of one file: safetensors, with pictures as they are or as PNG.

A PNG loses nothing. Those of an array `name` lie one after the other in `name.png`, and `name.ends`
says where each ends.
"""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from PIL import Image
from safetensors.numpy import load, save

Format = Literal["raw", "png"]  # of pictures [N, 3, H, W] uint8
_PNG, _ENDS = ".png", ".ends"
_LEVEL = 1  # of compression: the next ones take twice as long for a few per cent


def pack(arrays: dict[str, np.ndarray], pictures: Format = "raw") -> bytes:
    """The content of a file. pictures: how arrays of them are kept."""
    kept: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if pictures == "png" and _are_pictures(array):
            kept |= _as_png(name, array)
        else:
            kept[name] = np.ascontiguousarray(array)
    return save(kept)


def unpack(content: bytes, first: int = 0, last: int | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file, of items first to last - 1."""
    kept, arrays = load(content), {}
    wanted = slice(first, last)
    for name, array in kept.items():
        if name.endswith(_PNG):
            plain = name.removesuffix(_PNG)
            arrays[plain] = _of_png(array, kept[plain + _ENDS], wanted)
        elif name.removesuffix(_ENDS) + _PNG not in kept:
            arrays[name] = array[wanted] if array.ndim else array
    return arrays


def _are_pictures(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and array.ndim == 4 and array.shape[1] == 3 and len(array) > 0


def _as_png(name: str, pictures: np.ndarray) -> dict[str, np.ndarray]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # compression leaves the interpreter free
        files = [*pool.map(_png_of, pictures)]
    together = np.frombuffer(b"".join(files), np.uint8)
    return {name + _PNG: together, name + _ENDS: np.cumsum([len(file) for file in files])}


def _png_of(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    pixels = np.ascontiguousarray(picture.transpose(1, 2, 0))
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=_LEVEL)
    return buffer.getvalue()


def _of_png(together: np.ndarray, ends: np.ndarray, wanted: slice) -> np.ndarray:
    starts = [0, *ends[:-1].tolist()]
    files = [together[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.stack([*pool.map(_picture_of, files[wanted])])


def _picture_of(file: np.ndarray) -> np.ndarray:
    pixels: np.ndarray = np.asarray(Image.open(io.BytesIO(file.tobytes())))
    return pixels.transpose(2, 0, 1)
