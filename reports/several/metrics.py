"""Which metrics of several runs are the same, and so are drawn together."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from denoisebench.bench.records.cell import made_by
from denoisebench.metrics.specs import is_of_convergence, metric_spec
from denoisebench.reports.several.sides import Side

Ruler = frozenset[str]  # all that a run measures a metric by: extractor, reference, convention


@dataclass(frozen=True)
class Common:
    """A metric that some runs measure alike."""

    name: str
    sides: list[Side]  # two at least
    note: str  # which runs are not in it, and why; empty where all are


def common_metrics(sides: Sequence[Side]) -> tuple[list[Common], list[str]]:
    """Metrics that two runs or more measure alike, in the order of the first run that has them;
    and a sentence for each other one, why it is not drawn."""
    names = dict.fromkeys(name for side in sides for name in side.metrics)
    common, reasons = [], []
    for name in names:
        groups = _groups(name, sides)
        largest = max(groups, key=len)
        note = " ".join(_left_out(name, largest, sides))
        if len(largest) > 1:
            common.append(Common(name, largest, note))
        else:
            reasons.append(_not_drawn(name, groups))
    return common, reasons


def _groups(name: str, sides: Sequence[Side]) -> list[list[Side]]:
    """The runs that have a metric, those together that measure it alike."""
    groups: dict[tuple[Ruler, object], list[Side]] = {}
    for side in sides:
        if name in side.metrics:
            facts = str(side.run.own_metrics.get(name))
            groups.setdefault((_ruler(name, side), facts), []).append(side)
    return [*groups.values()]


def _ruler(name: str, side: Side) -> Ruler:
    """What a run's cells are measured by. Each curve has a trajectory of its own to converge to:
    its number of steps is what runs may share."""
    if is_of_convergence(name):
        return frozenset([_trajectory(side)])
    kinds = (entry.metrics[name] for entry in side.run.entries if name in entry.metrics)
    return frozenset(re.sub(r"_from\d+$", "", made_by(kind)) for kind in kinds)


def _trajectory(side: Side) -> str:
    """Steps of the reference trajectory, of the run's config; where that does not say, the run
    shares them with no other."""
    try:
        config = yaml.safe_load((side.run.folder / "config.yaml").read_text())
        return str(config["metrics"]["convergence_steps"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return f"unknown steps of {side.label}"


def _left_out(name: str, drawn: Sequence[Side], sides: Sequence[Side]) -> Iterator[str]:
    for side in sides:
        if side not in drawn:
            why = "measures it in another way" if name in side.metrics else "does not have it"
            yield f"Not of {side.label}, which {why}."


def _not_drawn(name: str, groups: Sequence[Sequence[Side]]) -> str:
    """`FID: not drawn together: …`"""
    label, labels = metric_spec(name).label, [side.label for group in groups for side in group]
    if len(labels) == 1:
        return f"{label}: {labels[0]} alone has it."
    what = "the reference trajectory has other steps"
    if not is_of_convergence(name):
        what = "the extractor, its weights, the reference or the way of resizing differ"
    return f"{label}: {what} in {' and '.join(labels)}, so that their values are not of one scale."
