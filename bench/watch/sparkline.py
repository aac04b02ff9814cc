"""Scores along the steps as a line of characters, or of points. The scale is that of all curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from denoisebench.bench.watch.sight import Curve
from denoisebench.metrics.specs import is_between_distributions

BLOCKS, ASCII = "▁▂▃▄▅▆▇█", ".:-=+*#@"  # from low to high


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
