"""Which metrics of several runs are the same, and so are drawn together."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from denoisebench.bench.records.cell import made_by
from denoisebench.metrics.specs import depends_on_samples, is_of_convergence, metric_spec
from denoisebench.reports.rows.frame import done
from denoisebench.reports.several.sides import Side


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
    groups: dict[tuple[object, ...], list[Side]] = {}
    for side in sides:
        if name in side.metrics:
            of_all = _samples(side) if depends_on_samples(name) else ""
            groups.setdefault((*_ruler(name, side), of_all), []).append(side)
    return [*groups.values()]


def _ruler(name: str, side: Side) -> tuple[object, ...]:
    """What a run's cells are measured by: extractor, reference and convention, and the facts of a
    metric of the user's own. Each curve has a trajectory of its own to converge to: its number of
    steps is what runs may share."""
    facts = str(side.run.own_metrics.get(name))
    if is_of_convergence(name):
        return facts, _trajectory(side)
    kinds = [entry.metrics[name] for entry in side.run.entries if name in entry.metrics]
    return facts, frozenset(re.sub(r"_from\d+$", "", made_by(kind)) for kind in kinds)


def _samples(side: Side) -> str:
    """`96`; `64 to 512` of a race."""
    counts = sorted(done(side.frame)["samples"].unique())
    return " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))


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
            why = "does not have it"
            if name in side.metrics:
                why = f"measures it otherwise: {_apart(name, [drawn[0], side])}"
            yield f"Not of {side.label}, which {why}."


def _not_drawn(name: str, groups: Sequence[Sequence[Side]]) -> str:
    """`FID: not drawn together: …`"""
    label, sides = metric_spec(name).label, [side for group in groups for side in group]
    if len(sides) == 1:
        return f"{label}: {sides[0].label} alone has it."
    labels = " and ".join(side.label for side in sides)
    return f"{label} is not drawn together or compared in {labels}: {_apart(name, sides)}."


def _apart(name: str, sides: Sequence[Side]) -> str:
    """What makes values of a metric no values of one scale."""
    if len({_ruler(name, side) for side in sides}) == 1:
        numbers = " and ".join(dict.fromkeys(_samples(side) for side in sides))
        return f"its values move with the number of samples, here {numbers}"
    if is_of_convergence(name):
        return "the reference trajectory has other steps"
    return "the extractor, its weights, the reference or the way of resizing differ"
