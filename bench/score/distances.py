"""Distances of an extractor's features to the reference's: Fréchet, kernel, neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.bench.score.metric import Estimated, OfNetwork, Scoring
from denoisebench.bench.score.networks import DISTANCES, loaded, shards_of
from denoisebench.bench.score.references import Reference, prepared, reference_statistics
from denoisebench.bench.settings.metrics import FrechetSettings

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader
    from denoisebench.metrics.features.moments import FeatureStats

NEIGHBOURS = ("precision", "recall", "density", "coverage")


def frechet_column(network: FrechetSettings) -> str:
    """FID is what only Inception's features give, and all of them."""
    if network.project:
        return f"fd_{network.name}_{network.project}d"
    return "fid" if network.kind == "inception" else f"fd_{network.name}"


@dataclass(frozen=True)
class OfFeatures(OfNetwork):
    """What is measured between the features of an extractor and those of the reference."""

    network: FrechetSettings
    reference: Reference

    @cached_property
    def kind(self) -> str:
        return shards_of("features", self.network, self.column)

    @cached_property
    def basis(self) -> list[object]:
        return [self.reference.key(self.kind), self.reference.features]

    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        def features(images: Tensor, start: int) -> dict[str, Tensor]:
            return {"values": loaded(self.network, scoring.memory)(images)}

        return {self.kind: features}

    def features(self, scoring: Scoring) -> Tensor:
        """Stored features [N, D] of the samples that are scored."""
        import torch

        return torch.from_numpy(scoring.values(self.kind)["values"])


@dataclass(frozen=True)
class FrechetDistance(OfFeatures):
    """Less its bias by the number of samples; beside it the plain one, FD∞ and the floor."""

    @property
    def column(self) -> str:
        return frechet_column(self.network)

    @cached_property
    def basis(self) -> list[object]:
        directions = [self.network.project] if self.network.project else []
        return [DISTANCES, self.reference.key(self.kind), *directions]

    def estimate(self, scoring: Scoring) -> Estimated:
        from denoisebench.metrics.features.frechet import frechet_floor, frechet_record

        features, reference = self._projected(scoring)
        clusters = scoring.clusters
        distance = frechet_record(features, reference, clusters)
        floor = frechet_floor(reference, len(features))
        these = scoring.these_prompts(distance.estimate)
        record: dict[str, object] = {"raw": distance.raw, "features": reference.dim, **these}
        if not these:  # a floor is of samples of all that the reference shows
            record["floor"] = floor
        record["left"] = distance.estimate.left
        if np.isfinite(distance.infinity):
            record["infinity"] = distance.infinity
        return Estimated(distance.estimate, record)

    def _projected(self, scoring: Scoring) -> tuple[Tensor, FeatureStats]:
        """Features of the samples and statistics of the reference, on the directions where some
        are declared."""
        from denoisebench.metrics.features.projection import directions

        features, count = self.features(scoring), self.network.project
        reference = reference_statistics(scoring, self.network, self.kind, reference=self.reference)
        if not count:
            return features, reference
        onto = directions(reference.dim, count)
        key = (self.reference.key(self.kind), "projected", count)
        return features.double() @ onto, scoring.memory.keep(key, lambda: reference.projected(onto))


@dataclass(frozen=True)
class KernelDistance(OfFeatures):
    """Unbiased, with the kernel of KID."""

    @cached_property
    def basis(self) -> list[object]:
        return [DISTANCES, *super().basis]

    @property
    def column(self) -> str:
        return "kid" if self.network.kind == "inception" else f"kd_{self.network.name}"

    def estimate(self, scoring: Scoring) -> Estimated:
        from denoisebench.metrics.features.kernel import kernel_distance_estimate, kernel_reference

        held = prepared(
            scoring, self.network, self.kind, reference=self.reference, prepare=kernel_reference
        )
        distance = kernel_distance_estimate(self.features(scoring), held, scoring.clusters)
        return Estimated(distance, scoring.these_prompts(distance))


@dataclass(frozen=True)
class Neighbours(OfFeatures):
    """Precision, recall, density or coverage; all four come from one search."""

    measure: str  # one of NEIGHBOURS

    @property
    def column(self) -> str:
        return f"{self.measure}_{self.network.name}"

    def estimate(self, scoring: Scoring) -> Estimated:
        from denoisebench.metrics.features.manifold import ManifoldReference, manifold_estimates

        def search() -> object:
            reached = prepared(
                scoring,
                self.network,
                self.kind,
                reference=self.reference,
                prepare=ManifoldReference.from_features,
            )
            return manifold_estimates(self.features(scoring), reached, scoring.clusters)

        entry = scoring.entry
        key = (entry.cell.key, entry.first, entry.samples, self.network, self.reference)
        four = scoring.memory.keep_latest("neighbours", key, search)
        return Estimated(getattr(four, self.measure), {})
