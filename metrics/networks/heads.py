"""Heads on the image embeddings of a CLIP model: linear layers one after the other, to one number.

LAION's aesthetic predictor is one: five layers without activations between them.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from denoisebench.metrics.networks.weights import MissingWeights, UnusableExtractor, reading

_LAYER = re.compile(r"(?:.*\.)?(\d+)\.(weight|bias)")


def linear_head(path: Path) -> nn.Sequential:
    """A head from a file of tensors `layers.N.weight` [out, in] and `layers.N.bias` [out], in the
    order of N; .safetensors, or a .pth of tensors alone.

    Raises UnusableExtractor for a file that holds no such layers, or whose last has more than one
    number.
    """
    if not path.is_file():
        raise MissingWeights(f"the weights of the head are missing: place them at {path}")
    with reading(path):
        state = _tensors(path)
        layers = [_linear(state, number) for number in _numbers(path, state)]
    for before, after in pairwise(layers):
        if before.out_features != after.in_features:
            raise UnusableExtractor(
                f"{path}: a layer gives {before.out_features} numbers, the next takes "
                f"{after.in_features}: it is not a chain of linear layers"
            )
    if layers[-1].out_features != 1:
        raise UnusableExtractor(f"{path}: its last layer gives {layers[-1].out_features} numbers")
    return nn.Sequential(*layers).eval().requires_grad_(False)


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_file(path)
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _numbers(path: Path, state: dict[str, Tensor]) -> list[int]:
    """Numbers of the layers. Raises UnusableExtractor where another tensor is among them."""
    names = {name: _LAYER.fullmatch(name) for name in state}
    foreign = [name for name, parts in names.items() if parts is None or state[name].ndim > 2]
    if foreign or not names:
        raise UnusableExtractor(
            f"{path} is no head of linear layers: it holds {foreign[0] if foreign else 'nothing'}"
        )
    return sorted({int(parts[1]) for parts in names.values() if parts})


def _layers(state: dict[str, Tensor]) -> Iterator[tuple[str, re.Match[str]]]:
    """Names of the tensors of layers, with their number and part. Raises ValueError for two of one
    number: which chain they are of is not known."""
    layers = [(name, layer) for name in state if (layer := _LAYER.fullmatch(name))]
    if len({layer.groups() for _, layer in layers}) < len(layers):
        raise ValueError("two of its layers have one number")
    yield from layers


def _linear(state: dict[str, Tensor], number: int) -> nn.Linear:
    parts = {(int(layer[1]), layer[2]): state[name] for name, layer in _layers(state)}
    weight, bias = (parts.get((number, part)) for part in ("weight", "bias"))
    if weight is None or weight.ndim != 2:
        raise ValueError(f"layer {number} has no weight")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight.float()
    if bias is not None:
        layer.bias.data = bias.float()
    return layer
