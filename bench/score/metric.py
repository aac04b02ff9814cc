"""What a metric is: a column of the results, from what it reads of images to its estimate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from denoisebench.bench.inputs.images import InputSet
from denoisebench.bench.records.cell import Entry, sized_kind
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.networks import SCORING, Memory, Named, loaded
from denoisebench.metrics.estimate import Estimate, clusters_of, mean_estimate

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.bench.score.passes import Reader

Encode = Callable[["Tensor"], "Tensor"]  # images [N, 3, H, W] uint8 to latents [N, ...]
Clusters = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scoring:
    """One entry's stored images, what its samples were made from, and what the process keeps."""

    store: Store
    memory: Memory
    entry: Entry
    prompts: tuple[str, ...]  # of samples 0 to the last
    inputs: InputSet | None
    encode: Encode  # the model's VAE; called only by metrics that need it

    @cached_property
    def clusters(self) -> Clusters | None:
        """Clusters of the samples that are scored."""
        return self.clusters_of(self.entry.first, self.entry.samples)

    def clusters_of(self, first: int, last: int) -> Clusters | None:
        """Numbers of the independent units that samples first to the last belong to, None where all
        differ. A unit is a prompt, or an input image where fewer of those differ."""
        units = self.prompts[:last]
        inputs = self.inputs.names(last) if self.inputs else None
        if inputs is not None and len(set(inputs)) < len(set(units)):
            units = tuple(inputs)
        return clusters_of(units[first:])

    def these_prompts(self, distance: Estimate) -> dict[str, object]:
        """The number of prompts for the record of a distance that is of those at hand, see
        metrics.features.draws; nothing where its clusters tell it."""
        if self.clusters is None or distance.clusters is not None:
            return {}
        return {"prompts": len(np.unique(self.clusters))}

    def values(self, kind: str) -> dict[str, npt.NDArray[Any]]:
        """What readers stored of each sample that is scored, [n, ...] by name."""
        return self.store.read(
            self.entry.cell.key, kind, self.entry.samples, start=self.entry.first
        )


@dataclass(frozen=True)
class Estimated:
    """An estimate, and what else its record tells."""

    estimate: Estimate
    record: Mapping[str, object]


@dataclass(frozen=True)
class Metric(ABC):
    """One column. Metrics that are equal measure the same.

    What is read of each image is stored in shards of a kind, which metrics of one network share;
    the estimate is made of those.
    """

    @property
    @abstractmethod
    def column(self) -> str:
        """Name in the results; metrics/specs.py knows it, or its family."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Kind of the shards that hold what is read of images; changes with all they depend on."""

    @abstractmethod
    def readers(self, scoring: Scoring) -> dict[str, Reader]:
        """What makes the shards, by their kind, in the order in which they are made."""

    @abstractmethod
    def estimate(self, scoring: Scoring) -> Estimated:
        """The estimate of the samples that are scored, from stored shards."""

    @property
    def basis(self) -> list[object]:
        """What the estimate depends on beside its shards, as JSON holds it."""
        return []

    @property
    def is_of_user(self) -> bool:
        """Whether it is code of the user's own, which may fail where all others work."""
        return False

    def lack(self) -> str:
        """Why it is left out on this machine; empty where it can be measured."""
        return ""

    def load(self, memory: Memory) -> None:
        """Loads its network, so that memory measured later does not depend on the order."""
        return  # most formulas have none

    def estimate_kind(self, samples: int, first: int = 0) -> str:
        """Kind of the record of its estimate from samples first to the last."""
        return sized_kind(self.column, [SCORING, self.kind, *self.basis], samples, first=first)


@dataclass(frozen=True)
class OfNetwork(Metric):
    """What is measured of what one network makes of images."""

    network: Named

    def load(self, memory: Memory) -> None:
        loaded(self.network, memory)


def mean_of(values: npt.NDArray[Any], column: str, clusters: Clusters | None) -> Estimated:
    """The mean of a number a sample. Raises ValueError where one is not finite."""
    broken = int(np.sum(~np.isfinite(values)))
    if broken:
        raise ValueError(f"{column} of {broken} of {len(values)} samples is not finite")
    return Estimated(mean_estimate(values, clusters), {})
