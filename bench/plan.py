"""From composed configs to a checked plan: every problem is found before anything loads."""

import difflib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.cell import Cell, Entry
from bench.errors import UserError
from bench.models import model_folder, train_timesteps
from bench.paths import LOCAL_FOLDER, content_hash, existing, resolve
from bench.prompts import load_prompts, prompts_identity
from bench.schedulers import SCHEDULERS
from bench.settings import (
    ClipSettings,
    FrechetSettings,
    MetricsSettings,
    Settings,
    check_settings,
)

SCORING = 1  # raise it when an estimate's formula changes: stored estimates are then made anew


@dataclass(frozen=True)
class Job:
    """One cell with all that is needed to run and score it."""

    settings: Settings
    entry: Entry
    folder: Path  # of the model
    expected_nfe: int

    @property
    def expected_passes(self) -> int:
        """Samples through the denoiser per image, classifier-free guidance included."""
        return self.expected_nfe * (2 if self.settings.guidance > 1 else 1)


@dataclass(frozen=True)
class Plan:
    """A sweep: its jobs, those of one model next to each other, and where it is kept."""

    jobs: list[Job]
    run_folder: Path
    store_root: Path
    settings: Settings  # of the first job: what the whole sweep shares is read from it


def plan_sweep(configs: Iterable[dict]) -> Plan:
    """Raises UserError that lists every problem of the grid, one a line."""
    problems: dict[str, None] = {}  # in order, each once
    jobs = []
    for config in configs:
        job, found = _job(config)
        problems |= dict.fromkeys(found)
        if job:
            jobs.append(job)
    if problems:
        raise UserError("\n".join(problems))
    jobs = _grouped(list({(job.entry.cell.key, job.entry.samples): job for job in jobs}.values()))
    return _plan(jobs)


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"


def features_kind(metric: FrechetSettings | ClipSettings) -> str:
    """Kind of the shards that hold what this metric reads from each image."""
    prefix = "features" if isinstance(metric, FrechetSettings) else "cosines"
    return f"{prefix}_{metric.name}_{_weights_hash(metric)[:8]}"


def reference_key(metric: FrechetSettings, settings: MetricsSettings) -> str:
    """Names the reference statistics of a Fréchet distance in the store."""
    source = settings.reference
    if source != "renders":
        source = content_hash(existing(source, "reference images"))
    text = json.dumps([features_kind(metric), source, settings.reference_samples])
    return f"reference_{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _job(config: dict) -> tuple[Job | None, list[str]]:
    settings, problems = check_settings(config)
    if settings is None:
        return None, problems
    problems = list(_unfit(settings))
    try:
        folder = model_folder(settings.model.name, settings.model.path)
        limit = train_timesteps(folder)
        if settings.steps > limit:
            problems.append(
                f"steps={settings.steps}: {settings.model.name} has only {limit} timesteps"
            )
        if problems:
            return None, problems
        entry = _entry(settings, folder)
    except UserError as error:
        return None, [*problems, str(error)]
    spec = SCHEDULERS[settings.scheduler.name]
    return Job(settings, entry, folder, spec.expected_nfe(settings.steps)), []


def _unfit(settings: Settings) -> Iterable[str]:
    """Values that are valid alone but not together."""
    name = settings.scheduler.name
    spec = SCHEDULERS.get(name)
    if spec is None:
        yield f"scheduler={name}: unknown; {nearest(name, SCHEDULERS)}"
    elif settings.steps < spec.min_steps:
        yield (
            f"steps={settings.steps}: scheduler={name} needs at least "
            f"{spec.min_steps}; raise steps or leave that scheduler out"
        )
    if settings.metrics.reference == "renders" and settings.model.height != 32:
        yield (
            f"metrics.reference=renders: the renders are 32x32 and {settings.model.name} makes "
            f"{settings.model.width}x{settings.model.height}; choose metrics=standard"
        )


def _entry(settings: Settings, folder: Path) -> Entry:
    spec = SCHEDULERS[settings.scheduler.name]
    model, prompts, latency = settings.model, settings.prompts, settings.latency
    load_prompts(prompts.path, prompts.column, settings.samples)  # a bad file is found here
    cell = Cell(
        model=model.name,
        weights=content_hash(folder),
        task=settings.task.name,
        scheduler=settings.scheduler.name,
        scheduler_class=spec.class_name,
        scheduler_flags=json.dumps(spec.flags, sort_keys=True),
        steps=settings.steps,
        guidance=settings.guidance,
        seed=settings.seed,
        prompts=prompts.name,
        prompts_hash=prompts_identity(prompts.path, prompts.column),
        height=model.height,
        width=model.width,
        dtype=model.dtype,
        engine=f"diffusers {version('diffusers')}, torch {version('torch')}, {device_of(settings)}",
    )
    metrics = {
        name: estimate_kind(metric, settings) for name, metric in settings.metrics.by_metric.items()
    }
    timing = f"latency_b{latency.batch_size}_w{latency.warmup_runs}_r{latency.timed_runs}"
    return Entry(cell, settings.samples, metrics, timing if latency.timed_runs else "")


def estimate_kind(metric: FrechetSettings | ClipSettings, settings: Settings) -> str:
    """Kind of a stored estimate: the same name means that it need not be made again."""
    basis = [SCORING, features_kind(metric), settings.samples]
    if isinstance(metric, FrechetSettings):
        basis.append(reference_key(metric, settings.metrics))
    digest = hashlib.sha256(json.dumps(basis).encode()).hexdigest()[:12]
    return f"estimate_{metric.metric}_{digest}"


def _weights_hash(metric: FrechetSettings | ClipSettings) -> str:
    """Identity of a metric's network. Raises UserError when its weights are not there."""
    return hashlib.sha256("".join(map(content_hash, _weights(metric))).encode()).hexdigest()


def _weights(metric: FrechetSettings | ClipSettings) -> list[Path]:
    """Files or folders that hold a metric's network, found without loading it."""
    what = f"weights of metric {metric.metric}"
    if isinstance(metric, FrechetSettings) and metric.kind == "attributes":
        return [existing(metric.weights or "", what)]
    if metric.model and metric.model.startswith(LOCAL_FOLDER):
        return [existing(metric.model.removeprefix(LOCAL_FOLDER), what)]
    from metrics.extractors import UnusableExtractor, inception_weights, open_clip_weights

    try:
        if isinstance(metric, FrechetSettings) and metric.kind == "inception":
            return [inception_weights(resolve(metric.weights) if metric.weights else None)]
        return [open_clip_weights(metric.model or "", metric.weights)]
    except UnusableExtractor as error:
        raise UserError(str(error)) from error


def device_of(settings: Settings) -> str:
    """The device kind that `auto` means here. Raises UserError when cuda is asked for in vain."""
    if settings.device == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if settings.device == "cuda":
        raise UserError("device=cuda: torch sees no CUDA device here; use device=cpu")
    return "cpu"


def _grouped(jobs: list[Job]) -> list[Job]:
    """Jobs of one model next to each other, models in the order they came."""
    order = list(dict.fromkeys(job.folder for job in jobs))
    return sorted(jobs, key=lambda job: order.index(job.folder))


def _plan(jobs: list[Job]) -> Plan:
    settings = jobs[0].settings
    name = settings.run or f"sweep-{_grid_hash(jobs)}"
    folder = Path(settings.runs) / name
    store = Path(settings.store) if settings.store else folder
    return Plan(jobs, folder, store, settings)


def _grid_hash(jobs: list[Job]) -> str:
    text = json.dumps([[job.entry.cell.key, job.entry.samples] for job in jobs])
    return hashlib.sha256(text.encode()).hexdigest()[:8]
