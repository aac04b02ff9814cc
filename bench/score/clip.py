"""What CLIP models say: the CLIP score, CLIP-S, and CMMD of their image embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from denoisebench.bench.paths import content_hash
from denoisebench.bench.records.cell import digest
from denoisebench.bench.score.metric import Estimated, OfNetwork, Scoring
from denoisebench.bench.score.networks import (
    DISTANCES,
    SCORING,
    loaded,
    shards_of,
    weights_of,
)
from denoisebench.bench.score.references import Reference, prepared
from denoisebench.bench.settings.metrics import ClipSettings
from denoisebench.metrics.features.alignment import clip_s_estimate, clip_score_estimate

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader


@dataclass(frozen=True)
class Cmmd(OfNetwork):
    """1000 x the Gaussian MMD² of image embeddings to the reference's (Jayasumana et al., 2024)."""

    network: ClipSettings
    reference: Reference

    @property
    def column(self) -> str:
        return f"cmmd_{self.network.name}"

    @cached_property
    def kind(self) -> str:
        return embeddings_kind(self.network)

    @cached_property
    def basis(self) -> list[object]:
        return [DISTANCES, self.reference.key(self.kind), self.reference.features]

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        return {self.kind: embedding(self.network, scoring)}

    def estimate(self, scoring: Scoring) -> Estimated:
        import torch

        from denoisebench.metrics.features.kernel import cmmd_estimate, cmmd_reference

        held = prepared(
            scoring, self.network, self.kind, reference=self.reference, prepare=cmmd_reference
        )
        embeddings = torch.from_numpy(scoring.values(self.kind)["values"])
        distance = cmmd_estimate(embeddings, held, scoring.clusters)
        return Estimated(distance, scoring.these_prompts(distance))


@dataclass(frozen=True)
class OfPrompts(OfNetwork):
    """What is measured of the cosines between images and their prompts."""

    network: ClipSettings
    embeds: bool  # whether CMMD stores the embeddings of images: then cosines are of those

    @cached_property
    def kind(self) -> str:
        return shards_of("cosines", self.network, self.column)

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        embed = embedding(self.network, scoring)
        if not self.embeds:
            return {self.kind: self._cosines(scoring, embed)}
        kind = embeddings_kind(self.network)

        def stored(images: Tensor, start: int) -> dict[str, Tensor]:
            import torch

            stop = start + len(images)
            arrays = scoring.store.read(scoring.entry.cell.key, kind, stop, start=start)
            return {"values": torch.from_numpy(arrays["values"])}

        return {kind: embed, self.kind: self._cosines(scoring, stored)}

    def _cosines(self, scoring: Scoring, embed: Reader) -> Reader:
        """Reads the cosine between each image and its prompt, [N]."""

        def cosines(images: Tensor, start: int) -> dict[str, Tensor]:
            embedded = embed(images, start)["values"]
            network, texts = loaded(self.network, scoring.memory), list(scoring.prompts)
            prompts: Tensor = scoring.memory.keep(
                (self.network, scoring.prompts), partial(network.embed_text, texts)
            )
            prompts = prompts[start : start + len(images)]
            return {"values": (embedded.to(prompts) * prompts).sum(1)}

        return cosines


@dataclass(frozen=True)
class ClipScore(OfPrompts):
    """100 x the mean cosine."""

    @property
    def column(self) -> str:
        return f"clip_score_{self.network.name}"

    def estimate(self, scoring: Scoring) -> Estimated:
        cosines = scoring.values(self.kind)["values"]
        return Estimated(clip_score_estimate(cosines, scoring.clusters), {})


@dataclass(frozen=True)
class ClipS(OfPrompts):
    """CLIP-S as its authors define it: 2.5 max(cosine, 0) (Hessel et al., 2021)."""

    @property
    def column(self) -> str:
        return f"clip_s_{self.network.name}"

    def estimate(self, scoring: Scoring) -> Estimated:
        cosines = scoring.values(self.kind)["values"]
        return Estimated(clip_s_estimate(cosines, scoring.clusters), {})


def embeddings_kind(network: ClipSettings) -> str:
    """Kind of the shards that hold image embeddings."""
    settings = {"measure": "cmmd", "source": network.model_dump()}
    basis = [SCORING, settings, *map(content_hash, weights_of(network, f"cmmd_{network.name}"))]
    return f"embeddings_{network.name}_{digest(basis, 12)}"


def embedding(network: ClipSettings, scoring: Scoring) -> Reader:
    """Image embeddings [N, D] of length one."""

    def embed(images: Tensor, start: int) -> dict[str, Tensor]:
        return {"values": loaded(network, scoring.memory)(images)}

    return embed
