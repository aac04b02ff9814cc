"""Names of what the store holds of a cell; they change with all that the content depends on."""

from pathlib import Path

from bench.cell import digest
from bench.errors import UserError
from bench.machine import processor
from bench.models import closed_form_model
from bench.paths import CLOSED_FORM, LOCAL_FOLDER, content_hash, existing, resolve
from bench.pictures import pictures_hash, pictures_in
from bench.settings import FidelityMetric, FrechetSettings, Metric, MetricsSettings, Settings
from bench.shapes.render import fingerprint

RENDERS = "renders"  # the reference distribution of the embedded world
SCORING = 2  # raise it when features or estimates are computed in another way


def measured(settings: Settings) -> dict[str, Metric]:
    """What is measured of a job's images, by column name: all that is asked for, but left_out."""
    chosen = settings.metrics.of_task(settings.task.name)
    return {name: metric for name, metric in chosen.items() if not _lack(metric)}


def left_out(settings: Settings) -> list[str]:
    """A sentence for each metric that is measured only where its weights are at hand."""
    chosen = settings.metrics.of_task(settings.task.name).values()
    return [lack for lack in map(_lack, chosen) if lack]


def _lack(metric: Metric) -> str:
    if not isinstance(metric, FidelityMetric) or metric.measure != "lpips":
        return ""
    try:
        metric_weights(metric)
    except UserError as error:
        return f"{metric.metric} is left out: {error}"
    return ""


def features_kind(metric: Metric) -> str:
    """Of the shards that hold what a metric reads from each image."""
    basis = [SCORING, metric.model_dump(), *map(content_hash, metric_weights(metric))]
    if isinstance(metric, FidelityMetric):
        return f"fidelity_{metric.metric}_{digest(basis, 12)}"
    prefix = "features" if isinstance(metric, FrechetSettings) else "cosines"
    return f"{prefix}_{metric.name}_{digest(basis, 12)}"


def reference_key(metric: FrechetSettings, settings: MetricsSettings) -> str:
    """Of the reference statistics of a Fréchet distance; it stands where a cell's key does."""
    if settings.reference == RENDERS:
        source = fingerprint()
    elif settings.reference.startswith(CLOSED_FORM):
        source = closed_form_model("of the reference", settings.reference).weights
    else:
        path = existing(settings.reference, "reference images")
        source = pictures_hash(tuple(pictures_in(path))) if path.is_dir() else content_hash(path)
    return f"reference_{digest([features_kind(metric), source, settings.reference_samples], 12)}"


def estimate_kinds(settings: Settings, first: int = 0) -> dict[str, str]:
    """Of all that is measured of samples first to the last, by column name."""
    found = measured(settings).items()
    of = settings.metrics, settings.samples, first
    return {name: estimate_kind(metric, *of) for name, metric in found}


def estimate_kind(metric: Metric, settings: MetricsSettings, samples: int, first: int = 0) -> str:
    basis: list[object] = [SCORING, features_kind(metric), samples]
    if first:
        basis.append(["from", first])
    if isinstance(metric, FrechetSettings):
        basis.append(reference_key(metric, settings))
    return f"estimate_{metric.metric}_{digest(basis, 12)}"


def latency_kind(settings: Settings, device: str) -> str:
    """Empty when latency is not measured. A time belongs to a machine and a number of threads."""
    if not settings.latency.timed_runs:
        return ""
    import torch

    threads = settings.threads or torch.get_num_threads()
    accelerator = torch.cuda.get_device_name() if device == "cuda" else ""
    basis = [settings.latency.model_dump(), threads, processor(), device, accelerator]
    return f"latency_{digest(basis, 12)}"


def metric_weights(metric: Metric) -> list[Path]:
    """Files or folders that hold a metric's network, found without loading it.

    Raises UserError that says what to place where when they are not there.
    """
    what = f"weights of metric {metric.metric}"
    if isinstance(metric, FidelityMetric):
        return _fidelity_weights(metric)
    if isinstance(metric, FrechetSettings) and metric.kind == "pixels":
        return []
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


def _fidelity_weights(metric: FidelityMetric) -> list[Path]:
    """None for a formula, and for latents: the model's VAE is part of the cell."""
    if metric.extractor:
        return metric_weights(metric.extractor)
    if metric.measure != "lpips":
        return []
    from metrics.extractors import UnusableExtractor
    from metrics.fidelity import lpips_weights

    try:
        return [lpips_weights()]
    except UnusableExtractor as error:
        raise UserError(str(error)) from error
