"""One point of a sweep and what was measured there, as plain records. Standard library only."""

import json
import re
from collections.abc import Mapping, Set
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

from denoisebench.bench.paths import hash_of

DEVICES = ("cpu", "cuda", "mps")
WEIGHTLESS = ("ignored", "none")  # forms of guidance in which a weight has no effect
NONE = "none"  # the cache of a cell that has none
UNKNOWN = "unknown"  # scheduler and number format of images that others made, where nobody says it
RANDOM = "random"  # before the hash of a model that has no weights: its images mean nothing

# What a field of a cell is used for.
NAMED = "named"  # stands in every name of a cell
PANEL = "panel"  # is the same for all curves of a panel, and for all cells of a race
TRACKED = "tracked"  # tells curves of one sweep apart in a tracker
PAIRED = "paired"  # a check pairs the cells of two runs by it
MADE = "made"  # a check says when it changed, and a merge takes the cell for the same
OTHER = "other"  # a check says when it changed, and a merge takes the cell for another one
STEERS = "steers"  # is applied by bench/generate/steering.py: pipelines have no argument for it
RUNS = "runs"  # says how the model is run: its usual value changes no image to save time
LOADS = "loads"  # is set when a model is loaded, for all cells that it then makes
JSON = "json"  # is kept as the text of a list or a mapping, empty for none
AXIS = frozenset({PANEL, TRACKED, PAIRED})  # what most options of generating are

_FACTS = "facts"  # in the metadata of a dataclass's field


@dataclass(frozen=True)
class Facts:
    """What one field of a cell is called and used for."""

    column: str  # what its column of results.csv holds; empty: it has none
    word: str  # of its value in a name, as in "guidance {}"; empty: the field's name before it
    roles: Set[str]
    usual: Any  # value that a name leaves out; None: the field's default, or there is none
    after: str  # the column that its own stands right of; empty: that of the field above
    experiment: str  # what it is called when a check refuses runs that differ in it; empty: it may
    nothing: str  # what its usual value is called where that is told; empty: as other values


def facts(
    column: str = "",
    word: str = "",
    roles: Set[str] = frozenset(),
    *,
    usual: Any = None,
    after: str = "",
    experiment: str = "",
    nothing: str = "",
) -> dict[str, Facts]:
    """The metadata of a field: columns, panels, names, tracked axes and what a check pairs by are
    read off it."""
    return {_FACTS: Facts(column, word, roles, usual, after, experiment, nothing)}


@dataclass(frozen=True)
class Cell:
    """What is generated. Its key names its results, so everything that changes an image is in here.

    The number of samples is not: sample i is the same however many are asked for. What a field is
    called and used for stands beside it. Their order is that of stored records. Flags, call and
    interval stay JSON strings, as those records and the key hold them: so a cell can be hashed, and
    keys depend on no parser. Views such as `flags` parse them once.
    """

    model: str = field(
        metadata=facts("model name in conf/model", "{}", {NAMED, PANEL, PAIRED}, after="key")
    )
    weights: str = field(  # sha256 of the pipeline's files, 16 hex digits
        metadata=facts(
            "hash of the model's files; random, then that of its configs, where it was run without "
            "weights: its images and quality mean nothing",
            "{}",
            {PANEL, MADE},
            after="peak_memory_bytes",
        )
    )
    task: str = field(
        metadata=facts("txt2img, img2img or inpaint", "{}", AXIS, usual="txt2img", after="model")
    )
    scheduler: str = field(  # in bench/schedulers/catalogue.py
        metadata=facts(
            "scheduler short name; flags that a sweep lays over it after a plus, where +karras "
            "stands for use_karras_sigmas=true",
            "{}",
            {NAMED, PAIRED},
        )
    )
    scheduler_class: str = field(metadata=facts("its class in diffusers", roles={MADE}))
    scheduler_flags: str = field(metadata=facts(roles={OTHER}))  # JSON, over the model's config
    steps: int = field(
        metadata=facts("num_inference_steps as asked for", "{} steps", {NAMED, PAIRED})
    )
    guidance: float = field(  # as the model's pipeline takes it, >= 0
        metadata=facts(
            "weight as asked for; what it means is the model's guidance_form; 0 where it has no "
            "effect",
            "guidance {}",
            {NAMED, PANEL, PAIRED},
        )
    )
    seed: int = field(
        metadata=facts(
            "of the noise: sample i draws from (seed, i), whatever the cell",
            "seed {}",
            {PANEL, TRACKED},
            usual=0,
            after="executed_steps",
            experiment="seed",
        )
    )
    prompts: str = field(
        metadata=facts("prompt set", "{}", {PANEL, TRACKED}, after="asked_samples")
    )
    prompts_hash: str = field(metadata=facts(experiment="prompts"))  # of its texts in order
    height: int = field(
        metadata=facts(
            "pixels", "height {}", {PANEL, TRACKED}, after="distinct_prompts", experiment="height"
        )
    )
    width: int = field(metadata=facts("pixels", "width {}", {PANEL, TRACKED}, experiment="width"))
    dtype: str = field(  # "float32", "bfloat16" or "float16", or such as "bfloat16+int8wo"
        metadata=facts(
            "number format of the pipeline; after a plus how its denoiser's weights are quantised",
            "{}",
            {PANEL, TRACKED, MADE, RUNS, LOADS},
            usual="float32",
        )
    )
    engine: str = field(  # as in bench/plan/plan.py
        metadata=facts("libraries and device kind", "{}", {PANEL}, after="peak_memory_bytes")
    )
    call: str = field(default="", metadata=facts(roles={OTHER, JSON}))  # that its model gives it
    grid: str = field(  # bench/schedulers/grids.py
        default="native",
        metadata=facts(
            "native: the scheduler's own noise levels; matched: a family's; or those given",
            "{} grid",
            AXIS,
            after="executed_steps",
        ),
    )
    guidance_form: str = field(  # bench/records/guidance.py
        default="standard",
        metadata=facts(
            "how the model takes it: standard u + w (c - u), offset c + w (c - u), embedded as an "
            "input, true_cfg, or ignored",
            after="guidance",
        ),
    )
    guidance_rescale: float = field(  # Lin et al. (2023), section 3.4
        default=0.0,
        metadata=facts(
            "0 to 1, share of the contrast added by guidance that is taken back",
            "rescale {}",
            AXIS | {STEERS},
            after="guidance_weight",
        ),
    )
    guidance_interval: str = field(
        default="",
        metadata=facts(
            "[low, high]: noise levels that are guided, all when empty",
            "guided within {}",
            AXIS | {STEERS, JSON},
        ),
    )
    negative_prompt: str = field(
        default="", metadata=facts("what guidance leads away from", "away from “{}”", AXIS)
    )
    strength: float = field(
        default=1.0,
        metadata=facts(
            "of img2img and inpaint: share of the steps that is run", "strength {}", AXIS
        ),
    )
    # Hashes, 16 hex digits: of input images and masks, and of noise that all samples share.
    inputs: str = field(default="", metadata=facts(experiment="input images"))
    latents: str = field(default="", metadata=facts(experiment="initial noise"))
    options: str = field(  # of model.call, where they differ from what the model gives it
        default="", metadata=facts("model.call", "{}", AXIS | {JSON}, after="negative_prompt")
    )
    # Hash of the files, 16 hex digits, where another program made the images; see bench/imported.
    given: str = field(default="", metadata=facts(roles={MADE}))

    compile: str = field(  # bench/generate/compiled.py
        default="off",
        metadata=facts(
            "how torch.compile compiles the denoiser: off, regional (its repeated blocks) or full",
            "{} compile",
            AXIS | {RUNS, LOADS},
            after="dtype",
            nothing="not compiled",
        ),
    )
    cache: str = field(  # bench/caches/catalogue.py
        default="none",
        metadata=facts(
            "step cache of the denoiser, with its first option and all that are unusual; none",
            "{}",
            AXIS | {RUNS},
            nothing="no cache",
        ),
    )
    cache_options: str = field(default="", metadata=facts(roles={OTHER, JSON, RUNS}))  # all

    @cached_property
    def flags(self) -> Mapping[str, Any]:
        """Flags of the scheduler, by name."""
        return MappingProxyType(json.loads(self.scheduler_flags))

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        """Further arguments of the pipeline's call, by name; lists are tuples, as it asks for."""
        return MappingProxyType({**_tuples_of(self.call), **_tuples_of(self.options)})

    @cached_property
    def steering(self) -> Mapping[str, Any]:
        """The options that bench/generate/steering.py applies, by name: numbers, tuples or None."""
        return MappingProxyType({name: as_set(name, getattr(self, name)) for name in STEERING})

    @property
    def is_random(self) -> bool:
        """Whether the model has no weights, and only its latency means something."""
        return self.weights.startswith(RANDOM)

    @property
    def has_guidance(self) -> bool:
        """Whether a weight has an effect; a name leaves out one that has none."""
        return self.guidance_form not in WEIGHTLESS

    @property
    def device(self) -> str:
        """Kind of device, one of DEVICES; empty when the engine names none."""
        return next((part for part in self.engine.split(", ") if part in DEVICES), "")

    @cached_property
    def key(self) -> str:
        """Content hash, 20 hex digits."""
        return digest(_content(self), 20)


FACTS: dict[str, Facts] = {part.name: part.metadata[_FACTS] for part in fields(Cell)}


def fields_with(*roles: str) -> tuple[str, ...]:
    """Names of a cell's fields that have one of the roles, in their order."""
    return tuple(name for name, known in FACTS.items() if not known.roles.isdisjoint(roles))


STEERING = fields_with(STEERS)
USUAL: dict[str, Any] = {  # values that a name leaves out, of fields that have one
    part.name: part.default for part in fields(Cell) if part.default is not MISSING
} | {name: known.usual for name, known in FACTS.items() if known.usual is not None}
# Columns of how the model is run, the caches first: what is switched on beside the steps.
SWITCHES = tuple(reversed([name for name in fields_with(RUNS) if FACTS[name].column]))


def _tuples_of(text: str) -> dict[str, Any]:
    """The mapping that a field holds."""
    given = json.loads(text or "{}").items()
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given}


def _content(cell: Cell) -> dict[str, Any]:
    """Fields by name. What has its default is left out: older cells lack it."""
    return {
        part.name: getattr(cell, part.name)
        for part in fields(Cell)
        if part.default is MISSING or getattr(cell, part.name) != part.default
    }


def kept(name: str, value: Any) -> Any:
    """A setting as the field of that name holds it, empty for none."""
    if JSON not in FACTS[name].roles:
        return value
    return json.dumps(value, sort_keys=True) if value else ""


def as_set(name: str, value: Any) -> Any:
    """What a field or its column holds, as the setting that it came from: a list as a tuple; a
    mapping stays a text."""
    if name not in FACTS or JSON not in FACTS[name].roles or str(value).startswith("{"):
        return value
    return tuple(json.loads(value)) if value else None


@dataclass(frozen=True)
class Cost:
    """Work per sample, as counted by hooks on the denoiser while generating."""

    # Denoiser evaluations; a guided evaluation counts once. None: nobody counted.
    nfe: int | None
    network_passes: int | None  # samples through the network: nfe x 2 under guidance
    executed_steps: int | None = None  # of the solver; older records do not say


@dataclass(frozen=True)
class Grid:
    """The noise levels of a run, one per denoiser evaluation: what the denoiser was told."""

    timesteps: list[float]  # training timesteps, with fractions where the scheduler has them
    sigmas: list[float]  # sigma / alpha of a variance-preserving model, else sigma
    scheduler_sigmas: list[float] | None  # the scheduler's own list, in its own units


@dataclass(frozen=True)
class Latency:
    """One latency pass: batch_size prompts from text to decoded images, repeated."""

    batch_size: int
    warmup_runs: int
    timed_runs: int
    total_s: list[float]  # [timed_runs] wall time of one batch
    text_s: list[float]  # [timed_runs] of it in the text encoder(s)
    denoise_s: list[float]  # [timed_runs] from the first denoiser call to the decoder
    decode_s: list[float]  # [timed_runs] in the VAE decoder
    calibration_s: list[float]  # [timed_runs] fixed workload, mean of just before and just after
    peak_memory_bytes: int  # resident set on CPU, allocated on CUDA
    threads: int
    calibration: int = (
        1  # version of the workload, see bench/timing/calibration.py; older: a product
    )
    energy_j: list[float] | None = None  # [timed_runs] of the device, where it can be read
    # [timed_runs] of denoise_s in the scheduler's steps; of a processor alone, and not in records
    # of before.
    scheduler_s: list[float] | None = None
    # Of compiling what was timed, before it was; None where the model is not compiled.
    compile_s: float | None = None

    @property
    def prepare_s(self) -> list[float]:
        """What is left of each run: before the first denoiser call without the text encoder, and
        after the decoder. With the stages of text, denoising and decoding it is the total."""
        stages = zip(self.text_s, self.denoise_s, self.decode_s, strict=True)
        return [total - sum(s) for total, s in zip(self.total_s, stages, strict=True)]


@dataclass(frozen=True)
class Entry:
    """One line of a sweep: a cell, how many samples of it, and what is measured."""

    cell: Cell
    samples: int
    metrics: dict[str, str]  # metric name -> kind of its stored estimate
    latency: str = ""  # kind of its latency record, empty when latency is not measured
    unsupported: str = ""  # why it cannot be run, empty when it can
    asked_guidance: float | None = None  # the weight asked for, where the cell's means the same
    first: int = 0  # sample from which on they are scored: fresh ones confirm a race's winner
    cap: int | None = None  # samples asked for, where a race may stop sooner
    # Of a race: kinds of the estimates at smaller rungs, by metric and number of samples as text.
    earlier: dict[str, dict[str, str]] = field(default_factory=dict)
    scheduler_family: str = ""  # of the models that its scheduler drives; not in runs of before

    @property
    def scored(self) -> int:
        """Samples that an estimate is of."""
        return self.samples - self.first

    @property
    def asked_samples(self) -> int:
        return self.samples if self.cap is None else self.cap

    @property
    def guidance(self) -> float:
        """The weight as asked for, where it has an effect."""
        if self.asked_guidance is None or not self.cell.has_guidance:
            return self.cell.guidance
        return self.asked_guidance

    @property
    def asked(self) -> dict[str, Any]:
        """Fields of the cell by name, as they were asked for, with the samples."""
        return {
            **asdict(self.cell),
            "guidance": self.guidance,
            "samples": self.samples,
            "asked_samples": self.asked_samples,
        }

    @property
    def status_kind(self) -> str:
        """Kind of the record that says how this entry ended: another sweep of the same cell may
        have asked for more samples or other metrics."""
        return f"status_{digest([self.samples, self.metrics, self.latency], 12)}"


def digest(content: object, digits: int) -> str:
    """Hash of anything JSON can hold, in hex digits."""
    text = json.dumps(content, sort_keys=True)
    return hash_of([text.encode()], digits)


def sized_kind(column: str, basis: list[Any], samples: int, *, first: int = 0) -> str:
    """Names the record of an estimate from samples first to the last. What it was made by is told
    apart from how many there were: other numbers of samples are still of one experiment."""
    of = f"from{first}_n{samples}" if first else f"n{samples}"
    return f"estimate_{column}_{digest(basis, 12)}_{of}"


BATCHES = "batches of"  # before their size in an engine that makes images depend on it
SERVICE = "a service"  # the engine of a cell whose images were bought
HOSTED_KIND = "hosted"  # names the record of what a service was paid for, and what it did not give
WORK_KIND = "work"  # names the shards of what was really computed for each image
IDLE_KIND = "idle"  # names the record of whether a cell's cache ever hits
SECONDS_KIND = "seconds"  # names the record of what images took that another program made


def cut_kind(samples: int) -> str:
    """Names the record of how many of the first prompts were read in part."""
    return f"cut_n{samples}"


def made_by(kind: str) -> str:
    """An estimate's kind without its number of samples."""
    return re.sub(r"_n\d+$", "", kind)
