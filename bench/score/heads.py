"""CLIP heads: what models of preference and aesthetics make of an image, as functions of the same
interface as metrics of the user's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import content_hash, existing, file_hash
from denoisebench.bench.score.networks import Memory, loaded, usable, weights_of
from denoisebench.bench.settings.metrics import HeadSettings


@dataclass(frozen=True)
class Head:
    """A CLIP model and what is made of its embeddings: `scale` x the cosine of image and prompt, or
    a head's number of the image alone."""

    named: HeadSettings

    @property
    def name(self) -> str:
        return self.named.name

    @cached_property
    def basis(self) -> list[object]:
        """What its numbers depend on, as JSON holds it. Raises UserError for weights that are not
        there, or not those whose checksum is stated."""
        files = [*weights_of(self.named.clip, self.name), *self._head_file]
        self._check(files[-1])
        self._layers()
        return [self.named.model_dump(), *map(content_hash, files)]

    def load(self, memory: Memory) -> Callable[[Any, Sequence[str]], Any]:
        """The function from images [N, 3, H, W] uint8 and prompts to numbers [N]."""
        network, scale = loaded(self.named.clip, memory), self.named.scale
        layers = self._layers()
        if layers is not None:
            head = layers.to(memory.device)
            return lambda images, prompts: scale * head(network(images)).squeeze(1)

        def cosines(images: Any, prompts: Sequence[str]) -> Any:
            return scale * (network(images) * network.embed_text([*prompts])).sum(1)

        return cosines

    def _layers(self) -> Any:
        """The head, None where there is none. Raises UserError for a file that is none."""
        from denoisebench.metrics.networks.heads import linear_head

        return usable(lambda: linear_head(self._head_file[0])) if self._head_file else None

    @property
    def _head_file(self) -> list[Path]:
        head = self.named.head
        return [existing(head, f"head of metric {self.name}")] if head else []

    def _check(self, file: Path) -> None:
        """Raises UserError where the weights have another checksum than stated."""
        stated = self.named.sha256
        path = next(iter(sorted(file.glob("*.safetensors"))), file) if file.is_dir() else file
        if stated and file_hash(path).hex() != stated.lower():
            raise UserError(
                f"metrics.heads: {self.name}: {path} has the sha256 {file_hash(path).hex()}, not "
                f"{stated.lower()}; fetch it again, or give it another name without sha256"
            )
