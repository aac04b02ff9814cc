"""What a figure shows, in one sentence with its numbers: written below it.

A sentence says what is proven by bounds that hold together for all that it could have said of its
figure, and that it is undecided where it is.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import pandas as pd

from denoisebench.metrics.decide.choose import Reaches
from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.front import OFF, ON, OPEN, resolved
from denoisebench.metrics.decide.sequential import LEVEL, Reach, fixed_reach
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.formats import plus_minus
from denoisebench.reports.rows.curves import better_by, sign
from denoisebench.reports.rows.pareto import Front, setting_names


class Change(NamedTuple):
    """What more steps brought on a curve."""

    steps_from: int
    steps_to: int
    gain: Difference  # above zero is better

    @property
    def span(self) -> str:
        return f"from {self.steps_from} to {self.steps_to} steps"

    @property
    def size(self) -> str:
        return plus_minus(abs(self.gain.value), self.gain.se)


def steps_finding(
    points: pd.DataFrame,
    metric: str,
    estimates: Mapping[int, Estimate],
    *,
    reaches: Reaches = fixed_reach,
) -> str:
    """The last gain between neighbouring step counts that is resolved on the curve of the best
    measured cell, by bounds that hold for all neighbours of all curves together.

    points: of curve_points. Empty where no curve has two step counts, or no error is known, and for
    a metric that names no best cell."""
    if not metric_spec(metric).names_a_best:
        return ""
    curves = [curve for _, curve in points.groupby(["panel", "scheduler"], sort=False)]
    curves = [curve for curve in curves if curve["steps"].nunique() > 1]
    if not curves:
        return ""
    reach = reaches(LEVEL / sum(len(curve) - 1 for curve in curves))
    curve = max(curves, key=lambda curve: (sign(metric) * curve["value"]).max())
    changes = _changes(curve, metric, estimates)
    known = [change for change in changes if math.isfinite(change.gain.se)]
    if not known:
        return ""
    first = curve.iloc[0]
    text = _last_gain(known, reach, first["scheduler"], label=metric_spec(metric).short)
    return f"With {first['panel']}, {text}"


def _changes(
    curve: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate]
) -> Iterator[Change]:
    """Changes between neighbouring step counts, from few to many."""
    cells = zip([*curve.index], curve["steps"].tolist(), strict=True)
    for (before, steps_from), (after, steps_to) in pairwise(cells):
        gain = better_by(estimates[after], estimates[before], metric)
        yield Change(steps_from, steps_to, gain)


def _last_gain(changes: list[Change], reach: Reach, scheduler: str, *, label: str) -> str:
    signs = [resolved(change.gain, reach) for change in changes]
    gains = [change for change, way in zip(changes, signs, strict=True) if way > 0]
    if not gains:
        most = max(changes, key=lambda change: change.gain.value)
        seen = f"; the largest seen is {most.size}, {most.span}" if most.gain.value > 0 else ""
        gain = f"gain of {scheduler} in {label} between neighbouring step counts"
        return f"no {gain} is resolved: undecided{seen}."
    last = gains[-1]
    beyond = changes[changes.index(last) + 1 :]
    losses = [change for change in beyond if resolved(change.gain, reach) < 0]
    if losses:
        rest = f"; {losses[0].span} it loses {losses[0].size}"
    else:
        none = "; beyond that no gain between neighbouring step counts is resolved"
        rest = none if beyond else "; more steps were not run"
    return f"{last.span} {scheduler} gains {last.size} in {label}{rest}."


def front_finding(front: Front, metric: str, estimates: Mapping[int, Estimate]) -> str:
    """Numbers of cells that are proven on the front or off it, of the panel with the best measured
    cell, and what the dearest that is on it has over the cells that cost no more.

    A cell without a rival is on it too, but nothing was tested: it is counted apart."""
    best: Any = (sign(metric) * front.points["value"]).idxmax()
    panel = front.points.loc[best, "panel"]
    points = front.points[front.points["panel"] == panel]
    held = points[points["rival"] >= 0]
    counts = {
        "proven on the front": (held["verdict"] == ON).sum(),
        "proven off it": (held["verdict"] == OFF).sum(),
        "undecided": (held["verdict"] == OPEN).sum(),
        "without a rival": len(points) - len(held),
    }
    numbers = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    text = f"With {panel}, of {len(points)} cells {numbers}"
    on = held[held["verdict"] == ON]
    if on.empty:
        return f"{text}."
    row: Any = on[front.cost].astype(float).idxmax()
    rival, names = on["rival"].to_dict()[row], setting_names(points)
    gain = better_by(estimates[row], estimates[rival], metric)
    return (
        f"{text}: the dearest on it, {names[row]}, is better than all that cost no more, the best "
        f"of which is {names[rival]}, by {plus_minus(gain.value, gain.se)}."
    )
