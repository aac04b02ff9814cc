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
    """One line per curve, at the step count that is best by the first of the leading metrics: a
    Fréchet distance of too few samples names none.

    Columns that hold a single value are named in the title instead. gating: metrics that have a
    margin.
    """
    frame = with_panels(frame)
    metrics = leading(frame_metrics(frame), gating)
    ranking = [m for m in metrics if samples_per_dim(frame, m) >= AMPLE_SAMPLES][:1]
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
    """Texts of one row; dashes when no cell of the curve was scored, or none is named the best."""
    first = curve.iloc[0]
    texts = [f"{first[n]:g}" if isinstance(first[n], float) else str(first[n]) for n in names]
    if "guidance" in names and not has_guidance(curve).any():
        texts[names.index("guidance")] = MISSING
    scored = done(curve).dropna(subset=ranking[:1])
    if scored.empty or not ranking:
        return [*texts, _state(curve), *[MISSING] * (len(metrics) + 1)]
    best = scored.iloc[int(np.argmax(sign(ranking[0]) * scored[ranking[0]].to_numpy()))]
    values = [plus_minus(best[metric], best[f"{metric}_se"]) for metric in metrics]
    return [*texts, str(best["steps"] or MISSING), *values, duration(best["latency_p50_s"])]
