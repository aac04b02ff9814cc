"""Names of what the store holds of a cell; they change with all that the content depends on."""

from pathlib import Path

from bench.cell import digest
from bench.errors import UserError
from bench.machine import processor
from bench.models import closed_form_model
from bench.paths import CLOSED_FORM, LOCAL_FOLDER, content_hash, existing, resolve
from bench.settings import ClipSettings, FrechetSettings, MetricsSettings, Settings
from bench.shapes.render import fingerprint

RENDERS = "renders"  # the reference distribution of the embedded world
SCORING = 2  # raise it when features or estimates are computed in another way

Metric = FrechetSettings | ClipSettings


def features_kind(metric: Metric) -> str:
    """Of the shards that hold what a metric reads from each image."""
    prefix = "features" if isinstance(metric, FrechetSettings) else "cosines"
    basis = [SCORING, metric.model_dump(), *map(content_hash, metric_weights(metric))]
    return f"{prefix}_{metric.name}_{digest(basis, 12)}"


def reference_key(metric: FrechetSettings, settings: MetricsSettings) -> str:
    """Of the reference statistics of a Fréchet distance; it stands where a cell's key does."""
    if settings.reference == RENDERS:
        source = fingerprint()
    elif settings.reference.startswith(CLOSED_FORM):
        source = closed_form_model("of the reference", settings.reference).weights
    else:
        source = content_hash(existing(settings.reference, "reference images"))
    return f"reference_{digest([features_kind(metric), source, settings.reference_samples], 12)}"


def estimate_kind(metric: Metric, settings: MetricsSettings, samples: int) -> str:
    basis = [SCORING, features_kind(metric), samples]
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
