"""Names of what the store holds of a cell; they change with all that the content depends on."""

from functools import cache
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.pictures import pictures_hash, pictures_in
from denoisebench.bench.machine import accelerator, processor
from denoisebench.bench.models.load import closed_form_model
from denoisebench.bench.paths import (
    CLOSED_FORM,
    LOCAL_FOLDER,
    content_hash,
    existing,
    hash_of,
    resolve,
)
from denoisebench.bench.records.cell import Cell, digest, sized_kind
from denoisebench.bench.settings.job import Settings
from denoisebench.bench.settings.metrics import (
    AccuracyMetric,
    FeatureMetric,
    FidelityMetric,
    FrechetSettings,
    ImageMetric,
    Metric,
    MetricsSettings,
)
from denoisebench.bench.shapes.render import dataset
from denoisebench.metrics.specs import octaves_of

RENDERS = "renders"  # the reference distribution of the embedded world
SCORING = 3  # raise it when features or estimates are computed in another way


def measured(settings: Settings) -> dict[str, Metric]:
    """What is measured of a job's images, by column name: all that is asked for, but left_out."""
    chosen = _chosen(settings)
    return {name: metric for name, metric in chosen.items() if not _lack(metric)}


def left_out(settings: Settings) -> list[str]:
    """A sentence for each metric that is measured only where its weights are at hand."""
    lacks = _lacking_convergence(settings).items()
    return [
        *(lack for lack in map(_lack, _chosen(settings).values()) if lack),
        *(f"{measure}_converged is left out: {why}" for measure, why in lacks),
    ]


def _chosen(settings: Settings) -> dict[str, Metric]:
    octaves = octaves_of(settings.model.height, settings.model.width)
    return settings.metrics.of_task(settings.task.name, octaves)


def _lack(metric: Metric) -> str:
    if not isinstance(metric, FidelityMetric) or metric.measure != "lpips":
        return ""
    try:
        metric_weights(metric)
    except UserError as error:
        return f"{metric.metric} is left out: {error}"
    return ""


def features_kind(metric: Metric) -> str:
    """Of the shards that hold what a metric reads from each image. Metrics of one network share
    them; all that is read off images alone is in one, and so are all attributes."""
    if isinstance(metric, FeatureMetric) and metric.measure != "cmmd":
        return features_kind(metric.source)
    if isinstance(metric, ImageMetric):
        return f"looks_{digest([SCORING], 12)}"
    if isinstance(metric, AccuracyMetric):
        return f"attributes_{digest([SCORING, *map(content_hash, metric_weights(metric))], 12)}"
    basis = [SCORING, metric.model_dump(), *map(content_hash, metric_weights(metric))]
    if isinstance(metric, FidelityMetric):
        return f"fidelity_{metric.metric}_{digest(basis, 12)}"
    if isinstance(metric, FeatureMetric):
        return f"embeddings_{metric.source.name}_{digest(basis, 12)}"
    prefix = "features" if isinstance(metric, FrechetSettings) else "cosines"
    return f"{prefix}_{metric.name}_{digest(basis, 12)}"


def reference_key(metric: Metric, settings: MetricsSettings) -> str:
    """Of what is kept of the reference for metrics of the same features; it stands where a cell's
    key does."""
    source = _reference_source(settings)
    return f"reference_{digest([features_kind(metric), source, settings.reference_samples], 12)}"


def looks_key(settings: MetricsSettings, size: tuple[int, int]) -> str:
    """Of what is read off the reference images in a size; it stands where a cell's key does."""
    basis = [SCORING, _reference_source(settings), settings.reference_samples, *size]
    return f"reference_{digest(basis, 12)}"


def _reference_source(settings: MetricsSettings) -> str:
    """Hash of what the reference is made from."""
    if settings.reference == RENDERS:
        return _renders_hash()
    if settings.reference.startswith(CLOSED_FORM):
        return closed_form_model("of the reference", settings.reference).weights
    path = existing(settings.reference, "reference images")
    return pictures_hash(tuple(pictures_in(path))) if path.is_dir() else content_hash(path)


@cache
def _renders_hash() -> str:
    """Of the first renders: what was measured against other renders does not count."""
    return hash_of([dataset(0, 0, 64)[0].tobytes()], 12)


def estimate_kinds(settings: Settings, first: int = 0) -> dict[str, str]:
    """Of all that is measured of samples first to the last, by column name."""
    found = measured(settings).items()
    of = settings.metrics, settings.samples, first
    return {name: estimate_kind(metric, *of) for name, metric in found}


def estimate_kind(metric: Metric, settings: MetricsSettings, samples: int, first: int = 0) -> str:
    basis: list[object] = [SCORING, features_kind(metric)]
    if isinstance(metric, FrechetSettings):
        basis.append(reference_key(metric, settings))
    if isinstance(metric, FeatureMetric) and metric.needs_reference_features:
        basis += [reference_key(metric, settings), settings.reference_features]
    if isinstance(metric, ImageMetric) and metric.is_compared:
        basis += [_reference_source(settings), settings.reference_samples]
    return sized_kind(metric.metric, basis, samples, first)


def convergence_columns(settings: Settings) -> list[str]:
    """What is measured against a reference trajectory, by column: all that is asked for, but what
    left_out tells of."""
    lacking = _lacking_convergence(settings)
    return [f"{m}_converged" for m in settings.metrics.convergence if m not in lacking]


def converged_kind(settings: Settings, trajectory: Cell) -> str:
    """Of the shards that hold how close samples are to their reference trajectory."""
    columns = convergence_columns(settings)
    weights = [content_hash(_lpips_weights())] if "lpips_converged" in columns else []
    return f"converged_{digest([SCORING, trajectory.key, *columns, *weights], 12)}"


def _lacking_convergence(settings: Settings) -> dict[str, str]:
    """Reasons by measure. Closed-form images are of 4x4 pixels and come from no VAE."""
    found: dict[str, str] = {}
    closed_form = settings.model.path.startswith(CLOSED_FORM)
    for measure in settings.metrics.convergence:
        if closed_form and measure not in ("psnr", "delta_e"):
            found[measure] = f"{settings.model.name} is a formula for 4x4 pixels without a VAE"
        elif measure == "lpips":
            try:
                _lpips_weights()
            except UserError as error:
                found[measure] = str(error)
    return found


def latency_kind(settings: Settings, device: str) -> str:
    """Empty when latency is not measured. A time belongs to a machine and a number of threads."""
    if not settings.latency.timed_runs:
        return ""
    import torch

    from denoisebench.bench.timing.calibration import VERSION

    threads = settings.threads or torch.get_num_threads()
    card = accelerator() if device == "cuda" else ""
    basis = [settings.latency.model_dump(), threads, processor(), device, card, VERSION]
    return f"latency_{digest(basis, 12)}"


def metric_weights(metric: Metric) -> list[Path]:
    """Files or folders that hold a metric's network, found without loading it.

    Raises UserError that says what to place where when they are not there.
    """
    what = f"weights of metric {metric.metric}"
    if isinstance(metric, FeatureMetric):
        return metric_weights(metric.source)
    if isinstance(metric, ImageMetric):
        return []
    if isinstance(metric, AccuracyMetric):
        return [existing(metric.network.weights, what)]
    if isinstance(metric, FidelityMetric):
        return _fidelity_weights(metric)
    if isinstance(metric, FrechetSettings) and metric.kind == "pixels":
        return []
    if isinstance(metric, FrechetSettings) and metric.kind == "attributes":
        return [existing(metric.weights or "", what)]
    if metric.model and metric.model.startswith(LOCAL_FOLDER):
        return [existing(metric.model.removeprefix(LOCAL_FOLDER), what)]
    from denoisebench.metrics.networks.dinov2 import DINOV2, dinov2_weights
    from denoisebench.metrics.networks.extractors import inception_weights, open_clip_weights
    from denoisebench.metrics.networks.weights import UnusableExtractor

    try:
        if isinstance(metric, FrechetSettings) and metric.kind == "dinov2":
            return [dinov2_weights(metric.model or DINOV2)]
        if isinstance(metric, FrechetSettings) and metric.kind == "inception":
            return [inception_weights(resolve(metric.weights) if metric.weights else None)]
        return [open_clip_weights(metric.model or "", metric.weights)]
    except UnusableExtractor as error:
        raise UserError(str(error)) from error


def _fidelity_weights(metric: FidelityMetric) -> list[Path]:
    """None for a formula, and for latents: the model's VAE is part of the cell."""
    if metric.extractor:
        return metric_weights(metric.extractor)
    return [_lpips_weights()] if metric.measure == "lpips" else []


def _lpips_weights() -> Path:
    from denoisebench.metrics.images.fidelity import lpips_weights
    from denoisebench.metrics.networks.weights import UnusableExtractor

    try:
        return lpips_weights()
    except UnusableExtractor as error:
        raise UserError(str(error)) from error
