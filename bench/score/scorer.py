"""Stored images to stored features to stored estimates."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial, reduce
from itertools import chain
from typing import Any

import numpy as np
import torch

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.images import Inputs, input_names, load_inputs
from denoisebench.bench.paths import CLOSED_FORM, LOCAL_FOLDER, existing, resolve
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.kinds import (
    converged_kind,
    convergence_columns,
    features_kind,
    measured,
    reference_key,
)
from denoisebench.bench.score.looks import ImageScorer
from denoisebench.bench.score.passes import Reader, in_parts, read_once
from denoisebench.bench.score.references import given_moments, reference_batches
from denoisebench.bench.settings.job import Settings
from denoisebench.bench.settings.metrics import (
    FEATURE_MEASURES,
    AccuracyMetric,
    ClipSettings,
    FeatureMetric,
    FidelityMetric,
    FrechetSettings,
    ImageMetric,
    Metric,
    MetricsSettings,
)
from denoisebench.metrics.estimate import Estimate, clusters_of, mean_estimate
from denoisebench.metrics.features.alignment import clip_s_estimate, clip_score_estimate
from denoisebench.metrics.features.frechet import FeatureStats, frechet_floor, frechet_record
from denoisebench.metrics.features.kernel import (
    KernelReference,
    cmmd_estimate,
    cmmd_reference,
    kernel_distance_estimate,
    kernel_reference,
)
from denoisebench.metrics.features.manifold import (
    ManifoldEstimates,
    ManifoldReference,
    manifold_estimates,
)
from denoisebench.metrics.images.colour import delta_e
from denoisebench.metrics.images.fidelity import (
    feature_cosine,
    latent_rmse,
    lpips,
    lpips_network,
    psnr,
    region_rmse,
    regions_of,
    seam_jump,
    ssim,
)
from denoisebench.metrics.networks.dinov2 import DINOV2, dinov2_extractor
from denoisebench.metrics.networks.extractors import (
    attribute_extractor,
    inception_extractor,
    open_clip_scorer,
    pixel_extractor,
)
from denoisebench.metrics.networks.weights import UnusableExtractor

Source = FrechetSettings | ClipSettings | FidelityMetric  # names a network
Encode = Callable[[torch.Tensor], torch.Tensor]  # images [N, 3, H, W] uint8 to latents [N, ...]
Prepare = Callable[[torch.Tensor], KernelReference | ManifoldReference]
Compare = Callable[..., torch.Tensor]  # of outputs, inputs and, if it has one, its network
_FORMULAS: dict[str, Compare] = {"psnr": psnr, "ssim": ssim, "delta_e": delta_e}
_BY_NETWORK: dict[str, Compare] = {
    "latent_rmse": latent_rmse,
    "cosine": feature_cosine,
    "chance": feature_cosine,
    "lpips": lpips,
}
_LOADED = ("lpips", *FEATURE_MEASURES)  # latents are of the pipeline's own network


class Scorer:
    """Keeps extractors, embedded prompts and reference statistics warm."""

    def __init__(self, store: Store, device: str):
        self._store, self._device = store, device
        self._extractors: dict[Source, Any] = {}
        self._references: dict[tuple, Any] = {}  # by key and what is made of it
        self._manifold: tuple[tuple, ManifoldEstimates] | None = None  # four metrics of one cell
        self._texts: dict[tuple, torch.Tensor] = {}
        self._images = ImageScorer(store, device)

    def warm_up(self, metrics: Iterable[Metric]) -> None:
        """Loads every network now, so that memory measured later does not depend on the order."""
        for metric in metrics:
            if isinstance(metric, AccuracyMetric):
                self._images.network(metric.network)
            elif isinstance(metric, FrechetSettings | ClipSettings | FeatureMetric):
                self._extractor(_source(metric))
            elif isinstance(metric, FidelityMetric) and metric.measure in _LOADED:
                self._extractor(metric.extractor or metric)

    def score(
        self,
        entry: Entry,
        metric: Metric,
        settings: Settings,
        prompts: tuple[str, ...],
        encode: Encode,
    ) -> None:
        """Makes one estimate of one cell, from stored features where they are stored.

        It is of the entry's samples from its first on; all are generated, and read by extractors.
        One pass over stored images makes what any metric of the entry lacks of them.

        Samples of one prompt, or of one input where those repeat sooner, are one independent unit,
        see metrics.estimate. encode is the model's VAE, called only by the metric that needs it.
        """
        clusters = clusters_of(_units(prompts, input_names(settings))[entry.first :])
        record: dict[str, object] = {}
        if self._store.missing(entry.cell.key, features_kind(metric), entry.samples):
            readers = self._readers(entry, settings, prompts, encode)
            read_once(self._store, entry.cell.key, entry.samples, readers)
        if isinstance(metric, FrechetSettings):
            reference = self._statistics(metric, settings.metrics)
            found = frechet_record(self._features(entry, metric), reference, clusters)
            estimate, record = found.estimate, {"raw": found.raw, "features": reference.dim}
            record["floor"] = frechet_floor(reference, entry.scored)
            if np.isfinite(found.infinity):
                record["infinity"] = found.infinity
        elif isinstance(metric, ClipSettings):
            estimate = clip_score_estimate(self._values(entry, metric), clusters)
        elif isinstance(metric, FeatureMetric):
            estimate = self._of_features(entry, metric, settings.metrics, clusters)
        elif isinstance(metric, ImageMetric | AccuracyMetric):
            estimate, told = self._images.estimate(entry, metric, settings, clusters)
            record |= told
        else:
            estimate = _mean(self._values(entry, metric), metric.metric, clusters)
        self._write(entry, metric.metric, estimate, record)

    def converge(
        self,
        entry: Entry,
        trajectory: Entry,
        settings: Settings,
        prompts: tuple[str, ...],
        encode: Encode,
    ) -> None:
        """Makes the estimates of how close a cell's first samples are to a reference trajectory."""
        key, samples, columns = entry.cell.key, trajectory.samples, convergence_columns(settings)
        kind = converged_kind(settings, trajectory.cell)

        def compared(images: torch.Tensor, start: int) -> dict[str, torch.Tensor]:
            stop = start + len(images)
            ends = self._store.read(trajectory.cell.key, "images", stop, start)["images"]
            metrics = {c: FidelityMetric(measure=c.removesuffix("_converged")) for c in columns}
            return {
                column: self._compared(metric, images, Inputs(ends, None), encode)
                for column, metric in metrics.items()
            }

        read_once(self._store, key, samples, {kind: partial(in_parts, compared)})
        values = self._store.read(key, kind, samples)
        inputs = input_names(settings)
        clusters = clusters_of(_units(prompts[:samples], inputs and inputs[:samples]))
        for column in columns:
            self._write(entry, column, _mean(values[column], column, clusters), {})

    def _write(self, entry: Entry, column: str, estimate: Estimate, told: dict) -> None:
        """The record of an estimate, with what else there is to tell."""
        record = {**told, "value": estimate.value, "influence": estimate.influence.tolist()}
        if estimate.clusters is not None:
            record["clusters"] = estimate.clusters.tolist()
        self._store.write_record(entry.cell.key, entry.metrics[column], record)

    def _of_features(
        self,
        entry: Entry,
        metric: FeatureMetric,
        settings: MetricsSettings,
        clusters: np.ndarray | None,
    ) -> Estimate:
        if metric.measure == "clip_s":
            return clip_s_estimate(self._values(entry, metric), clusters)
        if metric.measure == "kernel":
            held = self._reference(metric, settings, kernel_reference)
            return kernel_distance_estimate(self._features(entry, metric), held, clusters)
        if metric.measure == "cmmd":
            held = self._reference(metric, settings, cmmd_reference)
            return cmmd_estimate(self._features(entry, metric), held, clusters)
        cell = (entry.cell.key, entry.first, entry.samples, metric.source)
        if self._manifold is None or self._manifold[0] != cell:
            reached = self._reference(metric, settings, ManifoldReference.from_features)
            features = self._features(entry, metric)
            self._manifold = cell, manifold_estimates(features, reached, clusters)
        return getattr(self._manifold[1], metric.measure)

    def _features(self, entry: Entry, metric: FrechetSettings | FeatureMetric) -> torch.Tensor:
        """Stored features or embeddings [N, D] of a cell's images."""
        return torch.from_numpy(self._values(entry, metric))

    def _values(self, entry: Entry, metric: Metric) -> np.ndarray:
        """What a network or a comparison made of each image, from the entry's first on."""
        key, kind = entry.cell.key, features_kind(metric)
        return self._store.read(key, kind, entry.samples, entry.first)["values"]

    def _readers(
        self, entry: Entry, settings: Settings, prompts: tuple[str, ...], encode: Encode
    ) -> dict[str, Reader]:
        """By the kind of shard that each makes, of all that the entry asks for."""
        found: dict[str, Reader] = {}
        for name, metric in measured(settings).items():
            if name not in entry.metrics:
                continue
            if isinstance(metric, ImageMetric | AccuracyMetric):
                found[features_kind(metric)] = self._images.reader(metric, settings)
            elif isinstance(metric, FidelityMetric):
                found[features_kind(metric)] = self._fidelity(metric, settings, encode)
            else:
                found |= self._extracting(entry, metric, settings.metrics, prompts)
        return found

    def _extracting(
        self,
        entry: Entry,
        metric: FrechetSettings | ClipSettings | FeatureMetric,
        settings: MetricsSettings,
        prompts: tuple[str, ...],
    ) -> dict[str, Reader]:
        """Of features, or of cosines: those of a network that CMMD needs embeddings of are of
        these, which are stored first."""
        source, kind = _source(metric), features_kind(metric)

        def features(images: torch.Tensor, _: int) -> dict[str, torch.Tensor]:
            return {"values": self._extractor(source)(images)}

        if not isinstance(source, ClipSettings) or kind != features_kind(source):
            return {kind: features}
        if source not in settings.cmmd:
            return {kind: self._cosines(source, prompts, features)}
        embedded = features_kind(FeatureMetric(measure="cmmd", source=source))

        def stored(images: torch.Tensor, start: int) -> dict[str, torch.Tensor]:
            there = self._store.read(entry.cell.key, embedded, start + len(images), start)
            return {"values": torch.from_numpy(there["values"])}

        return {embedded: features, kind: self._cosines(source, prompts, stored)}

    def _cosines(
        self, metric: ClipSettings, prompts: tuple[str, ...], embeddings: Reader
    ) -> Reader:
        """Between each image and its prompt."""

        def cosines(images: torch.Tensor, start: int) -> dict[str, torch.Tensor]:
            if (metric, prompts) not in self._texts:
                embed = self._extractor(metric).embed_text
                self._texts[metric, prompts] = embed(list(prompts))
            texts = self._texts[metric, prompts][start : start + len(images)]
            return {"values": (embeddings(images, start)["values"].to(texts) * texts).sum(1)}

        return cosines

    def _fidelity(self, metric: FidelityMetric, settings: Settings, encode: Encode) -> Reader:
        further = 1 if metric.measure == "chance" else 0

        def values(images: torch.Tensor, start: int) -> dict[str, torch.Tensor]:
            first = start + further
            given = load_inputs(settings, first, first + len(images))
            assert given is not None  # of_task gives no such metric to txt2img
            return {"values": self._compared(metric, images, given, encode)}

        return partial(in_parts, values)

    def _compared(
        self, metric: FidelityMetric, images: torch.Tensor, given: Inputs, encode: Encode
    ) -> torch.Tensor:
        measure, outputs = metric.measure, images.to(self._device)
        inputs = torch.from_numpy(given.images).to(self._device)
        if measure in _FORMULAS:
            return _FORMULAS[measure](outputs, inputs)
        if measure in _BY_NETWORK:
            network = (
                encode if measure == "latent_rmse" else self._extractor(metric.extractor or metric)
            )
            return _BY_NETWORK[measure](outputs, inputs, network)
        masks = torch.from_numpy(given.masks).to(self._device)
        if measure == "seam_jump":
            return seam_jump(outputs, inputs, masks)
        region = getattr(regions_of(masks), measure.removeprefix("rmse_"))
        return region_rmse(outputs, inputs, region)

    def _reference(
        self, metric: FrechetSettings | FeatureMetric, settings: MetricsSettings, prepare: Prepare
    ) -> Any:
        """What a distance makes of the reference's features, made once."""
        key = (reference_key(metric, settings), settings.reference_features, prepare)
        if key not in self._references:
            self._references[key] = prepare(self._reference_features(metric, settings))
        return self._references[key]

    def _statistics(self, metric: FrechetSettings, settings: MetricsSettings) -> FeatureStats:
        key = (reference_key(metric, settings), "statistics")
        if key not in self._references:
            # Where features are kept, their images are read once for both.
            kept = settings.needs_reference_features
            first = [self._reference_features(metric, settings)] if kept else []

            def make() -> dict[str, np.ndarray]:
                return self._make_statistics(metric, settings, first).to_arrays()

            self._references[key] = FeatureStats.from_arrays(self._kept(*key, make))
        return self._references[key]

    def _make_statistics(
        self, metric: FrechetSettings, settings: MetricsSettings, first: list[torch.Tensor]
    ) -> FeatureStats:
        """first: features of the first images."""
        source, count = settings.reference, settings.reference_samples
        if source.startswith(CLOSED_FORM):
            from denoisebench.bench.models.closed_form import exact_moments

            return FeatureStats.from_moments(*exact_moments(source.removeprefix(CLOSED_FORM)))
        if source.endswith(".npz"):
            return FeatureStats.from_moments(*given_moments(existing(source, "reference")), count)
        rest = self._extracted(metric, settings, sum(map(len, first)), count)
        return reduce(FeatureStats.merge, map(FeatureStats.from_features, chain(first, rest)))

    def _reference_features(
        self, metric: FrechetSettings | FeatureMetric, settings: MetricsSettings
    ) -> torch.Tensor:
        """Of the first images of the reference, [M, D] float32."""
        key, count = reference_key(metric, settings), settings.reference_features

        def make() -> dict[str, np.ndarray]:
            return {"values": torch.cat([*self._extracted(metric, settings, 0, count)]).numpy()}

        return torch.from_numpy(self._kept(key, f"features_{count}", make)["values"])

    def _kept(self, key: str, kind: str, make: Callable[[], dict]) -> dict[str, np.ndarray]:
        """Arrays of a reference from the store, made when they are not there."""
        with self._store.lock(key):
            stored = self._store.read_arrays(key, kind)
            if stored is None:
                stored = make()
                self._store.write_arrays(key, kind, stored)
        return stored

    def _extracted(
        self,
        metric: FrechetSettings | FeatureMetric,
        settings: MetricsSettings,
        first: int,
        last: int,
    ) -> Iterator[torch.Tensor]:
        extract = self._extractor(_source(metric))
        for images in reference_batches(settings, first, last):
            yield extract(torch.from_numpy(images)).cpu()

    def _extractor(self, metric: Source) -> Any:
        if metric not in self._extractors:
            try:
                self._extractors[metric] = _build(metric, self._device)
            except UnusableExtractor as error:
                raise UserError(str(error)) from error
        return self._extractors[metric]


def _source(metric: FrechetSettings | ClipSettings | FeatureMetric | FidelityMetric) -> Source:
    """What the metric's network is named by."""
    return metric.source if isinstance(metric, FeatureMetric) else metric


def _units(prompts: tuple[str, ...], inputs: list[str] | None) -> Sequence[str]:
    """Names of what is independent: the prompts, or the inputs where fewer of those differ."""
    if inputs is None or len(set(inputs)) >= len(set(prompts)):
        return prompts
    return inputs


def _mean(values: np.ndarray, column: str, clusters: np.ndarray | None) -> Estimate:
    broken = int(np.sum(~np.isfinite(values)))
    if broken:
        raise ValueError(f"{column} of {broken} of {len(values)} samples is not finite")
    return mean_estimate(values, clusters)


def _build(metric: Source, device: str) -> Any:
    if isinstance(metric, FidelityMetric):
        return lpips_network(device)
    if isinstance(metric, FrechetSettings) and metric.kind == "pixels":
        return pixel_extractor(metric.name, device)
    if isinstance(metric, FrechetSettings) and metric.kind == "attributes":
        return attribute_extractor(resolve(metric.weights or ""), metric.name, device)
    if isinstance(metric, FrechetSettings) and metric.kind == "inception":
        return inception_extractor(resolve(metric.weights) if metric.weights else None, device)
    if isinstance(metric, FrechetSettings) and metric.kind == "dinov2":
        return dinov2_extractor(metric.model or DINOV2, metric.name, device)
    model, weights = _open_clip_source(metric)
    return open_clip_scorer(model, weights, name=metric.name, device=device)


def _open_clip_source(metric: FrechetSettings | ClipSettings) -> tuple[str, str | None]:
    """open_clip's own two arguments, with embedded folders resolved."""
    model = metric.model or ""
    if model.startswith(LOCAL_FOLDER):
        return f"{LOCAL_FOLDER}{resolve(model.removeprefix(LOCAL_FOLDER))}", None
    return model, metric.weights
