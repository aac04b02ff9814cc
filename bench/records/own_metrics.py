"""What a run or a pack keeps of metrics from outside the package: it is read where they are not."""

from collections.abc import Iterable, Mapping
from typing import Any

from denoisebench.metrics.built_in import MetricSpec
from denoisebench.metrics.specs import OWN, declare

Facts = Mapping[str, Mapping[str, Any]]  # by column
_FACTS = ("label", "unit", "better", "meaning")


def facts_of(metrics: Iterable[str]) -> dict[str, dict[str, str]]:
    """Facts of those metrics that come from outside, by column."""
    return {
        name: {fact: getattr(OWN[name], fact) for fact in _FACTS}
        for name in dict.fromkeys(metrics)
        if name in OWN
    }


def declare_recorded(record: Facts) -> None:
    """Makes the metrics of a record known, whatever was known by their names. Raises ValueError,
    TypeError or AttributeError for what is no such record."""
    for name, facts in record.items():
        if not all(isinstance(value, str) for value in facts.values()):
            raise ValueError(f"facts of {name} are no texts")
        declare(name, MetricSpec(**facts))
