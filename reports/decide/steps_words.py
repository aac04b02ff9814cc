"""What more steps bring on a curve, in a sentence that says no more than paired bounds do."""

import math
from collections.abc import Mapping

import pandas as pd

from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.decide.front import resolved
from denoisebench.metrics.decide.sequential import LEVEL, Reach
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import (
    AMPLE_SAMPLES,
    drawn_in_full,
    is_of_convergence,
    metric_spec,
)
from denoisebench.reports.decide.decisions import Decisions
from denoisebench.reports.formats import plus_minus
from denoisebench.reports.rows.cautions import samples_per_dim
from denoisebench.reports.rows.curves import better_by
from denoisebench.reports.rows.frame import frame_metrics


def steps_sentences(
    frame: pd.DataFrame,
    metric: str,
    estimates: Mapping[int, Estimate],
    *,
    points: pd.DataFrame,
    decisions: Decisions,
) -> dict[tuple[str, str], str]:
    """`ddim, guidance 4: 8 → 16 steps gain 3.1 ± 1.2; beyond 16 no gain over 16 is resolved.`, by
    panel and scheduler, of a metric that is drawn in full.

    Resolved: by bounds that hold for all pairs of step counts of all curves together. None by a
    metric of which more is not better, where bias can turn the order of cells around, and where
    samples are few or not paired, or an interval is not known. points: of curve_points."""
    spec = metric_spec(metric)
    is_better = not spec.is_signed and (spec.praise == "better" or is_of_convergence(metric))
    is_full = metric in drawn_in_full(frame_metrics(frame), decisions.gates)
    if not (is_better and is_full) or samples_per_dim(frame, metric) < AMPLE_SAMPLES:
        return {}
    curves = points.groupby(["panel", "scheduler"])
    pairs = sum(math.comb(len(curve), 2) for _, curve in curves)
    reach = decisions.reaches(LEVEL / max(1, pairs))
    sentences = {}
    for (panel, scheduler), part in curves:
        rows = dict(zip(part["steps"].astype(int), part.index, strict=True))
        curve = {steps: estimates[row] for steps, row in rows.items()}
        if words := _words(curve, metric, reach):
            sentences[str(panel), str(scheduler)] = f"{scheduler}, {panel}: {words}."
    return sentences


def _words(curve: Mapping[int, Estimate], metric: str, reach: Reach) -> str:
    """The sentence of a curve by its step counts; empty where it cannot be said."""
    unit = f" {unit}" if (unit := metric_spec(metric).unit) else ""
    steps, head = sorted(curve), ""
    for place, few in enumerate(steps[:-1], start=1):
        for many in (steps[place], *reversed(steps[place + 1 :])):
            gain = better_by(curve[many], curve[few], metric)
            if not _is_known(gain):
                return ""
            if resolved(gain, reach) > 0:
                head = f"{few} → {many} steps gain {plus_minus(gain.value, gain.se)}{unit}; "
                break
        else:
            loss = better_by(curve[few], curve[steps[-1]], metric)
            words = f"beyond {few}{'' if head else ' steps'} no gain over {few} is resolved"
            return f"{head}{words}" + (
                f"; {steps[-1]} are worse by {plus_minus(loss.value, loss.se)}{unit}"
                if resolved(loss, reach) > 0
                else ""
            )
    return f"{head}{steps[-1]} are the most that were run" if head else ""


def _is_known(gain: Difference) -> bool:
    is_enough = gain.units > 1 and not gain.is_few
    return is_enough and not gain.unpaired and all(map(math.isfinite, gain.interval()))
