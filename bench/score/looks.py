"""What is read off stored images alone, and of what their prompts ask for."""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import load_prompts
from denoisebench.bench.paths import existing
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.store import Store
from denoisebench.bench.score.kinds import features_kind, looks_key
from denoisebench.bench.score.passes import Reader, in_parts
from denoisebench.bench.score.references import reference_batches
from denoisebench.bench.settings.job import Settings
from denoisebench.bench.settings.metrics import AccuracyMetric, AttributeSettings, ImageMetric
from denoisebench.bench.shapes.language import asked_for
from denoisebench.metrics.estimate import Estimate, mean_estimate
from denoisebench.metrics.images.colour import chroma, clipped
from denoisebench.metrics.images.spectrum import octave_power
from denoisebench.metrics.images.texture import banding, sharpness
from denoisebench.metrics.images.wasserstein import wasserstein_estimate, wasserstein_floor
from denoisebench.metrics.networks.attributes import AttributeNet, read_right
from denoisebench.metrics.networks.weights import UnusableExtractor, reading
from denoisebench.metrics.specs import octaves_of

_DISTANCE = "saturation_distance"  # of the numbers under saturation


def looks(images: Tensor) -> dict[str, Tensor]:
    """All that is read off images [N, 3, H, W] uint8 alone, each [N] float64."""
    power = octave_power(images, octaves_of(*images.shape[-2:]))
    return {
        **{f"power_octave_{k}": octave for k, octave in enumerate(power.unbind(1), 1)},
        "sharpness": sharpness(images),
        "banding": banding(images),
        "saturation": chroma(images),
        "clipped": clipped(images),
    }


class ImageScorer:
    """Keeps the attribute networks, and what was read off the reference images."""

    def __init__(self, store: Store, device: str):
        self._store, self._device = store, device
        self._networks: dict[AttributeSettings, AttributeNet] = {}
        self._references: dict[str, dict[str, np.ndarray]] = {}

    def estimate(
        self,
        entry: Entry,
        metric: ImageMetric | AccuracyMetric,
        settings: Settings,
        clusters: np.ndarray | None,
    ) -> tuple[Estimate, dict]:
        """The estimate from what the metric's reader made, and what else its record says."""
        values = self._store.read(entry.cell.key, features_kind(metric), entry.samples, entry.first)
        if isinstance(metric, AccuracyMetric):
            return mean_estimate(values[metric.kind], clusters), {}
        name = "saturation" if metric.metric == _DISTANCE else metric.metric
        if not metric.is_compared:
            return mean_estimate(values[name], clusters), {}
        reference = self._reference(settings)[name]
        if metric.metric == _DISTANCE:
            floor = wasserstein_floor(reference, entry.scored)
            return wasserstein_estimate(values[name], reference, clusters), {"floor": floor}
        return mean_estimate(values[name] - reference.mean(), clusters), {}

    def network(self, of: AttributeSettings) -> AttributeNet:
        """Raises UserError for a file that cannot be used."""
        if of not in self._networks:
            path = existing(of.weights, "weights of metrics.accuracy")
            try:
                with reading(path):
                    self._networks[of] = AttributeNet.load(path).to(self._device)
            except UnusableExtractor as error:
                raise UserError(str(error)) from error
        return self._networks[of]

    def reader(self, metric: ImageMetric | AccuracyMetric, settings: Settings) -> Reader:
        """Makes the shards of the metric's kind, which it shares with its like."""
        if isinstance(metric, ImageMetric):
            return partial(in_parts, self._looks)
        return partial(in_parts, self._attributes(metric.network, settings))

    def _looks(self, images: Tensor, _: int) -> dict[str, Tensor]:
        return looks(images.to(self._device))

    def _attributes(self, of: AttributeSettings, settings: Settings) -> Reader:
        prompts = load_prompts(**settings.prompts.source, samples=settings.samples)

        def right(images: Tensor, start: int) -> dict[str, Tensor]:
            network = self.network(of)
            logits = network.logits(network(images.to(self._device)))
            asked = asked_for(prompts[start : start + len(images)])
            return read_right(
                logits, {n: torch.from_numpy(v).to(self._device) for n, v in asked.items()}
            )

        return right

    def _reference(self, settings: Settings) -> dict[str, np.ndarray]:
        """What is read off each reference image, [m] by name."""
        size = (settings.model.width, settings.model.height)
        key = looks_key(settings.metrics, size)
        if key not in self._references:
            with self._store.lock(key):
                stored = self._store.read_arrays(key, "looks")
                if stored is None:
                    count = settings.metrics.reference_samples
                    batches = map(
                        torch.from_numpy, reference_batches(settings.metrics, 0, count, size)
                    )
                    parts = [in_parts(self._looks, images) for images in batches]
                    stored = {n: torch.cat([p[n] for p in parts]).cpu().numpy() for n in parts[0]}
                    self._store.write_arrays(key, "looks", stored)
            self._references[key] = stored
        return self._references[key]
