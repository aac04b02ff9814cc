"""The end of a sweep in a terminal: one line per curve, its best step count. No statistics."""

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from denoisebench.metrics.specs import AMPLE_SAMPLES, leading, metric_spec
from denoisebench.reports.formats import MISSING, duration, plus_minus
from denoisebench.reports.rows.cautions import samples_per_dim
from denoisebench.reports.rows.curves import panel_names, sign, with_panels
from denoisebench.reports.rows.frame import (
    NOT_DONE,
    done,
    frame_metrics,
    has_guidance,
    with_status,
)


def summary_table(frame: pd.DataFrame) -> Table:
    """One line per curve, at the step count that is best by the first of the leading metrics: a
    Fréchet distance of too few samples names none.

    Columns that hold a single value are named in the title instead.
    """
    frame = with_panels(frame)
    metrics = leading(frame_metrics(frame))
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
    bad = len(with_status(frame, *NOT_DONE))
    return Text(f"{bad} of {len(frame)} cells failed", style="red") if bad else None


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
        state = "failed" if len(with_status(curve, *NOT_DONE)) else MISSING
        return [*texts, state, *[MISSING] * (len(metrics) + 1)]
    best = scored.iloc[int(np.argmax(sign(ranking[0]) * scored[ranking[0]].to_numpy()))]
    values = [plus_minus(best[metric], best[f"{metric}_se"]) for metric in metrics]
    return [*texts, str(best["steps"]), *values, duration(best["latency_p50_s"])]
