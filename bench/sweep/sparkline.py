"""Scores along the steps as a line of characters, or of points. The scale is that of all curves."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.records.columns import PANEL_FIELDS
from denoisebench.bench.records.names import counted, describe
from denoisebench.metrics.estimate import plus_minus
from denoisebench.metrics.specs import is_between_distributions, metric_spec

BLOCKS, ASCII = "▁▂▃▄▅▆▇█", ".:-=+*#@"  # from low to high
_NAME = 44  # characters of a curve's name at most


@dataclass(frozen=True)
class Score:
    """A value with its standard error, nan where that is not known."""

    value: float
    se: float

    @property
    def ends(self) -> tuple[float, ...]:
        """The value less a standard error, and more, where that is known; none of a nan."""
        if not math.isfinite(self.value):
            return ()
        se = self.se if math.isfinite(self.se) else 0.0
        return self.value - se, self.value + se


@dataclass(frozen=True)
class Curve:
    """The scores of one scheduler along the steps, None where a cell has none yet."""

    panel: str
    scheduler: str
    steps: tuple[int, ...]
    scores: tuple[Score | None, ...]


def curves_of(scores: Iterable[tuple[str, str, int, Score | None]]) -> list[Curve]:
    """Curves of cells' scores in their order: panel, scheduler, steps, and the score."""
    groups: dict[tuple[str, str], dict[int, Score | None]] = {}
    for panel, scheduler, steps, score in scores:
        groups.setdefault((panel, scheduler), {}).setdefault(steps, score)
    return [
        Curve(panel, scheduler, tuple(sorted(group)), tuple(group[n] for n in sorted(group)))
        for (panel, scheduler), group in groups.items()
    ]


@dataclass(frozen=True)
class Scale:
    """Takes a value to its height, from 0 to 1."""

    low: float
    high: float
    is_logarithmic: bool

    @classmethod
    def of(cls, curves: Sequence[Curve], metric: str) -> "Scale | None":
        """The scale of all curves with their standard errors, as the report's axes: logarithmic of
        distances whose ends are all positive. None while no score is known."""
        scores = (score for curve in curves for score in curve.scores)
        ends = [end for score in scores if score for end in score.ends]
        if not ends:
            return None
        low, high = min(ends), max(ends)
        return cls(low, high, is_between_distributions(metric) and low > 0)

    def height(self, value: float) -> float:
        """Where a value lies, cut at both ends; in the middle where all are equal."""
        low, high, here = self.low, self.high, min(max(value, self.low), self.high)
        if low == high:
            return 0.5
        if self.is_logarithmic:
            low, high, here = math.log(low), math.log(high), math.log(here)
        return (here - low) / (high - low)


def sparkline(curve: Curve, steps: Sequence[int], scale: Scale | None, *, marks: str) -> str:
    """A character for each of the steps: a mark for a score, a dot for one that is not known, a
    space where the curve has no cell. marks: BLOCKS or ASCII."""
    heights = {
        n: scale.height(score.value)
        for n, score in zip(curve.steps, curve.scores, strict=True)
        if scale and score and math.isfinite(score.value)
    }
    unknown = "·" if marks == BLOCKS else "'"
    return "".join(
        marks[round(heights[n] * (len(marks) - 1))]
        if n in heights
        else unknown
        if n in curve.steps
        else " "
        for n in steps
    )


def panel_names(settings: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What cells are called by that is fixed along their curves, as far as they differ in it; by
    their guidance where they differ in nothing. settings: those asked for, of each cell."""
    fields = [name for name in PANEL_FIELDS if len({str(values[name]) for values in settings}) > 1]
    return tuple(describe(values, fields or ["guidance"]) for values in settings)


def curve_lines(
    curves: Sequence[Curve], metric: str, *, marks: str, of_what: str = ""
) -> tuple[str, list[str]]:
    """A title, and a line for each curve: its name, its sparkline and its last score. of_what: said
    of the scores in the title."""
    steps = sorted({n for curve in curves for n in curve.steps})
    scale, spec = Scale.of(curves, metric), metric_spec(metric)
    kind = ", logarithmic" if scale and scale.is_logarithmic else ""
    title = f"{spec.label}, {spec.direction}{kind}{of_what}; along {_listed(steps)} steps"
    names = [", ".join(filter(None, [curve.panel, curve.scheduler])) for curve in curves]
    width = min(max(map(len, names), default=0), _NAME)
    lines = [
        f"{name[:width]:{width}}  {sparkline(curve, steps, scale, marks=marks)}  {_last(curve)}"
        for name, curve in zip(names, curves, strict=True)
    ]
    return title, lines


def at_most(most: int, lines: Sequence[str]) -> list[str]:
    """The first of the lines, the last of which says how many more there are."""
    if len(lines) <= most:
        return [*lines]
    return [*lines[: most - 1], f"and {len(lines) - most + 1} more"]


def score_words(score: Score | None) -> str:
    """`21.3 ± 0.8`; empty where there is none."""
    return plus_minus(score.value, score.se) if score else ""


def _listed(steps: Sequence[int]) -> str:
    texts = [str(n) for n in steps]
    return ", ".join(texts if len(texts) <= 12 else [*texts[:5], "…", *texts[-5:]])


def _last(curve: Curve) -> str:
    """The score at the most steps that are known."""
    known = [(n, s) for n, s in zip(curve.steps, curve.scores, strict=True) if s is not None]
    if not known:
        return "no score yet"
    steps, score = known[-1]
    return f"{score_words(score)} at {counted(steps, 'step')}"
