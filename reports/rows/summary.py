"""The end of a sweep in a terminal: one line per curve, its best step count. No statistics."""

from collections.abc import Collection

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from denoisebench.bench.records.columns import LOST, UNSCORED
from denoisebench.bench.records.names import lost_words
from denoisebench.metrics.specs import AMPLE_SAMPLES, leading, metric_spec
from denoisebench.reports.formats import MISSING, duration, plus_minus
from denoisebench.reports.rows.cautions import samples_per_dim
from denoisebench.reports.rows.curves import panel_names, sign, with_panels
from denoisebench.reports.rows.frame import (
    done,
    frame_metrics,
    has_guidance,
    with_status,
)


def summary_table(frame: pd.DataFrame, gating: Collection[str] = ()) -> Table:
    """One line per curve, at the step count that is best by the first of the leading metrics that
    has numbers: a Fréchet distance of too few samples names none. A curve that lacks it is shown at
    its best by the next that it has, and says so.

    Columns that hold a single value are named in the title instead. gating: metrics that have a
    margin.
    """
    frame = with_panels(frame)
    metrics = leading(frame_metrics(frame), gating)
    scored = done(frame)
    ranking = [
        metric
        for metric in metrics
        if scored[metric].notna().any() and samples_per_dim(frame, metric) >= AMPLE_SAMPLES
    ]
    names = [*panel_names(frame), "scheduler"]
    table = Table(title=Text(_title(frame, ranking)), title_justify="left", caption=_caption(frame))
    for name in names:
        right = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    table.add_column("best steps", justify="right")
    for metric in metrics:
        spec = metric_spec(metric)
        arrow = "↓" if spec.better == "lower" else "↑"
        table.add_column(Text(f"{spec.label} {arrow}"), justify="right")
    table.add_column("latency", justify="right")
    runnable = frame[frame["status"] != "unsupported"]
    for _, curve in runnable.groupby(["panel", "scheduler"], sort=False):
        texts = _line(curve, names, metrics, ranking=ranking)
        table.add_row(*map(Text, texts))
    return table


def _title(frame: pd.DataFrame, ranking: list[str]) -> str:
    models = ", ".join(frame["model"].unique())
    if not ranking:
        return models
    first = metric_spec(ranking[0]).label
    return f"{models}: best steps of each curve by {first}, ± standard error"


def _caption(frame: pd.DataFrame) -> Text | None:
    failed, unscored = len(with_status(frame, *LOST)), len(with_status(frame, UNSCORED))
    words = lost_words(len(frame), failed=failed, unscored=unscored)
    return Text(words, style="red") if words else None


def _state(curve: pd.DataFrame) -> str:
    """Why a curve has no best cell."""
    if len(with_status(curve, *LOST)):
        return "failed"
    return UNSCORED if len(with_status(curve, UNSCORED)) else MISSING


def _line(
    curve: pd.DataFrame, names: list[str], metrics: list[str], *, ranking: list[str]
) -> list[str]:
    """Texts of one row; dashes when no cell of the curve was scored, or none is named the best.
    ranking: metrics that name a best cell, the one of the title first."""
    first = curve.iloc[0]
    texts = [f"{first[n]:g}" if isinstance(first[n], float) else str(first[n]) for n in names]
    if "guidance" in names and not has_guidance(curve).any():
        texts[names.index("guidance")] = MISSING
    finished = done(curve)
    by = next((metric for metric in ranking if finished[metric].notna().any()), None)
    if by is None:
        return [*texts, _state(curve), *[MISSING] * (len(metrics) + 1)]
    scored = finished.dropna(subset=[by])
    best = scored.iloc[int(np.argmax(sign(by) * scored[by].to_numpy()))]
    steps = str(best["steps"] or MISSING)
    steps += "" if by == ranking[0] else f" by {metric_spec(by).short}"
    values = [plus_minus(best[metric], best[f"{metric}_se"]) for metric in metrics]
    return [*texts, steps, *values, duration(best["latency_p50_s"])]
