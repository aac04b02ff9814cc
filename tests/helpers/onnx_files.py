"""ONNX files written byte by byte, as protocol buffers are: no package that writes them is needed.

The one here holds the exact consistency function of Gaussian data whose mean rises with difficulty.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

SIZE = 16  # pixels
VARIANCE, LOWEST, SPAN = 0.04, -0.4, 0.6  # of the data; its mean at difficulty d is LOWEST + SPAN d
SIGMA_MIN = 0.002
_FLOAT, _INT64 = 1, 7  # data types


def exact(x: Tensor, sigma: float, difficulty: Tensor) -> Tensor:
    """What the file computes: the end of the probability flow at SIGMA_MIN, for x [N, 1, H, W]."""
    mean = LOWEST + SPAN * difficulty.view(-1, 1, 1, 1)
    return mean + (x - mean) * math.sqrt((VARIANCE + SIGMA_MIN**2) / (VARIANCE + sigma**2))


def save_gaussian(
    path: Path, *, size: int = SIZE, names: Sequence[str] = ("noisy", "sigma", "difficulty")
) -> Path:
    """The file; names: those of its inputs."""
    noisy, sigma, difficulty = names
    nodes = [
        _node("Reshape", [sigma, "shape"], "s"),
        _node("Reshape", [difficulty, "shape"], "d"),
        _node("Mul", ["d", "span"], "risen"),
        _node("Add", ["risen", "lowest"], "mean"),
        _node("Mul", ["s", "s"], "noise"),
        _node("Add", ["noise", "variance"], "power"),
        _node("Div", ["end", "power"], "share"),
        _node("Sqrt", ["share"], "shrunk"),
        _node("Sub", [noisy, "mean"], "centred"),
        _node("Mul", ["centred", "shrunk"], "carried"),
        _node("Add", ["mean", "carried"], "denoised"),
    ]
    numbers = {
        "span": SPAN,
        "lowest": LOWEST,
        "variance": VARIANCE,
        "end": VARIANCE + SIGMA_MIN**2,
    }
    constants = [_scalar(name, value) for name, value in numbers.items()]
    constants.append(_shape("shape", [-1, 1, 1, 1]))
    image, each = ["batch", 1, size, size], ["batch"]
    graph = _many(1, nodes) + _bytes(2, b"gaussian") + _many(5, constants)
    shapes = zip(names, (image, each, each), strict=True)
    graph += _many(11, (_value(name, shape) for name, shape in shapes))
    graph += _many(12, [_value("denoised", image)])
    opset = _bytes(8, _bytes(1, b"") + _number(2, 13))
    path.write_bytes(_number(1, 8) + opset + _bytes(7, graph))
    return path


def data(count: int, difficulty: float, generator: torch.Generator) -> Tensor:
    """Samples [count] of the data, with the noise that is left at SIGMA_MIN."""
    drawn = torch.randn(count, generator=generator)
    return LOWEST + SPAN * difficulty + math.sqrt(VARIANCE + SIGMA_MIN**2) * drawn


def _node(operation: str, inputs: Sequence[str], output: str) -> bytes:
    named = b"".join(_bytes(1, name.encode()) for name in inputs)
    return named + _bytes(2, output.encode()) + _bytes(4, operation.encode())


def _scalar(name: str, value: float) -> bytes:
    return _number(2, _FLOAT) + _bytes(8, name.encode()) + _bytes(9, struct.pack("<f", value))


def _shape(name: str, values: Sequence[int]) -> bytes:
    content = struct.pack(f"<{len(values)}q", *values)
    of = _number(1, len(values)) + _number(2, _INT64)
    return of + _bytes(8, name.encode()) + _bytes(9, content)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    axes = (_bytes(2, a.encode()) if isinstance(a, str) else _number(1, a) for a in shape)
    kind = _number(1, _FLOAT) + _bytes(2, _many(1, axes))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, kind))


def _many(field: int, contents: Iterable[bytes]) -> bytes:
    return b"".join(_bytes(field, content) for content in contents)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
