"""What is measured of images: conf/metrics as types."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from denoisebench.bench.settings.fields import Count, Name, Strict
from denoisebench.metrics.specs import DENSITY_NEIGHBOURS


class FrechetSettings(Strict):
    """A Fréchet distance: its column is fid for kind inception, else fd_<name>."""

    name: Name
    kind: Literal["attributes", "inception", "open_clip", "dinov2", "pixels"]
    model: str | None = None  # of open_clip; of dinov2 a folder or an id in the hub's cache
    weights: str | None = None

    @model_validator(mode="after")
    def _has_a_network(self) -> "FrechetSettings":
        needed = {"attributes": self.weights, "open_clip": self.model}
        if self.kind in needed and not needed[self.kind]:
            raise ValueError("attributes needs weights, open_clip needs model")
        return self

    @property
    def metric(self) -> str:
        return "fid" if self.kind == "inception" else f"fd_{self.name}"


class ClipSettings(Strict):
    """A CLIP score by an open_clip model; its column is clip_score_<name>."""

    name: Name
    model: str
    weights: str | None = None

    @property
    def metric(self) -> str:
        return f"clip_score_{self.name}"


class FeatureMetric(Strict):
    """What is read, beside its own metric, from an extractor's features or a CLIP's embeddings."""

    measure: Literal["kernel", "precision", "recall", "density", "coverage", "cmmd", "clip_s"]
    source: FrechetSettings | ClipSettings

    @property
    def metric(self) -> str:
        if self.measure != "kernel":
            return f"{self.measure}_{self.source.name}"
        return "kid" if self.source.metric == "fid" else f"kd_{self.source.name}"

    @property
    def needs_reference_features(self) -> bool:
        return self.measure != "clip_s"


class FidelityMetric(Strict):
    """How close images are to their inputs, whole ones or one region of theirs: by one of the
    measures of metrics/images/fidelity.py."""

    measure: str
    extractor: FrechetSettings | None = None  # of cosines: whose features are compared

    @property
    def metric(self) -> str:
        if self.measure in REGION_MEASURES:
            return self.measure
        source = f"_{self.extractor.name}" if self.extractor else ""
        return f"{self.measure}{source}_input"


class ImageMetric(Strict):
    """A number that is read off each image alone, by its column; bench/score/looks.py."""

    metric: str

    @property
    def is_compared(self) -> bool:
        """Whether it is told against the images of metrics.reference."""
        return self.metric not in ("banding", "clipped")


class AttributeSettings(Strict):
    """The network that reads attributes of the embedded world."""

    weights: str


class AccuracyMetric(Strict):
    """The share of attributes asked for that a network reads in the image: all, or of a kind."""

    network: AttributeSettings
    kind: str

    @property
    def metric(self) -> str:
        return "accuracy" if self.kind == "all" else f"accuracy_{self.kind}"


Metric = (
    FrechetSettings | ClipSettings | FeatureMetric | FidelityMetric | ImageMetric | AccuracyMetric
)


ATTRIBUTES = ("all", "shape", "colour", "texture", "size", "background", "layout")


FEATURE_MEASURES = ("cosine", "chance")  # chance: the cosine to the input of the next sample


REGION_MEASURES = ("rmse_masked", "rmse_seam", "rmse_preserved", "seam_jump")


class MetricsSettings(Strict):
    name: str
    reference: str
    reference_samples: Annotated[int, Field(strict=True, ge=2)]
    reference_features: Annotated[int, Field(strict=True, gt=DENSITY_NEIGHBOURS)] = 5000
    frechet: tuple[FrechetSettings, ...] = ()
    # Of the features of every extractor above. Kernel and manifold are held against the first
    # reference_features reference images, fd against the statistics of all.
    distances: tuple[Literal["fd", "kernel", "manifold"], ...] = ("fd",)
    cmmd: tuple[ClipSettings, ...] = ()
    clip_score: tuple[ClipSettings, ...] = ()
    clip_s: bool = False  # each CLIP score also as its authors define it
    # To the input, for tasks that have one; cosine and chance are of each Fréchet distance's
    # features, regions are those of inpainting.
    fidelity: tuple[
        Literal["psnr", "ssim", "latent_rmse", "delta_e", "cosine", "chance", "lpips", "regions"],
        ...,
    ] = ()
    # Of the images alone, without their prompts.
    images: tuple[Literal["spectrum", "sharpness", "banding", "saturation", "clipped"], ...] = ()
    accuracy: AttributeSettings | None = None  # for prompts of the embedded world
    # To what the same noise becomes in many steps, for schedulers that add none; of the first
    # samples, for a reference trajectory costs as much as many cells.
    convergence: tuple[Literal["psnr", "ssim", "latent_rmse", "delta_e", "lpips"], ...] = ()
    convergence_steps: Count = 200  # or fewer, so that they divide the model's timesteps
    convergence_samples: Annotated[int, Field(strict=True, ge=2)] = 64

    @model_validator(mode="after")
    def _has_distinct_columns(self) -> "MetricsSettings":
        if len(self.by_metric) < len([*self._chosen()]):
            raise ValueError("two metrics have the same column; give them different names")
        return self

    @property
    def by_metric(self) -> dict[str, Metric]:
        """What is measured of any images, by column name."""
        return {metric.metric: metric for metric in self._chosen()}

    @property
    def needs_reference_features(self) -> bool:
        """Of kernels and neighbours, statistics of the reference tell nothing."""
        chosen = [metric for metric in self._chosen() if isinstance(metric, FeatureMetric)]
        return any(metric.needs_reference_features for metric in chosen)

    def _chosen(self) -> Iterator[Metric]:
        for extractor in self.frechet:
            if "fd" in self.distances:
                yield extractor
            if "kernel" in self.distances:
                yield FeatureMetric(measure="kernel", source=extractor)
            if "manifold" in self.distances:
                yield FeatureMetric(measure="precision", source=extractor)
                yield FeatureMetric(measure="recall", source=extractor)
                yield FeatureMetric(measure="density", source=extractor)
                yield FeatureMetric(measure="coverage", source=extractor)
        yield from (FeatureMetric(measure="cmmd", source=clip) for clip in self.cmmd)
        yield from self.clip_score
        if self.clip_s:
            yield from (FeatureMetric(measure="clip_s", source=clip) for clip in self.clip_score)

    def of_task(self, task: str, octaves: int = 0) -> dict[str, Metric]:
        """What is measured of a task's images, by column name; octaves: how many they have."""
        chosen: list[Metric] = [] if task == "txt2img" else [*self._fidelity(task)]
        chosen += [ImageMetric(metric=column) for column in self._image_columns(octaves)]
        if self.accuracy:
            chosen += [AccuracyMetric(network=self.accuracy, kind=kind) for kind in ATTRIBUTES]
        return self.by_metric | {metric.metric: metric for metric in chosen}

    def _image_columns(self, octaves: int) -> Iterator[str]:
        for family in self.images:
            if family == "spectrum":
                yield from (f"power_octave_{k}" for k in range(1, octaves + 1))
            else:
                yield family
            if family == "saturation":
                yield "saturation_distance"

    def _fidelity(self, task: str) -> Iterator[FidelityMetric]:
        for measure in self.fidelity:
            if measure in FEATURE_MEASURES:
                yield from (FidelityMetric(measure=measure, extractor=e) for e in self.frechet)
            elif measure != "regions":
                yield FidelityMetric(measure=measure)
            elif task == "inpaint":
                yield from (FidelityMetric(measure=region) for region in REGION_MEASURES)
