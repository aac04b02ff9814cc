"""Whether images show what their prompts ask for, of prompts of the embedded world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.bench.paths import content_hash, existing
from denoisebench.bench.records.cell import digest
from denoisebench.bench.score.metric import Estimated, Metric, Scoring
from denoisebench.bench.score.networks import SCORING, Memory, attribute_network, weights_title
from denoisebench.bench.settings.metrics import AttributeSettings
from denoisebench.metrics.estimate import mean_estimate

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader

ATTRIBUTES = ("all", "shape", "colour", "texture", "size", "background", "layout")


def check_prompts(prompts: Sequence[str]) -> None:
    """Raises UserError for a prompt that asks for no attributes: it is no caption."""
    from denoisebench.bench.shapes.language import asked_for

    asked_for(prompts)


@dataclass(frozen=True)
class Accuracy(Metric):
    """The share of attributes asked for that a network reads in the image: all, or one of them."""

    network: AttributeSettings
    attribute: str  # one of ATTRIBUTES

    @property
    def column(self) -> str:
        return "accuracy" if self.attribute == "all" else f"accuracy_{self.attribute}"

    @cached_property
    def kind(self) -> str:
        return f"attributes_{digest([SCORING, content_hash(self._weights())], 12)}"

    def _weights(self) -> Path:
        return existing(self.network.weights, weights_title(self.column))

    def load(self, memory: Memory) -> None:
        attribute_network(self.network, memory)

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        from denoisebench.bench.score.passes import in_parts

        return {self.kind: partial(in_parts, partial(self._right, scoring))}

    def _right(self, scoring: Scoring, images: Tensor, start: int) -> dict[str, Tensor]:
        """Which attributes are as asked for, each [N]; those of all kinds are in one shard."""
        import torch

        from denoisebench.bench.shapes.language import asked_for
        from denoisebench.metrics.networks.attributes import read_right

        device = scoring.memory.device
        network = attribute_network(self.network, scoring.memory)
        logits = network.logits(network(images.to(device)))
        wanted = asked_for(scoring.prompts[start : start + len(images)])
        return read_right(
            logits, {name: torch.from_numpy(values).to(device) for name, values in wanted.items()}
        )

    def estimate(self, scoring: Scoring) -> Estimated:
        right = scoring.values(self.kind)[self.attribute]
        return Estimated(mean_estimate(right, scoring.clusters), {})
