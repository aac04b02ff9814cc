"""Every metric by its column: what conf/metrics names, as objects that read and estimate.

The settings of a family are in bench/settings/metrics.py, since settings lie below the rooms that
use them. Convergence is not made here but in bench/plan/trajectory.py, beside its trajectory: its
kind names the key of a cell that has to be planned first.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from denoisebench.bench.errors import UserError
from denoisebench.bench.plugins.functions import own_function
from denoisebench.bench.score.accuracy import Accuracy, attributes_of
from denoisebench.bench.score.clip import ClipS, ClipScore, Cmmd
from denoisebench.bench.score.distances import (
    NEIGHBOURS,
    FrechetDistance,
    KernelDistance,
    Neighbours,
)
from denoisebench.bench.score.fidelity import OF_FEATURES, REGIONS, Fidelity
from denoisebench.bench.score.heads import Head
from denoisebench.bench.score.looks import Look, look_names
from denoisebench.bench.score.metric import Metric
from denoisebench.bench.score.order import Order
from denoisebench.bench.score.own import own_metric
from denoisebench.bench.score.published import PUBLISHED, published
from denoisebench.bench.score.references import EMBEDDED_SOURCES, Reference, captions_among
from denoisebench.bench.settings.metrics import FrechetSettings, MetricsSettings
from denoisebench.metrics.built_in import octaves_of
from denoisebench.metrics.specs import metric_spec


@dataclass(frozen=True)
class Subject:
    """What images are, as far as it decides what can be measured of them."""

    task: str  # "txt2img", "img2img" or "inpaint"
    size: tuple[int, int]  # pixels, width and height
    prompts: tuple[str, ...] = ()  # all of a set that ends


def metrics_of(settings: MetricsSettings, subject: Subject) -> dict[str, Metric]:
    """All that is asked for, by column. Raises UserError where two have one column."""
    chosen = [metric for family in _FAMILIES for metric in family(settings, subject)]
    metrics = {metric.column: metric for metric in chosen}
    columns = Counter(metric.column for metric in chosen)
    if twice := [column for column, count in columns.items() if count > 1]:
        raise UserError(
            f"metrics: two metrics have the same column, {twice[0]}; give one another name, "
            "@metric(name=…) of a function of your own"
        )
    return metrics


def measured(
    metrics: Mapping[str, Metric], *, optional: bool = False
) -> tuple[dict[str, Metric], list[str]]:
    """Metrics for which this machine has all that they need, and a sentence for each other one.

    optional: whether weights that are not there are such a lack. Raises UserError for them later,
    if not.
    """
    lacks = {
        column: metric.lack() or (_missing_weights(metric) if optional else "")
        for column, metric in metrics.items()
    }
    there = {column: metric for column, metric in metrics.items() if not lacks[column]}
    return there, list(filter(None, lacks.values()))


def _missing_weights(metric: Metric) -> str:
    try:
        _ = metric.kind  # has a hash of them
    except UserError as error:
        return f"{metric.column} ({metric_spec(metric.column).meaning}) is left out: {error}"
    return ""


def reference_of(settings: MetricsSettings, subject: Subject) -> Reference:
    """What the metrics hold images against: of the same prompts where it is known what it shows."""
    prompts = subject.prompts
    shows_all = settings.reference not in EMBEDDED_SOURCES or not prompts
    return Reference(
        settings.reference,
        _samples_of(settings),
        settings.reference_features,
        keeps_features=needs_reference_features(settings),
        captions=prompts if shows_all else captions_among(prompts, settings.reference),
    )


def _samples_of(settings: MetricsSettings) -> int:
    """The most images of the reference that count: of published ones all."""
    if settings.reference.startswith(PUBLISHED):
        return published(settings.reference).samples or settings.reference_samples
    return settings.reference_samples


def needs_reference_features(settings: MetricsSettings) -> bool:
    """Whether statistics of the reference would not do: kernels and neighbours need features."""
    of_extractors = {"kernel", "manifold"} & {*settings.distances}
    return bool(settings.cmmd or (settings.frechet and of_extractors))


def _distances(settings: MetricsSettings, subject: Subject) -> Iterator[Metric]:
    reference = reference_of(settings, subject)
    for network in settings.frechet:
        yield from _of_extractor(network, settings.distances, reference)


def _of_extractor(
    network: FrechetSettings, distances: Iterable[str], reference: Reference
) -> Iterator[Metric]:
    if "fd" in distances:
        yield FrechetDistance(network, reference)
    if "kernel" in distances:
        yield KernelDistance(network, reference)
    if "manifold" in distances:
        yield from (Neighbours(network, reference, measure) for measure in NEIGHBOURS)


def _clip(settings: MetricsSettings, subject: Subject) -> Iterator[Metric]:
    reference = reference_of(settings, subject)
    yield from (Cmmd(network, reference) for network in settings.cmmd)
    for metric in (ClipScore, ClipS) if settings.clip_s else (ClipScore,):
        for network in settings.clip_score:
            yield metric(network, embeds=network in settings.cmmd)


def _fidelity(settings: MetricsSettings, subject: Subject) -> Iterator[Metric]:
    """Closeness to the input, for tasks that have one."""
    for measure in settings.fidelity if subject.task != "txt2img" else ():
        if measure in OF_FEATURES:
            yield from (Fidelity(measure, network) for network in settings.frechet)
        elif measure != "regions":
            yield Fidelity(measure)
        elif subject.task == "inpaint":
            yield from (Fidelity(region) for region in REGIONS)


def _looks(settings: MetricsSettings, subject: Subject) -> Iterator[Metric]:
    reference = reference_of(settings, subject)
    for name in settings.images:
        for column in look_names(name, octaves_of(*reversed(subject.size))):
            yield Look(column, reference, subject.size)


def _order(settings: MetricsSettings, subject: Subject) -> Iterator[Metric]:
    reference = reference_of(settings, subject)
    yield from (Order(Look(name, reference, subject.size)) for name in settings.order)


def _accuracy(settings: MetricsSettings, subject: Subject) -> Iterator[Metric]:
    if settings.accuracy:
        for attribute in attributes_of(subject.prompts):
            yield Accuracy(settings.accuracy, attribute)


def _own(settings: MetricsSettings, subject: Subject) -> Iterator[Metric]:
    yield from (own_metric(own_function(own.function, own.python or "")) for own in settings.own)
    yield from (own_metric(Head(head)) for head in settings.heads)


# In the order of the columns.
_FAMILIES = (_distances, _clip, _fidelity, _looks, _order, _accuracy, _own)
