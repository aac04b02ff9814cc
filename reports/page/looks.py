"""How the schedulers of a run look, in all of its figures alike, and which stand together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from denoisebench.metrics.specs import metric_spec
from denoisebench.reports import theme
from denoisebench.reports.rows.curves import sign
from denoisebench.reports.rows.frame import done

MANY = 12  # curves, beyond which a figure shows a few in full and the others pale
_SHOWN = 6  # of many
# What a class of diffusers is called beyond its family.
_VARIANTS = re.compile(r"^(?:EDM|FlowMatch)|Discrete|Ancestral|Multistep|Singlestep|SDE|Scheduler$")


@dataclass(frozen=True)
class Look:
    """One scheduler. No two of the first 81 have the same colour and shape."""

    name: str
    family: str
    colour: str
    shape: str  # outline in a square from -1 to 1, as SVG writes it
    dash: Sequence[int]

    @classmethod
    def of(cls, place: int, name: str, family: str) -> "Look":
        """The look of a place in the list of schedulers: later laps shift the shapes."""
        lap, colour = divmod(place, len(theme.COLOURS))
        return cls(
            name,
            family,
            theme.COLOURS[colour],
            theme.SHAPES[(colour + lap) % len(theme.SHAPES)],
            theme.DASHES[place % len(theme.DASHES)],
        )


def looks_of(frame: pd.DataFrame) -> dict[str, Look]:
    """The look of each scheduler that has a finished cell, families together, in the order of the
    frame."""
    cells = done(frame)
    classes = dict(zip(cells["scheduler"], cells["scheduler_class"], strict=True))
    families = {name: family_of(class_name) for name, class_name in classes.items()}
    order = list(dict.fromkeys(families.values()))
    names = sorted(families, key=lambda name: order.index(families[name]))  # stable
    return {name: Look.of(place, name, families[name]) for place, name in enumerate(names)}


def family_of(scheduler_class: str) -> str:
    """`Euler` of EulerAncestralDiscreteScheduler: the method, whatever its variant."""
    return _VARIANTS.sub("", scheduler_class) or scheduler_class


def families(looks: Mapping[str, Look]) -> dict[str, list[Look]]:
    """Looks by family."""
    grouped: dict[str, list[Look]] = {}
    for look in looks.values():
        grouped.setdefault(look.family, []).append(look)
    return grouped


def placed(points: pd.DataFrame, looks: Mapping[str, Look]) -> pd.DataFrame:
    """The points with `place`: the number of the scheduler among all of the run."""
    places = {name: place for place, name in enumerate(looks)}
    return points.assign(place=points["scheduler"].map(places))


def best_first(points: pd.DataFrame, metric: str) -> list[str]:
    """Schedulers by their best value."""
    spec = metric_spec(metric)
    quality = -points["value"].abs() if spec.is_signed else sign(metric) * points["value"]
    best = quality.groupby(points["scheduler"]).max()
    return [str(name) for name in best.sort_values(ascending=False).index]


def shown_first(points: pd.DataFrame, best_first: Sequence[str]) -> list[str]:
    """Schedulers that a figure of many shows in full; none to say all.

    points: of the figure's curves. best_first: schedulers by their best value."""
    if points["scheduler"].nunique() <= MANY:
        return []
    chosen = points.loc[points["recommended"], "scheduler"] if "recommended" in points else []
    return list(dict.fromkeys([*chosen, *best_first]))[:_SHOWN]
