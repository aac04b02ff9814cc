"""One point of a sweep and what was measured there, as plain records. Standard library only."""

import json
import re
from dataclasses import MISSING, asdict, dataclass, field, fields

from denoisebench.bench.paths import hash_of

DEVICES = ("cpu", "cuda")
RANDOM = "random"  # before the hash of a model that has no weights: its images mean nothing


@dataclass(frozen=True)
class Cell:
    """What is generated. Its key names its results, so everything that changes an image is in here.

    The number of samples is not: sample i is the same however many are asked for.
    """

    model: str  # name in conf/model
    weights: str  # sha256 of the pipeline's files, 16 hex digits; after RANDOM of its configs
    task: str  # "txt2img", "img2img" or "inpaint"
    scheduler: str  # short name in bench/schedulers/catalogue.py
    scheduler_class: str
    scheduler_flags: str  # JSON of the flags laid over the model's own scheduler config
    steps: int  # num_inference_steps, >= 1
    guidance: float  # as the model's pipeline takes it, >= 0
    seed: int  # of the noise: sample i draws from (seed, i)
    prompts: str  # name of the prompt set
    prompts_hash: str  # sha256 of its texts in order, 16 hex digits
    height: int  # pixels
    width: int
    dtype: str  # "float32", "bfloat16" or "float16"
    engine: str  # libraries and device kind, as in bench/plan/plan.py
    call: str = ""  # JSON of further arguments of the pipeline's call, empty for none
    grid: str = (
        "native"  # "native": the scheduler's own noise levels; "matched": bench/schedulers/grids.py
    )
    guidance_form: str = "standard"  # what the weight means, see bench/records/guidance.py
    guidance_rescale: float = 0.0  # 0 to 1: Lin et al. (2023), section 3.4
    guidance_interval: str = ""  # JSON [low, high] of noise levels that are guided; empty for all
    negative_prompt: str = ""
    strength: float = 1.0  # of img2img and inpaint: the share of the trajectory that is run
    inputs: str = ""  # hash of the input images and masks, 16 hex digits; empty for none
    latents: str = ""  # hash of the initial noise that all samples share; empty for their own

    @property
    def is_random(self) -> bool:
        """Whether the model has no weights, and only its latency means something."""
        return self.weights.startswith(RANDOM)

    @property
    def device(self) -> str:
        """Kind of device, one of DEVICES; empty when the engine names none."""
        return next((part for part in self.engine.split(", ") if part in DEVICES), "")

    @property
    def key(self) -> str:
        """Content hash, 20 hex digits. What has its default is left out: older cells lack it."""
        defaults = {field.name: field.default for field in fields(self)}
        content = {
            name: value
            for name, value in asdict(self).items()
            if defaults[name] is MISSING or value != defaults[name]
        }
        return digest(content, 20)

    @property
    def inputs_key(self) -> str:
        """Where a store keeps its first inputs for reports, as it would a cell."""
        return f"inputs_{self.inputs}_{self.width}x{self.height}"


@dataclass(frozen=True)
class Cost:
    """Work per sample, as counted by hooks on the denoiser while generating."""

    nfe: int  # denoiser evaluations; a guided evaluation counts once
    network_passes: int  # samples through the network: nfe x 2 under guidance
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
    denoise_s: list[float]  # [timed_runs] from the first to the last denoiser call
    decode_s: list[float]  # [timed_runs] in the VAE decoder
    calibration_s: list[float]  # [timed_runs] fixed workload, mean of just before and just after
    peak_memory_bytes: int  # resident set on CPU, allocated on CUDA
    threads: int
    calibration: int = (
        1  # version of the workload, see bench/timing/calibration.py; older: a product
    )
    energy_j: list[float] | None = None  # [timed_runs] of the device, where it can be read


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

    @property
    def scored(self) -> int:
        """Samples that an estimate is of."""
        return self.samples - self.first

    @property
    def asked_samples(self) -> int:
        return self.samples if self.cap is None else self.cap

    @property
    def status_kind(self) -> str:
        """Kind of the record that says how this entry ended: another sweep of the same cell may
        have asked for more samples or other metrics."""
        return f"status_{digest([self.samples, self.metrics, self.latency], 12)}"


def digest(content: object, digits: int) -> str:
    """Hash of anything JSON can hold, in hex digits."""
    text = json.dumps(content, sort_keys=True)
    return hash_of([text.encode()], digits)


def sized_kind(column: str, basis: list, samples: int, first: int = 0) -> str:
    """Of an estimate from samples first to the last. What it was made by is told apart from how
    many there were: estimates from other numbers of samples are still of one experiment."""
    of = f"from{first}_n{samples}" if first else f"n{samples}"
    return f"estimate_{column}_{digest(basis, 12)}_{of}"


def made_by(kind: str) -> str:
    """An estimate's kind without its number of samples."""
    return re.sub(r"_n\d+$", "", kind)
