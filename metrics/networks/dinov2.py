"""DINOv2 as an extractor. The only module that knows transformers' Dinov2Model, imported when one
is built; its weights are read from a folder or the hub's cache and never downloaded."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from denoisebench.metrics.networks.extractors import Extractor
from denoisebench.metrics.networks.weights import MissingWeights, digest_of, in_hub_cache, reading

DINOV2 = "facebook/dinov2-large"  # ViT-L/14, the one of Stein et al.
FILES = ("model.safetensors", "config.json")
_SIZE = 224  # pixels, the resolution of its training
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, red, green and blue


def dinov2_extractor(
    model: str = DINOV2, name: str = "dinov2", device: torch.device | str = "cpu"
) -> Extractor:
    """An extractor of the normalised class token [N, D] of the last layer, as in dgm-eval (Stein et
    al., 2023).

    Images of any shape are resized to 224 x 224, bicubic with antialiasing, and rounded to whole
    grey levels as PIL does. model is a folder with config.json and model.safetensors, or an id in
    the hub's cache. Raises MissingWeights, or UnusableExtractor for files that cannot be used.
    """
    from transformers import Dinov2Model

    weights = dinov2_weights(model)
    with reading(weights):
        network: Any = Dinov2Model.from_pretrained(weights.parent, local_files_only=True)
    network.eval().requires_grad_(False).to(torch.device(device))

    def class_tokens(images: Tensor) -> Tensor:
        tokens: Tensor = network(pixel_values=prepared(images)).pooler_output
        return tokens

    return Extractor(
        name,
        f"{model}, {digest_of(weights)}, resized bicubic {_SIZE} with antialiasing",
        network.config.hidden_size,
        class_tokens,
        torch.device(device),
    )


def dinov2_weights(model: str = DINOV2) -> Path:
    """The weights file, with its config beside it. Raises MissingWeights."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        paths: list[Path | None] = [folder / file for file in FILES]
    else:
        paths = [in_hub_cache(model, file) for file in FILES]
    for file, path in zip(FILES, paths, strict=True):
        if path is None or not path.is_file():
            raise MissingWeights(
                f"{model} is no folder with {file} and not on this machine: "
                f"`{fetch_dinov2(model)}` gets it, or give the folder that holds "
                f"{' and '.join(FILES)}"
            )
    assert paths[0] is not None
    return paths[0]


def fetch_dinov2(model: str) -> str:
    """The command that downloads the weights."""
    named = "" if model == DINOV2 else f",model:{model}"
    distance = f"{{name:dinov2,kind:dinov2{named}}}"
    return f"denoisebench fetch metrics=none 'metrics.frechet=[{distance}]'"


def prepared(images: Tensor) -> Tensor:
    """The network's input [N, 3, 224, 224] float32 from images [N, 3, H, W] uint8."""
    sized = F.interpolate(
        images.float(), (_SIZE, _SIZE), mode="bicubic", antialias=True, align_corners=False
    )
    levels = sized.round().clamp(0, 255) / 255
    mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (_MEAN, _STD))
    return (levels - mean) / std
