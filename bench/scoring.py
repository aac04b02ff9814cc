"""Stored images to stored features to stored estimates."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.cell import Entry
from bench.errors import UserError
from bench.paths import LOCAL_FOLDER, existing, resolve
from bench.plan import features_kind, reference_key
from bench.settings import ClipSettings, FrechetSettings, MetricsSettings
from bench.shapes.render import dataset
from bench.shapes.world import REFERENCE_SEED
from bench.store import Store
from metrics.alignment import clip_score_estimate
from metrics.estimate import Estimate
from metrics.extractors import (
    UnusableExtractor,
    attribute_extractor,
    inception_extractor,
    open_clip_scorer,
)
from metrics.frechet import FeatureStats, frechet_estimate

_BATCH = 256  # images per extractor call
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


class Scorer:
    """Keeps extractors, embedded prompts and reference statistics warm."""

    def __init__(self, store: Store, device: str):
        self._store, self._device = store, device
        self._extractors: dict[FrechetSettings | ClipSettings, Any] = {}
        self._references: dict[str, FeatureStats] = {}
        self._texts: dict[tuple, torch.Tensor] = {}

    def score(
        self, entry: Entry, metric: str, settings: MetricsSettings, prompts: tuple[str, ...]
    ) -> None:
        """Makes one estimate of one cell, from stored features where they are stored."""
        chosen = settings.by_metric[metric]
        if isinstance(chosen, FrechetSettings):
            reference = self._reference(chosen, settings)
            features = torch.from_numpy(self._features(entry, chosen))
            record = _record(frechet_estimate(features, reference)) | {"features": reference.dim}
        else:
            record = _record(clip_score_estimate(self._cosines(entry, chosen, prompts)))
        self._store.write_record(entry.cell.key, entry.metrics[metric], record)

    def _features(self, entry: Entry, metric: FrechetSettings) -> np.ndarray:
        extract = self._extractor(metric)
        return self._per_sample(entry, features_kind(metric), lambda images, _: extract(images))

    def _cosines(self, entry: Entry, metric: ClipSettings, prompts: tuple[str, ...]) -> np.ndarray:
        scorer = self._extractor(metric)
        if (metric, prompts) not in self._texts:
            self._texts[metric, prompts] = scorer.embed_text(list(prompts))
        texts = self._texts[metric, prompts]

        def cosines(images: torch.Tensor, start: int) -> torch.Tensor:
            return (scorer(images) * texts[start : start + len(images)]).sum(1)

        return self._per_sample(entry, features_kind(metric), cosines)

    def _per_sample(self, entry: Entry, kind: str, read: Any) -> np.ndarray:
        """`read(images, start)` for every sample of a cell, stored as it is made."""
        key = entry.cell.key
        gaps = self._store.missing(key, kind, entry.samples)
        if gaps:
            images = self._store.read(key, "images", entry.samples)["images"]
        for start, stop in gaps:
            for first in range(start, stop, _BATCH):
                batch = torch.from_numpy(images[first : min(first + _BATCH, stop)])
                self._store.write(key, kind, first, {"values": read(batch, first).cpu().numpy()})
        return self._store.read(key, kind, entry.samples)["values"]

    def _reference(self, metric: FrechetSettings, settings: MetricsSettings) -> FeatureStats:
        key = reference_key(metric, settings)
        if key not in self._references:
            self._references[key] = self._stored_reference(key, metric, settings)
        return self._references[key]

    def _stored_reference(
        self, key: str, metric: FrechetSettings, settings: MetricsSettings
    ) -> FeatureStats:
        stored = self._store.read_arrays(key, "statistics")
        if stored is None:
            stats = self._make_reference(metric, settings)
            with self._store.lock(key):
                self._store.write_arrays(key, "statistics", stats.to_arrays())
            return stats
        return FeatureStats.from_arrays(stored)

    def _make_reference(self, metric: FrechetSettings, settings: MetricsSettings) -> FeatureStats:
        if settings.reference.endswith(".npz"):
            return _given_statistics(existing(settings.reference, "reference"), settings)
        extract = self._extractor(metric)
        stats = FeatureStats.empty(extract.dim)
        for images in reference_images(settings):
            stats = stats.merge(FeatureStats.from_features(extract(torch.from_numpy(images)).cpu()))
        return stats

    def _extractor(self, metric: FrechetSettings | ClipSettings) -> Any:
        if metric not in self._extractors:
            try:
                self._extractors[metric] = _build(metric, self._device)
            except UnusableExtractor as error:
                raise UserError(str(error)) from error
        return self._extractors[metric]


def reference_images(settings: MetricsSettings) -> Iterator[np.ndarray]:
    """Batches [N, 3, H, W] uint8 of the reference distribution."""
    total = settings.reference_samples
    if settings.reference == "renders":
        for start in range(0, total, _BATCH):
            yield dataset(REFERENCE_SEED, start, min(start + _BATCH, total))[0]
        return
    folder = existing(settings.reference, "reference images")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if len(paths) < 2:
        raise UserError(f"metrics.reference={folder}: holds fewer than two images")
    for path in paths[:total]:
        yield _picture(path)[None]


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1).copy()


def _given_statistics(path: Path, settings: MetricsSettings) -> FeatureStats:
    """The usual mu and sigma of pytorch-fid. Raises UserError when the file has none."""
    arrays = np.load(path, allow_pickle=False)
    if not {"mu", "sigma"} <= set(arrays.files):
        raise UserError(f"metrics.reference={path}: has no mu and sigma, only {arrays.files}")
    count = settings.reference_samples
    scatter = np.asarray(arrays["sigma"], np.float64) * (count - 1)
    return FeatureStats.from_arrays(
        {"count": np.array([count]), "mean": arrays["mu"], "scatter": scatter}
    )


def _build(metric: FrechetSettings | ClipSettings, device: str) -> Any:
    if isinstance(metric, FrechetSettings) and metric.kind == "attributes":
        return attribute_extractor(resolve(metric.weights or ""), metric.name, device)
    if isinstance(metric, FrechetSettings) and metric.kind == "inception":
        return inception_extractor(resolve(metric.weights) if metric.weights else None, device)
    model, weights = open_clip_source(metric)
    return open_clip_scorer(model, weights, name=metric.name, device=device)


def open_clip_source(metric: FrechetSettings | ClipSettings) -> tuple[str, str | None]:
    """open_clip's own two arguments, with embedded folders resolved."""
    model = metric.model or ""
    if model.startswith(LOCAL_FOLDER):
        return f"{LOCAL_FOLDER}{resolve(model.removeprefix(LOCAL_FOLDER))}", None
    return model, metric.weights


def _record(estimate: Estimate) -> dict:
    return {"value": estimate.value, "influence": _floats(estimate.influence)}


def _floats(values: Iterable[float]) -> list[float]:
    return [float(value) for value in values]
