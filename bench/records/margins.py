"""Margins as they were declared, to what each metric asks of a cell."""

from collections.abc import Iterable, Mapping
from typing import Any

from denoisebench.metrics.decide.choose import Gate
from denoisebench.metrics.specs import AMPLE_SAMPLES, REPEATED, metric_spec


def gates(
    margins: Mapping[str, Mapping[str, Any]], metrics: Iterable[str], features: Mapping[str, int]
) -> dict[str, Gate]:
    """Gates of the metrics for which a margin is declared, by column or by how columns begin.

    features: dimensions of those metrics that are biased by a small number of samples.
    """
    result = {}
    for metric in metrics:
        names = declared_for(metric, margins)
        if names:
            enough = AMPLE_SAMPLES * features.get(metric, 0)
            result[metric] = _gate(metric, margins[names[0]], enough)
    return result


def declared_for(metric: str, margins: Iterable[str]) -> list[str]:
    """Names of the margins that a metric has, by column or by how columns begin: the first counts,
    and without it the next."""
    names = [name for name in margins if metric == name or metric.startswith(f"{name}_")]
    return sorted(names, key=len, reverse=True)


def _gate(metric: str, margin: Mapping[str, Any], enough: int) -> Gate:
    sign = 1 if metric_spec(metric).better == "higher" else -1
    relative = margin.get("relative")
    if relative is not None:
        return Gate(sign, relative, relative=True, enough=enough, draws=REPEATED)
    return Gate(sign, margin["absolute"], enough=enough, draws=REPEATED)
