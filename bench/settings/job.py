"""The composed config of one job, checked: types, ranges, no unknown keys."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import file_name
from denoisebench.bench.settings.budget import MEASURED, USD, Budget, budget_of
from denoisebench.bench.settings.fields import (
    Count,
    Folder,
    Grid,
    Interval,
    Name,
    NotNegative,
    StorePlace,
    Strength,
    Strict,
    Weight,
    config_problem,
)
from denoisebench.bench.settings.hosted import HostedModel, HostedSettings
from denoisebench.bench.settings.margins import MarginsSettings
from denoisebench.bench.settings.metrics import MetricsSettings
from denoisebench.metrics.decide.speed import FEWEST

# What to give where a config waits for the user.
_CURES = {
    "model.path": "give the folder of a pipeline, a .safetensors file or an id of the hub",
    "prompts.path": "give a file of prompts, and with prompts.column the field that holds them",
    "metrics.reference": "give a folder of images or an .npz with mu and sigma, or choose "
    "metrics=clip or none",
}
_GIVE = "give it one"
_NOTHING = {"metrics.reference": "none"}


Dtype = Literal["float32", "bfloat16", "float16"]
Quantiser = Literal["int8wo", "int8dq", "fp8wo", "fp8"]  # of bench/models/quantised.py
Precision = Literal[Dtype, Quantiser]

# The forms that a user can name, of bench/records/guidance.py.
GuidanceForm = Literal[
    "standard",
    "separate",
    "offset",
    "offset_above_1",
    "embedded",
    "true_cfg",
    "ignored",
    "none",
]


class ModelSettings(Strict):
    name: Name  # null in a config: that of its files
    path: str
    height: Count | None = None  # pixels; None: what the pipeline makes unasked
    width: Count | None = None
    dtype: Dtype = "float32"
    hosted: HostedModel | None = None  # where a service runs it: its path is the address there
    revision: str | None = None  # of a hub id: commit hash, tag or branch
    variant: str | None = None  # of weight files, such as fp16
    config: str | None = None  # of a single file: folder or hub id of the pipeline's configs
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None  # of an ONNX file
    lora: str | None = None  # file, folder or hub id
    lora_file: str = "pytorch_lora_weights.safetensors"  # in that folder or repository
    lora_revision: str | None = None
    distilled: bool | None = None  # None: read off the model's own scheduler
    guidance_form: GuidanceForm | None = None
    weights: Literal["trained", "random"] = "trained"  # random: for latency, from configs alone
    trust_remote_code: bool = False
    call: dict[str, Any] = Field(default_factory=dict)  # of the pipeline; see plan/options.py
    # What of it the chosen files give; None: all. The launcher's, which merges them: no setting.
    call_of_files: dict[str, Any] | None = Field(default=None, exclude=True)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, which a plan knows: see bench/plan/completed.py."""
        if self.width is None or self.height is None:
            raise ValueError(f"the size of {self.name} is not known yet")
        return self.width, self.height

    @model_validator(mode="before")
    @classmethod
    def _has_a_name(cls, values: dict[str, Any]) -> dict[str, Any]:
        if isinstance(hosted := values.get("hosted"), dict) and "address" in hosted:
            values = {"path": hosted["address"], **values}
        if values.get("name") is not None:
            return values
        places = (values.get("path"), values.get("lora"))
        names = [file_name(place) for place in places if isinstance(place, str)]
        return {**values, "name": "+".join(names) or "model"}


class SchedulerSettings(Strict):
    model_config = ConfigDict(serialize_by_alias=True)

    name: Name  # in the catalogue, or the user's own for a base with flags or a class
    base: str | None = None
    # package.module:Class of the user's own, or its name in a package; see docs/plugins.md.
    class_: Annotated[str, Field(pattern=r"^[\w.\-]+(:\w+)?$")] | None = Field(None, alias="class")
    family: Literal["diffusion", "flow"] | None = None  # of such a class; None: read off it
    flags: dict[str, bool | int | float | str | None] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _has_a_name(cls, values: dict[str, Any]) -> dict[str, Any]:
        if isinstance(values.get("class"), str):
            return {"name": values["class"].rpartition(":")[2] or "class", **values}
        return values

    @model_validator(mode="after")
    def _is_one(self) -> "SchedulerSettings":
        if self.base and self.class_:
            raise ValueError("base and class are two schedulers: give one")
        if self.family and not self.class_:
            raise ValueError("family is that of a class of your own: give class too")
        return self

    @property
    def of(self) -> str:
        """The entry of the catalogue, or the class of the user's own, that flags are laid over."""
        return self.base or self.name


class CacheSettings(BaseModel):
    """A step cache, and options of bench/caches/catalogue.py under their own names: which cache
    has which is the plan's to say, as an axis of caches shares one list of options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "none"

    @property
    def options(self) -> dict[str, Any]:
        return {k: v for k, v in (self.model_extra or {}).items() if v is not None}


class TaskSettings(Strict):
    """What a pipeline starts from; bench/inputs/images.py says what images and masks may be."""

    name: Literal["txt2img", "img2img", "inpaint"]
    images: str | None = None
    masks: str | None = None


class PromptSettings(Strict):
    name: Name | None  # None: the file's own name
    path: str | None
    column: str | None
    format: Literal["wildcards"] | None = None  # of a .txt whose lines may be comments
    split: str | None = None  # of a data set on the hub
    revision: str | None = None  # of the same
    shuffle: NotNegative | None = None  # seed of a random order; None: their own
    # Labels of the model's classes. The plan's, which reads them off the model: no setting.
    classes: tuple[str, ...] = Field(default=(), exclude=True)
    # Texts that images of another program say, until their file is written: no setting.
    said: tuple[str, ...] = Field(default=(), exclude=True)

    @property
    def label(self) -> str:
        return self.name or Path(self.path or "prompts").stem


class TrackingSettings(Strict):
    """Trackers that get a copy of a run, as tracking=mlflow,tensorboard lays their files over each
    other."""

    mlflow: bool = False
    tensorboard: bool = False
    wandb: bool = False
    uri: str | None = None  # of MLflow
    experiment: str = "denoisebench"
    pack: bool = False  # with what a later check needs
    baseline: Annotated[str, Field(pattern=r"^[^@/:]+@[^@/:]+$")] | None = None  # NAME@ALIAS


class SamplingSettings(Strict):
    """How many samples each cell gets: see metrics/decide/racing.py for a race."""

    name: Literal["fixed", "race"]
    first: Count = 64  # samples of a race's first rung
    rungs_per_doubling: Count = 4
    confirm: Count = 256  # fresh samples, at least, that its winner is confirmed on


class ClaimsSettings(Strict):
    """Who plays which part in the statements that reports/claims/claims.py tests, in one world: a
    family of models, prompts and the metrics that read their images."""

    world: Name
    diffusion: Name  # models
    flow: Name | None
    distilled: Name | None
    cached: Name | None  # a flow of transformer blocks, on which step caches go
    unfair: str | None  # in what diffusion and flow differ beside the objective; None: in nothing
    naive: Name  # schedulers of the first: of first order,
    solver: Name | None  # of higher order,
    noisy: Name | None  # with noise in every step,
    two_stage: Name | None  # with two evaluations a step,
    karras: Name | None  # on other noise levels,
    matched: Name | None  # and one that can be put on the matched grid
    flow_solver: Name | None  # of the flow
    distilled_solver: Name | None
    few: Count  # steps
    some: Count
    usual: Count
    half: Count  # of enough
    enough: Count
    many: Count
    guidance: Weight
    flow_guidance: Weight
    distilled_guidance: Weight
    low_guidance: Weight | None
    high_guidance: Weight | None
    low_strength: Strength | None  # of images of 1024x1024 pixels
    high_strength: Strength | None
    low_equal: Strength | None  # those of as much noise in this world, in the most steps
    high_equal: Strength | None
    other_images: str  # as task.images: what the prompts do not ask for,
    own_images: str  # and what they do
    latent_pixels: Count  # along a side of what the denoiser sees
    evaluators: tuple[str, ...]  # columns of distances to real images; the first has a margin
    readers: tuple[str, ...]  # columns that say whether the prompt is followed; likewise
    # By part that nobody plays, why; by `looks`, why nothing is read off each image.
    absent: dict[str, str] = Field(default_factory=dict)
    second: bool = False  # whether this is the second run, of images for the first one's claims

    @model_validator(mode="after")
    def _says_why(self) -> "ClaimsSettings":
        nobody = {name for name, part in self if part is None or part == ()} - {"unfair"}
        if names := sorted(nobody ^ ({*self.absent} - {"looks"})):
            raise ValueError(
                f"{names[0]}: a part that is null needs its reason in absent, and no other has one"
            )
        return self


class LatencySettings(Strict):
    batch_size: Count
    warmup_runs: NotNegative
    timed_runs: NotNegative  # 0 leaves the pass out


class SlurmSettings(Strict):
    """What each worker asks SLURM for."""

    cluster: Literal["slurm", "local"] = "slurm"  # local: processes of this machine, to try it
    partition: str | None = None
    account: str | None = None
    minutes: Count = 240
    cpus: Count = 8  # where threads says nothing


class RaySettings(Strict):
    """Where Ray's workers are, and what each takes."""

    address: str | None = None  # of a running cluster; None starts one on this machine
    cpus: Count = 1  # where threads says nothing


def _checked_budget(text: str) -> str:
    return budget_of(text).text


class Settings(Strict):
    """One job of a sweep."""

    model: ModelSettings
    scheduler: SchedulerSettings
    task: TaskSettings
    prompts: PromptSettings
    metrics: MetricsSettings
    tracking: TrackingSettings
    sampling: SamplingSettings = SamplingSettings(name="fixed")
    latency: LatencySettings
    margins: MarginsSettings = Field(
        default_factory=lambda: MarginsSettings(name="none", gating={})
    )
    claims: ClaimsSettings | None = None
    budget: Annotated[str, BeforeValidator(str), AfterValidator(_checked_budget)] | None = None
    usd_per_hour: Annotated[float, Field(gt=0)] | None = None  # of the machine
    precision: Precision | None = None  # None: the number format of its model
    compile: Literal["off", "regional", "full"] = "off"
    cache: CacheSettings = CacheSettings()
    steps: Count
    guidance: Weight
    guidance_rescale: Annotated[float, Field(ge=0, le=1)] = 0.0
    guidance_interval: Interval | None = None
    negative_prompt: str = ""
    strength: Strength = 1.0  # of img2img and inpaint
    latents: str | None = None  # .npy of the noise that every sample starts from; None: its own
    grid: Grid = "native"
    seed: Annotated[NotNegative, Field(lt=2**63)]  # of a column of whole numbers
    samples: Annotated[int, Field(strict=True, ge=2, le=10_000_000)]
    batch_size: Count
    device: Literal["auto", "cpu", "cuda", "mps"]
    threads: Annotated[NotNegative, Field(le=1024)]
    # Processes that share the work; None: this one does it, 0: others, by `denoisebench work`.
    workers: Annotated[NotNegative, Field(le=1024)] | None = None
    launcher: Literal["here", "slurm", "ray"] = "here"  # where workers are started
    slurm: SlurmSettings = SlurmSettings()
    ray: RaySettings = RaySettings()
    hosted: HostedSettings = HostedSettings()
    runs: Folder
    run: Name | None
    store: StorePlace | None
    images: Literal["raw", "png"] = "raw"  # how the store keeps them
    dry_run: bool

    @property
    def spending(self) -> Budget | None:
        """The budget at which the best cells are chosen too."""
        return None if self.budget is None else budget_of(self.budget, self.usd_per_hour)

    @model_validator(mode="after")
    def _has_what_its_budget_needs(self) -> "Settings":
        budget = self.spending
        if budget is None:
            return self
        if not self.margins.gating:
            raise ValueError(f"budget={budget.text}: margins decide, and this sweep declares none")
        is_of_service = self.model.hosted is not None
        if budget.unit == USD and not (budget.usd_per_hour or is_of_service):
            raise ValueError(f"budget={budget.text}: give usd_per_hour=…, what the machine costs")
        if budget.unit in MEASURED and not is_of_service and self.latency.timed_runs < FEWEST:
            raise ValueError(
                f"budget={budget.text}: the error of a time takes latency.timed_runs={FEWEST} "
                f"at least; it is {self.latency.timed_runs}"
            )
        return self

    @property
    def dtype(self) -> str:
        """Number format of the pipeline, as a cell holds it: `bfloat16`, or `bfloat16+int8wo`."""
        own, precision = self.model.dtype, self.precision
        if precision is None or precision in get_args(Dtype):
            return precision or own
        return f"{own}+{precision}"

    @property
    def quantiser(self) -> str:
        """How the weights of the denoiser are quantised; empty when they are not."""
        return self.dtype.partition("+")[2]


def check_settings(config: dict[str, Any]) -> tuple[Settings | None, list[str]]:
    """The settings, or None and every problem on a line of its own with its cure."""
    unset = [f"{name}: has no value yet; {_CURES.get(name, _GIVE)}" for name in _unset(config)]
    if unset:
        return None, unset
    try:
        return Settings(**config), []
    except ValidationError as error:
        return None, [config_problem(item, Settings) for item in error.errors()]


def without_unset(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The config with nothing where it waits for the user, and a line for each such value."""
    unset = _unset(config)
    filled = {
        group: {
            name: _NOTHING.get(f"{group}.{name}", "") if f"{group}.{name}" in unset else value
            for name, value in values.items()
        }
        if isinstance(values, dict)
        else values
        for group, values in config.items()
    }
    return filled, [f"{name}: {_CURES.get(name, _GIVE)}" for name in unset]


def tracking_settings(config: dict[str, Any]) -> TrackingSettings:
    """Raises UserError for a value or a name that there is not."""
    try:
        return TrackingSettings(**config)
    except ValidationError as error:
        lines = (f"tracking.{config_problem(i, TrackingSettings)}" for i in error.errors())
        raise UserError("\n".join(lines)) from error


def _unset(config: dict[str, Any], prefix: str = "") -> list[str]:
    """Names whose value is OmegaConf's ???: a config that waits for the user."""
    names = []
    for name, value in config.items():
        if isinstance(value, dict):
            names += _unset(value, f"{prefix}{name}.")
        elif value == "???":
            names.append(f"{prefix}{name}")
    return names
