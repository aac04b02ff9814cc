"""Whether what is asked for can be measured: found before anything is generated."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.pictures import head_of
from denoisebench.bench.inputs.prompts import UNCONDITIONAL, PromptSet
from denoisebench.bench.models.load import closed_form_model
from denoisebench.bench.paths import CLOSED_FORM
from denoisebench.bench.records.run import is_run
from denoisebench.bench.score.accuracy import asked_for
from denoisebench.bench.score.captions import pictures_showing
from denoisebench.bench.score.clip import Cmmd, OfPrompts
from denoisebench.bench.score.convergence import convergence_lacks
from denoisebench.bench.score.distances import OfFeatures, frechet_column
from denoisebench.bench.score.looks import Look
from denoisebench.bench.score.metric import Metric
from denoisebench.bench.score.order import asked_numbers
from denoisebench.bench.score.published import PUBLISHED, reference_place
from denoisebench.bench.score.references import (
    EMBEDDED_SOURCES,
    STATISTICS,
    given_moments,
    read_reference_image,
)
from denoisebench.bench.score.registry import Subject, metrics_of, needs_reference_features
from denoisebench.bench.score.run_images import run_images
from denoisebench.bench.settings.job import PromptSettings, Settings
from denoisebench.bench.settings.metrics import MetricsSettings
from denoisebench.metrics.built_in import DENSITY_NEIGHBOURS
from denoisebench.metrics.specs import AMPLE_SAMPLES

_NONE = "none"  # no reference at all
# Of features, by kind of extractor.
_DIMENSIONS = {"attributes": 64, "inception": 2048, "efficientnet_lite0": 1280}
_UNPUBLISHED = ("efficientnet_lite0",)  # whose distances are compared with nobody else's


def asked_metrics(settings: Settings) -> dict[str, Metric]:
    """All that a job asks for of its own images, by column; without the optional ones that cannot
    be had. Raises UserError for equal columns."""
    absent = left_out(settings)
    return {name: metric for name, metric in _metrics(settings).items() if name not in absent}


def left_out(settings: Settings) -> dict[str, str]:
    """A sentence for each optional metric that is left out, by column: it reads prompts as captions
    of the images, and they are none, or it needs reference images, and there are none."""
    if not settings.metrics.optional:
        return {}
    return {**_without_captions(settings), **_without_reference(settings)}


def _without_captions(settings: Settings) -> dict[str, str]:
    why = _no_captions(settings.prompts)
    metrics = _metrics(settings).items() if why else ()
    unread = [name for name, metric in metrics if isinstance(metric, OfPrompts)]
    return {name: f"{name} is left out: {why}" for name in unread}


def _without_reference(settings: Settings) -> dict[str, str]:
    """One sentence for all of them."""
    if settings.metrics.reference != _NONE:
        return {}
    names = [name for name, metric in _metrics(settings).items() if _is_held_against(metric)]
    why = (
        f"{', '.join(names)}: left out for want of a reference; give metrics.reference=FOLDER of "
        "images, or the folder of a run of one cell"
    )
    return dict.fromkeys(names, why)


def _is_held_against(metric: Metric) -> bool:
    """Whether a metric is told against reference images."""
    if isinstance(metric, Look):
        return metric.is_compared
    return isinstance(metric, OfFeatures | Cmmd)


def _metrics(settings: Settings) -> dict[str, Metric]:
    prompts = given_prompts(settings)
    return metrics_of(settings.metrics, Subject(settings.task.name, settings.model.size, prompts))


def _no_captions(prompts: PromptSettings) -> str:
    """Why no image can match the prompts; empty where one can."""
    if prompts.path == UNCONDITIONAL:
        return "images are made of no prompt"
    return "prompts are names of classes, not captions" if prompts.classes else ""


def given_prompts(settings: Settings) -> tuple[str, ...]:
    """All prompts of a set that ends, by the alphabet; empty for one that is drawn without end."""
    prompts = PromptSet.of(settings.prompts)
    return () if prompts.is_drawn else tuple(sorted(prompts.texts()))


def convergence_measures(settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is asked for and can be measured against a reference trajectory, and a sentence for each
    measure that cannot."""
    measures, closed_form = (
        settings.metrics.convergence,
        settings.model.path.startswith(CLOSED_FORM),
    )
    lacks = convergence_lacks(measures, closed_form, settings.model.name)
    sentences = [f"{measure}_converged is left out: {why}" for measure, why in lacks.items()]
    return tuple(measure for measure in measures if measure not in lacks), tuple(sentences)


def check_measures(settings: Settings, metrics: dict[str, Metric]) -> None:
    """Raises UserError for a reference or prompts that cannot be measured against."""
    _check_reference(settings.metrics, given_prompts(settings))
    _check_dimensions(settings)
    _check_compared_images(settings, metrics)
    prompts = PromptSet.of(settings.prompts)
    if settings.metrics.accuracy:
        asked_for(prompts.first(settings.samples))
    if settings.metrics.order:
        asked_numbers(prompts.first(settings.samples))


def _check_reference(settings: MetricsSettings, prompts: Sequence[str]) -> None:
    """Raises UserError for a reference that cannot be used."""
    needs_features = needs_reference_features(settings)
    if needs_features and settings.reference_samples <= DENSITY_NEIGHBOURS:
        raise UserError(
            f"metrics.reference_samples={settings.reference_samples}: kernel and manifold "
            f"distances and CMMD need more than {DENSITY_NEIGHBOURS}"
        )
    if settings.reference in EMBEDDED_SOURCES or not (settings.frechet or settings.cmmd):
        return
    if settings.reference == _NONE and settings.optional:
        return
    if settings.reference.startswith(CLOSED_FORM):
        _check_closed_form(settings)
        return
    path = reference_place(settings.reference)
    if path.suffix == STATISTICS:
        _check_statistics(settings, path, needs_features=needs_features)
        return
    least = DENSITY_NEIGHBOURS + 1 if needs_features else 2
    if is_run(path):
        read = min(run_images(path).samples, settings.reference_samples)
        _check_run(settings.reference, read, least)
        return
    read_reference_image(_pictures(path, prompts, least)[0])


def _check_run(reference: str, samples: int, least: int) -> None:
    if samples < least:
        raise UserError(
            f"metrics.reference={reference}: has {samples} images, and these metrics need {least} "
            "or more; sweep that run with more samples"
        )


def _check_closed_form(settings: MetricsSettings) -> None:
    closed_form_model("of metrics.reference", settings.reference)
    if settings.cmmd or any(network.kind != "pixels" for network in settings.frechet):
        raise UserError(
            f"metrics.reference={settings.reference}: exact statistics are of pixels; "
            "use metrics=exact"
        )


def _check_statistics(settings: MetricsSettings, path: Path, *, needs_features: bool) -> None:
    dim = len(given_moments(path)[0])
    for network in settings.frechet:
        if settings.reference.startswith(PUBLISHED) and network.kind != "inception":
            raise UserError(
                f"metrics.reference={settings.reference}: is of features of Inception-v3, and "
                f"{frechet_column(network)} is of others; use metrics=standard"
            )
        if dim != _DIMENSIONS.get(network.kind, dim):
            raise UserError(
                f"metrics.reference={path}: holds {dim} dimensions, {frechet_column(network)} has "
                f"{_DIMENSIONS[network.kind]}; give statistics of the same features"
            )
    if needs_features:
        raise UserError(
            f"metrics.reference={path}: holds statistics, and kernel and manifold distances "
            "and CMMD need images; give a folder of images, or metrics.distances=[fd] and "
            "metrics.cmmd=[]"
        )


def _check_dimensions(settings: Settings) -> None:
    """Raises UserError for a Fréchet distance of more dimensions than its samples can tell, where
    no published number asks for all of them; and for more directions than dimensions."""
    for network in settings.metrics.frechet if "fd" in settings.metrics.distances else ():
        dim, name = _DIMENSIONS.get(network.kind), frechet_column(network)
        if dim and network.project and network.project >= dim:
            raise UserError(f"{name}: features have {dim} dimensions; give project below that")
        if network.kind not in _UNPUBLISHED or network.project or not dim:
            continue
        if settings.samples < AMPLE_SAMPLES * dim:
            raise UserError(
                f"{name}: {settings.samples:,} samples of {dim:,} dimensions are fewer than "
                f"{AMPLE_SAMPLES} a dimension, and the distance would be mostly bias: give the "
                f"network project: 64, or metrics.distances=[kernel], or samples="
                f"{AMPLE_SAMPLES * dim}"
            )


def _check_compared_images(settings: Settings, metrics: dict[str, Metric]) -> None:
    """Raises UserError when numbers of images are to be compared with a reference that has none, or
    has smaller ones: enlarged, those would lack the fine texture that is compared."""
    looks = [metric for metric in metrics.values() if isinstance(metric, Look)]
    if not any(look.is_compared for look in looks):
        return
    source, model = settings.metrics.reference, settings.model
    if source in EMBEDDED_SOURCES:
        return
    has_images = source != _NONE and not source.startswith(CLOSED_FORM)
    if not has_images or reference_place(source).suffix == STATISTICS:
        numbers = ", ".join(settings.metrics.images)
        raise UserError(
            f"metrics.images=[{numbers}]: compares with reference images, and metrics.reference="
            f"{source} has none; give a folder of images, or ask for banding and clipped alone"
        )
    place = reference_place(source)
    if is_run(place):
        _check_size_of_run(place, model.size)
        return
    paths = _pictures(place, given_prompts(settings))
    _check_sizes(tuple(paths[: settings.metrics.reference_samples]), model.size)


def _check_size_of_run(folder: Path, size: tuple[int, int]) -> None:
    cell = run_images(folder).cell
    if (cell.width, cell.height) != size:
        raise UserError(
            f"metrics.images: reference images of {folder} are {cell.width}x{cell.height}, and the "
            f"model's {size[0]}x{size[1]}; give others"
        )


@cache
def _check_sizes(paths: Sequence[Path], size: tuple[int, int]) -> None:
    for path in paths:
        width, height = head_of(path, "reference image").size
        if width < size[0] or height < size[1]:
            raise UserError(
                f"metrics.images: reference image {path} is {width}x{height}, smaller than the "
                f"{size[0]}x{size[1]} of the model's; give larger ones"
            )


def _pictures(folder: Path, prompts: Sequence[str], least: int = 2) -> list[Path]:
    pictures = pictures_showing(folder, prompts)
    if len(pictures) < least:
        raise UserError(
            f"metrics.reference={folder}: holds fewer than {least} images of the prompts; add some"
        )
    return pictures
