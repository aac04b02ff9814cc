"""What is measured of images: conf/metrics as types."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from denoisebench.bench.errors import UserError
from denoisebench.bench.plugins.functions import own_function
from denoisebench.bench.settings.fields import Count, Name, Strict
from denoisebench.metrics.built_in import DENSITY_NEIGHBOURS, SPECS, MetricSpec
from denoisebench.metrics.specs import declare


class FrechetSettings(Strict):
    """A Fréchet distance: its column is fid for kind inception, else fd_<name>; fd_<name>_<K>d
    where it is of features on K directions."""

    name: Name
    kind: Literal[
        "attributes", "inception", "open_clip", "dinov2", "efficientnet_lite0", "pixels", "relief"
    ]
    model: str | None = None  # of open_clip; of dinov2 a folder or an id in the hub's cache
    weights: str | None = None
    # Fixed random directions that features are projected onto for the Fréchet distance alone; None:
    # all dimensions.
    project: Annotated[int, Field(strict=True, ge=2)] | None = None

    @model_validator(mode="after")
    def _has_a_network(self) -> "FrechetSettings":
        needed = {"attributes": self.weights, "open_clip": self.model}
        if self.kind in needed and not needed[self.kind]:
            raise ValueError("attributes needs weights, open_clip needs model")
        return self


class ClipSettings(Strict):
    """A CLIP score by an open_clip model; its column is clip_score_<name>."""

    name: Name
    model: str
    weights: str | None = None

    kind: ClassVar[str] = "open_clip"  # of network, as FrechetSettings names them


class AttributeSettings(Strict):
    """The network that reads attributes of the embedded world."""

    weights: str


def _image_number(name: str) -> str:
    """A number that is read off each image: spectrum stands for those of all octaves."""
    known = ["spectrum", *(name for name, spec in SPECS.items() if spec.function)]
    if name not in known:
        raise ValueError(f"must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}")
    return name


def _ordered_number(name: str) -> str:
    """The same, of those that are one number an image."""
    if name == "spectrum":
        raise ValueError("spectrum is several numbers; name one of an image")
    return _image_number(name)


ImageNumber = Annotated[str, AfterValidator(_image_number)]
OrderedNumber = Annotated[str, AfterValidator(_ordered_number)]


class OwnMetricSettings(Strict):
    """A function of the user's own; it is imported, and what it measures is known from then on."""

    function: str  # package.module:function, see docs/plugins.md
    python: str | None = None  # interpreter that runs it; None: this one

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, value: Any) -> Any:
        return {"function": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_a_metric(self) -> "OwnMetricSettings":
        try:
            own_function(self.function, self.python or "")
        except UserError as error:
            which = f"{self.function}: " if self.python else ""  # else the value is said
            raise ValueError(f"{which}{error}") from error
        return self


# Names of published models: a metric is called so with their weights alone.
_PUBLISHED = re.compile(r"(pick_?score|hps|aesthetic|laion)", re.IGNORECASE)


class HeadSettings(Strict):
    """What a CLIP model and a head make of an image; see docs/plugins.md. Its column is its
    name."""

    name: Name
    model: str
    weights: str | None = None
    head: str | None = None  # file of linear layers; None: the cosine of image and prompt
    scale: Annotated[float, Field(gt=0)] = 1.0
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None  # of the head's file,
    # else of the model's weights

    @property
    def clip(self) -> ClipSettings:
        """Its CLIP model."""
        return ClipSettings(name=self.name, model=self.model, weights=self.weights)

    @model_validator(mode="after")
    def _is_named_rightly(self) -> "HeadSettings":
        if _PUBLISHED.match(self.name) and not self.sha256:
            raise ValueError(
                f"{self.name} is the name of published weights: give sha256, as stated where they "
                "are published, or another name"
            )
        read = "linear layers on the image embeddings" if self.head else "cosine to the prompt"
        meaning = f"{read} of {self.model}" + (f", times {self.scale:g}" if self.scale != 1 else "")
        declare(self.name, MetricSpec(self.name, "", "higher", meaning))
        return self


class MetricsSettings(Strict):
    name: str
    optional: bool = False  # leave out, and say so, what this machine or the model lacks
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
    images: tuple[ImageNumber, ...] = ()
    order: tuple[OrderedNumber, ...] = ()  # of them, against prompts that are numbers
    own: tuple[OwnMetricSettings, ...] = ()  # a function's name, or one with its interpreter
    heads: tuple[HeadSettings, ...] = ()  # on CLIP models: preference, aesthetics
    accuracy: AttributeSettings | None = None  # for prompts of the embedded world
    # To what the same noise becomes in many steps, for schedulers that add none; of the first
    # samples, for a reference trajectory costs as much as many cells.
    convergence: tuple[Literal["psnr", "ssim", "latent_rmse", "delta_e", "lpips"], ...] = ()
    convergence_steps: Count = 200  # or fewer, so that they divide the model's timesteps
    convergence_samples: Annotated[int, Field(strict=True, ge=2)] = 64
