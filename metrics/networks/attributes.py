"""A small convolutional network that reads the attributes of 32x32 scenes.

Its features feed the Fréchet distance. The layout of the heads is stored with the weights, so this
file knows nothing of the world that the network reads.
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

FEATURES = 64


class AttributeNet(nn.Module):
    """Images [N, 3, 32, 32] uint8 to features [N, 64] float32, and features to attribute logits."""

    def __init__(self, heads: dict[str, int]):
        super().__init__()
        self.trunk = nn.Sequential(
            *_block(3, 32, stride=1),
            *_block(32, 48, stride=2),
            *_block(48, 64, stride=1),
            *_block(64, 96, stride=2),
            *_block(96, 96, stride=1),
            *_block(96, 128, stride=2),
            nn.Flatten(),
            nn.Linear(128 * 4 * 4, FEATURES),
        )
        self.heads = nn.ModuleDict(
            {name: nn.Linear(FEATURES, size) for name, size in heads.items()}
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.trunk(images.float() / 127.5 - 1)
        return features

    def logits(self, features: Tensor) -> dict[str, Tensor]:
        """One [N, size] tensor per head, from rectified features."""
        return {name: head(features.relu()) for name, head in self.heads.items()}

    def save(self, path: Path) -> None:
        sizes = {name: head.out_features for name, head in self.heads.items()}
        state = {name: tensor.cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(state, path, {"heads": json.dumps(sizes)})

    @classmethod
    def load(cls, path: Path) -> "AttributeNet":
        """The network in evaluation mode, with the heads it was saved with."""
        with safe_open(path, "pt") as file:
            network = cls(json.loads(file.metadata()["heads"]))
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        return network.eval().requires_grad_(False)


def read_right(logits: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Share of the wanted attributes that are read right, [N] float64: under "all", and by kind.

    wanted holds class indices [N] by head, -1 where a prompt does not name the attribute. The heads
    of several objects, shape0 and shape1, are one kind. nan where a kind is not wanted.
    """
    hits = {head: logits[head].argmax(1) == indices for head, indices in wanted.items()}
    counts = {head: indices >= 0 for head, indices in wanted.items()}
    kinds: dict[str, list[str]] = {"all": list(wanted)}
    for head in wanted:
        kinds.setdefault(head.rstrip("0123456789"), []).append(head)

    def share(heads: list[str]) -> Tensor:
        right, given = (torch.stack([per[head] for head in heads]).sum(0) for per in (hits, counts))
        return right.double() / given

    return {kind: share(heads) for kind, heads in kinds.items()}


def _block(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
