"""Stored images to stored features to stored estimates."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch

from bench.cell import Entry
from bench.errors import UserError
from bench.kinds import Metric, features_kind, reference_key
from bench.paths import CLOSED_FORM, LOCAL_FOLDER, existing, resolve
from bench.references import given_moments, reference_batches
from bench.settings import ClipSettings, FrechetSettings, MetricsSettings
from bench.store import Store
from metrics.alignment import clip_score_estimate
from metrics.estimate import clusters_of
from metrics.extractors import (
    UnusableExtractor,
    attribute_extractor,
    inception_extractor,
    open_clip_scorer,
    pixel_extractor,
)
from metrics.frechet import FeatureStats, frechet_estimate, frechet_floor

_BATCH = 256  # images per extractor call
PerSample = Callable[[torch.Tensor, int], torch.Tensor]


class Scorer:
    """Keeps extractors, embedded prompts and reference statistics warm."""

    def __init__(self, store: Store, device: str):
        self._store, self._device = store, device
        self._extractors: dict[Metric, Any] = {}
        self._references: dict[str, FeatureStats] = {}
        self._texts: dict[tuple, torch.Tensor] = {}

    def warm_up(self, settings: MetricsSettings) -> None:
        """Loads every network now, so that memory measured later does not depend on the order."""
        for metric in settings.by_metric.values():
            self._extractor(metric)

    def score(
        self, entry: Entry, metric: str, settings: MetricsSettings, prompts: tuple[str, ...]
    ) -> None:
        """Makes one estimate of one cell, from stored features where they are stored.

        Samples of one prompt are one independent unit, see metrics.estimate.
        """
        chosen, clusters = settings.by_metric[metric], clusters_of(prompts)
        record: dict[str, object] = {}
        if isinstance(chosen, FrechetSettings):
            reference = self._reference(chosen, settings)
            features = torch.from_numpy(self._features(entry, chosen))
            estimate = frechet_estimate(features, reference, clusters)
            record["features"] = reference.dim
            record["floor"] = frechet_floor(reference, entry.samples)
        else:
            estimate = clip_score_estimate(self._cosines(entry, chosen, prompts), clusters)
        record |= {"value": estimate.value, "influence": estimate.influence.tolist()}
        if clusters is not None:
            record["clusters"] = clusters.tolist()
        self._store.write_record(entry.cell.key, entry.metrics[metric], record)

    def _features(self, entry: Entry, metric: FrechetSettings) -> np.ndarray:
        def features(images: torch.Tensor, _: int) -> torch.Tensor:
            return self._extractor(metric)(images)

        return self._per_sample(entry, features_kind(metric), features)

    def _cosines(self, entry: Entry, metric: ClipSettings, prompts: tuple[str, ...]) -> np.ndarray:
        def cosines(images: torch.Tensor, start: int) -> torch.Tensor:
            scorer = self._extractor(metric)
            if (metric, prompts) not in self._texts:
                self._texts[metric, prompts] = scorer.embed_text(list(prompts))
            texts = self._texts[metric, prompts][start : start + len(images)]
            return (scorer(images) * texts).sum(1)

        return self._per_sample(entry, features_kind(metric), cosines)

    def _per_sample(self, entry: Entry, kind: str, read: PerSample) -> np.ndarray:
        """`read(images, start)` for every sample of a cell, stored as it is made."""
        key = entry.cell.key
        for start, stop in self._store.missing(key, kind, entry.samples):
            for first in range(start, stop, _BATCH):
                last = min(first + _BATCH, stop)
                images = torch.from_numpy(self._store.read(key, "images", last, first)["images"])
                self._store.write(key, kind, first, {"values": read(images, first).cpu().numpy()})
        return self._store.read(key, kind, entry.samples)["values"]

    def _reference(self, metric: FrechetSettings, settings: MetricsSettings) -> FeatureStats:
        key = reference_key(metric, settings)
        if key not in self._references:
            with self._store.lock(key):
                stored = self._store.read_arrays(key, "statistics")
                if stored is None:
                    stored = self._make_reference(metric, settings).to_arrays()
                    self._store.write_arrays(key, "statistics", stored)
            self._references[key] = FeatureStats.from_arrays(stored)
        return self._references[key]

    def _make_reference(self, metric: FrechetSettings, settings: MetricsSettings) -> FeatureStats:
        source, count = settings.reference, settings.reference_samples
        if source.startswith(CLOSED_FORM):
            from bench.closed_form import exact_moments

            return FeatureStats.from_moments(*exact_moments(source.removeprefix(CLOSED_FORM)))
        if source.endswith(".npz"):
            return FeatureStats.from_moments(*given_moments(existing(source, "reference")), count)
        extract = self._extractor(metric)
        batches = (extract(torch.from_numpy(images)) for images in reference_batches(settings))
        return reduce(FeatureStats.merge, map(FeatureStats.from_features, batches))

    def _extractor(self, metric: Metric) -> Any:
        if metric not in self._extractors:
            try:
                self._extractors[metric] = _build(metric, self._device)
            except UnusableExtractor as error:
                raise UserError(str(error)) from error
        return self._extractors[metric]


def _build(metric: Metric, device: str) -> Any:
    if isinstance(metric, FrechetSettings) and metric.kind == "pixels":
        return pixel_extractor(metric.name, device)
    if isinstance(metric, FrechetSettings) and metric.kind == "attributes":
        return attribute_extractor(resolve(metric.weights or ""), metric.name, device)
    if isinstance(metric, FrechetSettings) and metric.kind == "inception":
        return inception_extractor(resolve(metric.weights) if metric.weights else None, device)
    model, weights = _open_clip_source(metric)
    return open_clip_scorer(model, weights, name=metric.name, device=device)


def _open_clip_source(metric: Metric) -> tuple[str, str | None]:
    """open_clip's own two arguments, with embedded folders resolved."""
    model = metric.model or ""
    if model.startswith(LOCAL_FOLDER):
        return f"{LOCAL_FOLDER}{resolve(model.removeprefix(LOCAL_FOLDER))}", None
    return model, metric.weights
