"""Metrics by the name of their column: what is known of each, and which of a run lead."""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from denoisebench.metrics.built_in import CONVERGED, SPECS, MetricSpec

# Samples per feature dimension of a Fréchet distance. Below AMPLE_SAMPLES bias can turn the order
# of close cells around, and no cell is chosen; below FEW_SAMPLES it is unknown how much of it is
# left in a value or a difference, and neither has an interval.
AMPLE_SAMPLES, FEW_SAMPLES = 4, 3
REPEATED = 2  # draws of a prompt, on average, from which a distance is of the prompts at hand
_BETWEEN_DISTRIBUTIONS = ("fid", "fd", "kid", "kd", "cmmd")  # first word of a column


def is_between_distributions(metric: str) -> bool:
    """Whether it is a distance between distributions, which is never below 0."""
    return metric.split("_")[0] in _BETWEEN_DISTRIBUTIONS


def depends_on_samples(metric: str) -> bool:
    """Whether it is of all samples together, so that its value moves with their number: a bias is
    left, or it grows."""
    manifold = ("precision", "recall", "density", "coverage")
    return is_between_distributions(metric) or metric.split("_")[0] in manifold


def metric_spec(name: str) -> MetricSpec:
    """The spec of a quality metric by its column name.

    Names are those of the table, <family>_<extractor> or _<model>, <measure>_input,
    <measure>_converged, cosine_<extractor>_input, and those that were declared. Raises KeyError for
    an unknown family.
    """
    return OWN[name] if name in OWN else _built_in(name)


def leading(metrics: Iterable[str], gating: Collection[str]) -> list[str]:
    """Those of a run's metrics that its lines, tables and defaults speak of: they name a best cell.
    Where none of them decides, closeness to many steps stands beside them, and where there are none
    in their place: the fewest steps after which nothing changes any more.

    gating: metrics that have a margin, which decide. Defaults are by those of them that lead.
    """
    metrics = [*metrics]
    best = [name for name in metrics if metric_spec(name).names_a_best]
    if any(name in gating for name in best):
        return best
    closeness = [name for name in metrics if is_of_convergence(name)]
    return [*best, *(name for name in closeness if name in gating)] or closeness


def drawn_in_full(metrics: Iterable[str], gating: Collection[str]) -> list[str]:
    """Those of a run's metrics that are drawn in full: the main ones, and those that lead."""
    metrics = [*metrics]
    lead = leading(metrics, gating)
    return [name for name in metrics if metric_spec(name).is_main or name in lead]


def is_of_convergence(metric: str) -> bool:
    """Whether it is closeness to what the same noise becomes in many steps, at the same guidance:
    it says nothing of which guidance is better."""
    return metric in CONVERGED


def _built_in(name: str) -> MetricSpec:
    name = name.removesuffix("_input")
    if name in SPECS:
        return SPECS[name]
    for family, spec in SPECS.items():
        if name.startswith(f"{family}_"):
            source = name.removeprefix(f"{family}_")
            return replace(
                spec,
                label=f"{spec.label} ({source})",
                meaning=spec.meaning.format(source=source),
            )
    raise KeyError(name)


# Of metrics from outside the package, by column: declared by a plan, or by a run or a pack that is
# read, whose functions need not be there.
OWN: dict[str, MetricSpec] = {}
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ENDINGS = (
    "_se",
    "_units",
    "_left",
    "_raw",
    "_infinity",
    "_n_per_dim",
    "_floor",
    "_input",
    "_converged",
)


def declare(name: str, spec: MetricSpec) -> None:
    """Adds a metric from outside the package, or changes it. Raises ValueError for a name that is
    no column's, or is one of the package's metrics, and for facts that are none."""
    if not _COLUMN.fullmatch(name) or name.endswith(_ENDINGS):
        raise ValueError(
            f"{name!r} is no name of a column: letters, digits and _, and no ending "
            f"{', '.join(_ENDINGS)}"
        )
    if spec.better not in ("higher", "lower"):
        raise ValueError(f"better={spec.better!r} is neither higher nor lower")
    try:
        label = _built_in(name).label
    except KeyError:
        OWN[name] = spec
    else:
        raise ValueError(f"{name} is a name of denoisebench's own ({label})")
