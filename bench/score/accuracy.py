"""Whether images show what their prompts ask for, of prompts of the embedded worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from denoisebench.bench import fashion
from denoisebench.bench.paths import content_hash, existing
from denoisebench.bench.records.cell import digest
from denoisebench.bench.score.metric import Estimated, Metric, Scoring
from denoisebench.bench.score.networks import SCORING, Memory, attribute_network, weights_title
from denoisebench.bench.settings.metrics import AttributeSettings
from denoisebench.bench.shapes import language
from denoisebench.metrics.estimate import mean_estimate

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader

ALL = "all"  # attributes together
_KINDS = ("shape", "colour", "texture", "size", "background", "layout")  # of a rendered scene


def asked_for(prompts: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Class indices [N] by attribute, -1 where a prompt does not name it: of photographs, where all
    prompts are theirs, else of scenes. Raises UserError for a prompt that asks for no attributes.
    """
    if fashion.are_prompts(prompts):
        return fashion.asked_for(prompts)
    return language.asked_for(prompts)


def attributes_of(prompts: Sequence[str]) -> tuple[str, ...]:
    """Names of what can be read right or wrong: of a photograph, which has a class alone, all."""
    return (ALL,) if prompts and fashion.are_prompts(prompts) else (ALL, *_KINDS)


@dataclass(frozen=True)
class Accuracy(Metric):
    """The share of attributes asked for that a network reads in the image: all, or one of them."""

    network: AttributeSettings
    attribute: str  # of attributes_of

    @property
    def column(self) -> str:
        return "accuracy" if self.attribute == ALL else f"accuracy_{self.attribute}"

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
