"""The composed config of one job, checked: types, ranges, no unknown keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import conf_group
from denoisebench.metrics.specs import DENSITY_NEIGHBOURS, metric_spec


def _rising(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] >= interval[1]:
        raise ValueError("give the lower noise level first")
    return interval


_Count = Annotated[int, Field(strict=True, ge=1)]
_NotNegative = Annotated[int, Field(strict=True, ge=0)]
_Weight = Annotated[float, Field(ge=0)]  # of guidance
_Strength = Annotated[float, Field(gt=0, le=1)]
_Level = Annotated[float, Field(ge=0)]
_Interval = Annotated[tuple[_Level, _Level], AfterValidator(_rising)]  # above one, up to the other
_Name = Annotated[str, Field(min_length=1, pattern=r"^\w[\w.\-+]*$")]


# What to give where a config waits for the user.
_CURES = {
    "model.path": "give the folder of a pipeline, a .safetensors file or an id of the hub",
    "prompts.path": "give a file of prompts, and with prompts.column the field that holds them",
    "metrics.reference": "give a folder of images or an .npz with mu and sigma, or choose "
    "metrics=clip or none",
}
_GIVE = "give it one"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSettings(_Strict):
    name: _Name
    path: str
    height: _Count
    width: _Count
    dtype: Literal["float32", "bfloat16", "float16"]
    revision: str | None = None  # of a hub id: commit hash, tag or branch
    variant: str | None = None  # of weight files, such as fp16
    config: str | None = None  # of a single file: folder or hub id of the pipeline's configs
    lora: str | None = None  # file, folder or hub id
    lora_file: str = "pytorch_lora_weights.safetensors"  # in that folder or repository
    lora_revision: str | None = None
    distilled: bool | None = None  # None: read off the model's own scheduler
    guidance_form: Literal["standard", "offset", "embedded", "true_cfg", "ignored"] | None = None
    weights: Literal["trained", "random"] = "trained"  # random: for latency, from configs alone
    trust_remote_code: bool = False
    call: dict[str, bool | int | float | str] = {}  # further arguments of the pipeline's call


class SchedulerSettings(_Strict):
    name: _Name  # in the catalogue, or the user's own for a base with flags
    base: str | None = None
    flags: dict[str, bool | int | float | str | None] = {}  # of the class, over the base's

    @property
    def of(self) -> str:
        """The entry of the catalogue that the flags are laid over."""
        return self.base or self.name


class TaskSettings(_Strict):
    """What a pipeline starts from; bench/inputs.py says what images and masks may be."""

    name: Literal["txt2img", "img2img", "inpaint"]
    images: str | None = None
    masks: str | None = None


class PromptSettings(_Strict):
    name: _Name | None  # None: the file's own name
    path: str | None
    column: str | None
    split: str | None = None  # of a data set on the hub
    revision: str | None = None  # of the same
    shuffle: _NotNegative | None = None  # seed of a random order; None: their own

    @property
    def source(self) -> dict[str, Any]:
        """What bench.prompts reads the texts from."""
        return self.model_dump(exclude={"name"})

    @property
    def label(self) -> str:
        return self.name or Path(self.path or "prompts").stem


class FrechetSettings(_Strict):
    """A Fréchet distance: its column is fid for kind inception, else fd_<name>."""

    name: _Name
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


class ClipSettings(_Strict):
    """A CLIP score by an open_clip model; its column is clip_score_<name>."""

    name: _Name
    model: str
    weights: str | None = None

    @property
    def metric(self) -> str:
        return f"clip_score_{self.name}"


class FeatureMetric(_Strict):
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


class FidelityMetric(_Strict):
    """How close images are to their inputs: whole ones by one of metrics/fidelity.py's measures, or
    one region of theirs."""

    measure: str
    extractor: FrechetSettings | None = None  # of cosines: whose features are compared

    @property
    def metric(self) -> str:
        if self.measure in _REGION_MEASURES:
            return self.measure
        source = f"_{self.extractor.name}" if self.extractor else ""
        return f"{self.measure}{source}_input"


class ImageMetric(_Strict):
    """A number that is read off each image alone, by its column; bench/image_scores.py."""

    metric: str

    @property
    def is_compared(self) -> bool:
        """Whether it is told against the images of metrics.reference."""
        return self.metric not in ("banding", "clipped")


class AttributeSettings(_Strict):
    """The network that reads attributes of the embedded world."""

    weights: str


class AccuracyMetric(_Strict):
    """The share of attributes asked for that a network reads in the image: all, or of a kind."""

    network: AttributeSettings
    kind: str

    @property
    def metric(self) -> str:
        return "accuracy" if self.kind == "all" else f"accuracy_{self.kind}"


Metric = (
    FrechetSettings | ClipSettings | FeatureMetric | FidelityMetric | ImageMetric | AccuracyMetric
)
_ATTRIBUTES = ("all", "shape", "colour", "texture", "size", "background", "layout")
FEATURE_MEASURES = ("cosine", "chance")  # chance: the cosine to the input of the next sample
_REGION_MEASURES = ("rmse_masked", "rmse_seam", "rmse_preserved", "seam_jump")


class MetricsSettings(_Strict):
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
    convergence_steps: _Count = 200  # or fewer, so that they divide the model's timesteps
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
            chosen += [AccuracyMetric(network=self.accuracy, kind=kind) for kind in _ATTRIBUTES]
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
                yield from (FidelityMetric(measure=region) for region in _REGION_MEASURES)


class TrackingSettings(_Strict):
    kind: Literal["mlflow", "none"]
    uri: str | None = None
    experiment: str = "denoisebench"
    pack: bool = False  # with what a later check needs
    baseline: Annotated[str, Field(pattern=r"^[^@/:]+@[^@/:]+$")] | None = None  # NAME@ALIAS


class Margin(_Strict):
    """The loss of a metric that does not matter."""

    absolute: Annotated[float, Field(gt=0)] | None = None  # in its units
    relative: Annotated[float, Field(gt=0)] | None = None  # share of the other cell's value

    @model_validator(mode="after")
    def _is_one(self) -> "Margin":
        if (self.absolute is None) == (self.relative is None):
            raise ValueError("a margin is either absolute or relative: set the other to null")
        return self


class Slower(_Strict):
    """How much more time, energy and memory a check allows: ratios - 1; None is not held against
    anything."""

    latency: Annotated[float, Field(gt=0)] | None = 0.05
    text: Annotated[float, Field(gt=0)] | None = 0.25
    denoise: Annotated[float, Field(gt=0)] | None = 0.05
    decode: Annotated[float, Field(gt=0)] | None = 0.25
    energy: Annotated[float, Field(gt=0)] | None = 0.1
    memory: Annotated[float, Field(gt=0)] | None = 0.1


class Drift(_Strict):
    """How many images a check allows to move, and how far an image goes before it counts: squared
    distance of features, as a share of that between two images at random."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    beyond: Annotated[float, Field(ge=0)] = 2e-6
    elsewhere: Annotated[float, Field(ge=0)] = 1e-5  # on another processor, which rounds otherwise
    coarse: Annotated[float, Field(ge=0)] = 1e-4  # on an accelerator, or in half precision


class MarginsSettings(_Strict):
    """Which metrics decide, by column or by how columns begin."""

    name: _Name
    gating: dict[str, Margin]
    slower: Slower = Slower()
    drift: Drift | None = Drift()

    @field_validator("gating")
    @classmethod
    def _are_losses(cls, gating: dict[str, Margin]) -> dict[str, Margin]:
        for name in gating:
            try:
                spec = metric_spec(name)
            except KeyError as error:
                raise ValueError(
                    f"no metric is called {name}; see denoisebench list metrics"
                ) from error
            if spec.is_signed:
                raise ValueError(
                    f"{name} is best at zero, so that no cell is better by being lower"
                )
        return gating


class SamplingSettings(_Strict):
    """How many samples each cell gets: see metrics/racing.py for a race."""

    name: Literal["fixed", "race"]
    first: _Count = 64  # samples of a race's first rung
    rungs_per_doubling: _Count = 4
    confirm: _Count = 256  # fresh samples, at least, that its winner is confirmed on


class ClaimsSettings(_Strict):
    """Who plays which part in the statements that reports/claims.py tests."""

    diffusion: _Name  # models
    flow: _Name
    distilled: _Name
    naive: _Name  # schedulers of the first: of first order,
    solver: _Name  # of higher order,
    noisy: _Name  # with noise in every step,
    matched: _Name  # and one that can be put on the matched grid
    flow_solver: _Name  # of the flow
    distilled_solver: _Name
    few: _Count  # steps
    some: _Count
    usual: _Count
    many: _Count
    guidance: _Weight
    flow_guidance: _Weight
    distilled_guidance: _Weight
    low_guidance: _Weight
    high_guidance: _Weight
    low_strength: _Strength
    high_strength: _Strength


class LatencySettings(_Strict):
    batch_size: _Count
    warmup_runs: _NotNegative
    timed_runs: _NotNegative  # 0 leaves the pass out


class Settings(_Strict):
    """One job of a sweep."""

    model: ModelSettings
    scheduler: SchedulerSettings
    task: TaskSettings
    prompts: PromptSettings
    metrics: MetricsSettings
    tracking: TrackingSettings
    sampling: SamplingSettings = SamplingSettings(name="fixed")
    latency: LatencySettings
    margins: MarginsSettings = MarginsSettings(name="none", gating={})
    claims: ClaimsSettings | None = None
    steps: _Count
    guidance: _Weight
    guidance_rescale: Annotated[float, Field(ge=0, le=1)] = 0.0
    guidance_interval: _Interval | None = None
    negative_prompt: str = ""
    strength: _Strength = 1.0  # of img2img and inpaint
    latents: str | None = None  # .npy of the noise that every sample starts from; None: its own
    grid: Literal["native", "matched"] = "native"
    seed: _NotNegative
    samples: Annotated[int, Field(strict=True, ge=2, le=10_000_000)]
    batch_size: _Count
    device: Literal["auto", "cpu", "cuda"]
    threads: _NotNegative
    runs: str
    run: _Name | None
    store: str | None
    dry_run: bool


def check_settings(config: dict) -> tuple[Settings | None, list[str]]:
    """The settings, or None and every problem on a line of its own with its cure."""
    unset = [f"{name}: has no value yet; {_CURES.get(name, _GIVE)}" for name in _unset(config)]
    if unset:
        return None, unset
    try:
        return Settings(**config), []
    except ValidationError as error:
        return None, [config_problem(item) for item in error.errors()]


def tracking_settings(config: dict) -> TrackingSettings:
    """Raises UserError for a value or a name that there is not."""
    try:
        return TrackingSettings(**config)
    except ValidationError as error:
        raise UserError(
            "\n".join(f"tracking.{config_problem(i)}" for i in error.errors())
        ) from error


def margins_settings(name: str) -> MarginsSettings:
    """Of a file, or of a name in conf/margins. Raises UserError for what is neither."""
    known = {f.name.removesuffix(".yaml"): f for f in conf_group("margins").iterdir()}
    source = known.get(name, Path(name))
    try:
        return MarginsSettings(**yaml.safe_load(source.read_text()))
    except FileNotFoundError as error:
        raise UserError(
            f"--margins {name}: give a file, or one of {', '.join(sorted(known))}"
        ) from error
    except ValidationError as error:
        lines = (f"--margins {name}: {config_problem(item)}" for item in error.errors())
        raise UserError("\n".join(lines)) from error
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"--margins {name}: cannot be read as a YAML file of margins") from error


def margin_of(content: object) -> dict[str, float]:
    """One that was recorded. Raises ValueError (pydantic's) when it is none."""
    return Margin.model_validate(content).model_dump(exclude_none=True)


def _unset(config: dict, prefix: str = "") -> list[str]:
    """Names whose value is OmegaConf's ???: a config that waits for the user."""
    found = []
    for name, value in config.items():
        if isinstance(value, dict):
            found += _unset(value, f"{prefix}{name}.")
        elif value == "???":
            found.append(f"{prefix}{name}")
    return found


def config_problem(item) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{where}: there is no such setting; remove it"
    if item["type"] == "missing":
        return f"{where}: is missing; give it a value"
    message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    # Of a group of settings the message says which one; all of its values would bury that.
    value = "" if isinstance(item["input"], dict) else f"={item['input']}"
    return f"{where}{value}: {message[0].lower()}{message[1:]}"
