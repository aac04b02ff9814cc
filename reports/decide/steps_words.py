"""What more steps bring on a curve, in a sentence that says no more than paired intervals do."""

import math
from collections.abc import Collection, Mapping

import pandas as pd

from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import (
    AMPLE_SAMPLES,
    drawn_in_full,
    is_of_convergence,
    metric_spec,
)
from denoisebench.reports.formats import plus_minus
from denoisebench.reports.rows.cautions import samples_per_dim
from denoisebench.reports.rows.curves import curve_points, sign
from denoisebench.reports.rows.frame import frame_metrics


def steps_sentences(
    frame: pd.DataFrame,
    metric: str,
    estimates: Mapping[int, Estimate],
    *,
    gating: Collection[str],
) -> dict[tuple[str, str], str]:
    """`ddim, guidance 4: 8 → 16 steps gain 3.1 ± 1.2; beyond 16 no gain over 16 is resolved.`, by
    panel and scheduler, of a metric that is drawn in full.

    Resolved: the 95 % interval of the paired difference lies above zero. None by a metric of which
    more is not better, where bias can turn the order of cells around, and where samples are not
    paired or an interval is not known. gating: metrics that have a margin."""
    spec = metric_spec(metric)
    is_better = not spec.is_signed and (spec.praise == "better" or is_of_convergence(metric))
    is_full = metric in drawn_in_full(frame_metrics(frame), gating)
    if not (is_better and is_full) or samples_per_dim(frame, metric) < AMPLE_SAMPLES:
        return {}
    sentences = {}
    for (panel, scheduler), points in curve_points(frame, metric).groupby(["panel", "scheduler"]):
        rows = dict(zip(points["steps"].astype(int), points.index, strict=True))
        curve = {steps: estimates[row] for steps, row in rows.items()}
        if words := _words(curve, sign(metric), f" {spec.unit}" if spec.unit else ""):
            sentences[str(panel), str(scheduler)] = f"{scheduler}, {panel}: {words}."
    return sentences


def _words(curve: Mapping[int, Estimate], direction: int, unit: str) -> str:
    """The sentence of a curve by its step counts; empty where it cannot be said."""
    steps, head = sorted(curve), ""
    for place, few in enumerate(steps[:-1], start=1):
        for many in (steps[place], *reversed(steps[place + 1 :])):
            gain = _gain(curve[few], curve[many], direction)
            if not _is_known(gain):
                return ""
            if gain.interval()[0] > 0:
                head = f"{few} → {many} steps gain {plus_minus(gain.value, gain.se)}{unit}; "
                break
        else:
            loss = _gain(curve[few], curve[steps[-1]], direction).opposite
            words = f"beyond {few}{'' if head else ' steps'} no gain over {few} is resolved"
            return f"{head}{words}" + (
                f"; {steps[-1]} are worse by {plus_minus(loss.value, loss.se)}{unit}"
                if loss.interval()[0] > 0
                else ""
            )
    return f"{head}{steps[-1]} are the most that were run" if head else ""


def _gain(few: Estimate, many: Estimate, direction: int) -> Difference:
    """How much better the cell of many steps is."""
    return difference_of(many, few) if direction > 0 else difference_of(few, many)


def _is_known(gain: Difference) -> bool:
    low, high = gain.interval()
    return not gain.unpaired and gain.units > 1 and math.isfinite(low) and math.isfinite(high)
