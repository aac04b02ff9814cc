"""What networks make of the reference: features of its first images, statistics of all; kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from denoisebench.bench.paths import CLOSED_FORM, existing
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.metric import Scoring
from denoisebench.bench.score.networks import Named, loaded
from denoisebench.bench.score.references import STATISTICS, Reference, given_moments

if TYPE_CHECKING:
    from torch import Tensor

    from denoisebench.metrics.features.frechet import FeatureStats

Arrays = dict[str, npt.NDArray[Any]]


def kept(store: Store, key: str, kind: str, make: Callable[[], Arrays]) -> Arrays:
    """Arrays of a reference from the store, made when they are not there."""
    with store.lock(key):
        arrays: Arrays | None = store.read_arrays(key, kind)
        if arrays is None:
            arrays = make()
            store.write_arrays(key, kind, arrays)
    return arrays


def prepared(
    scoring: Scoring,
    network: Named,
    kind: str,
    reference: Reference,
    *,
    prepare: Callable[[Tensor], Any],
) -> Any:
    """What a distance makes of the reference's features, made once a process."""
    key = (reference.key(kind), reference.features, prepare)
    return scoring.memory.keep(
        key, lambda: prepare(reference_features(scoring, network, kind, reference))
    )


def reference_features(scoring: Scoring, network: Named, kind: str, reference: Reference) -> Tensor:
    """Of the first images of the reference, [M, D] float32."""
    import torch

    count = reference.features

    def make() -> Arrays:
        parts = _extracted(scoring, network, reference, first=0, last=count)
        return {"values": torch.cat([*parts]).numpy()}

    arrays = kept(scoring.store, reference.key(kind), f"features_{count}", make)
    return torch.from_numpy(arrays["values"])


def reference_statistics(
    scoring: Scoring, network: Named, kind: str, reference: Reference
) -> FeatureStats:
    """Mean and covariance of the features of all its images; kept."""
    from denoisebench.metrics.features.frechet import FeatureStats

    key = reference.key(kind)

    def statistics() -> FeatureStats:
        # Where features are kept, their images are read once for both: before the lock is taken.
        keeps = reference.keeps_features
        first = [reference_features(scoring, network, kind, reference)] if keeps else []

        def make() -> Arrays:
            return _statistics(scoring, network, reference, first).to_arrays()

        return FeatureStats.from_arrays(kept(scoring.store, key, "statistics", make))

    return scoring.memory.keep((key, "statistics"), statistics)


def _statistics(
    scoring: Scoring, network: Named, reference: Reference, first: list[Tensor]
) -> FeatureStats:
    """first: features of the first images, where they are kept."""
    from denoisebench.metrics.features.frechet import FeatureStats

    source = reference.source
    if source.startswith(CLOSED_FORM):
        from denoisebench.bench.models.closed_form import exact_moments

        return FeatureStats.from_moments(*exact_moments(source.removeprefix(CLOSED_FORM)))
    if source.endswith(STATISTICS):
        moments = given_moments(existing(source, "reference"))
        return FeatureStats.from_moments(*moments, reference.samples)
    read = sum(map(len, first))
    rest = _extracted(scoring, network, reference, first=read, last=reference.samples)
    return reduce(FeatureStats.merge, map(FeatureStats.from_features, chain(first, rest)))


def _extracted(
    scoring: Scoring, network: Named, reference: Reference, *, first: int, last: int
) -> Iterator[Tensor]:
    """Features of reference images first to last - 1, by batches."""
    import torch

    extract = loaded(network, scoring.memory)
    for images in reference.batches(first, last):
        yield extract(torch.from_numpy(images)).cpu()
