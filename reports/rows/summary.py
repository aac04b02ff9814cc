"""The end of a sweep in a terminal: one line per curve, its best step count, and one per default.
No statistics."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from denoisebench.bench.records.names import cell_name, counted
from denoisebench.metrics.decide.verdicts import PASS
from denoisebench.metrics.specs import AMPLE_SAMPLES, leading, metric_spec
from denoisebench.reports.formats import (
    MISSING,
    NEVER,
    duration,
    more,
    plus_minus,
    significant,
)
from denoisebench.reports.rows.cautions import samples_per_dim
from denoisebench.reports.rows.curves import panel_names, sign, with_panels
from denoisebench.reports.rows.frame import (
    NOT_DONE,
    done,
    frame_metrics,
    has_guidance,
    with_status,
)

_FEW = 3  # parts of a sentence


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


def default_line(default: Mapping[str, Any]) -> str:
    """One of the defaults in defaults.yaml in a line."""
    about = f"{_group(default)} by {metric_spec(default['default_for']).label}: "
    if "call" not in default:
        words = f"{default['outcome']}, no cell is proven to be within all margins"
        return f"{about}{words}{_open(default)}"
    saved = ""
    if "saving" in default:
        vendor, times = default["vendor_default"], significant(default["saving"]["evaluations"])
        own = counted(vendor["steps"], "step")
        where = "" if vendor.get("latency_is", "measured") == "measured" else ", not measured here"
        saved = f", {times} times fewer evaluations than its own {own}{where}"
    return f"{about}{_setting(default)} ({default['outcome']}{saved})"


def answer(defaults: Sequence[Mapping[str, Any]]) -> str:
    """What to run, in a sentence, of the defaults in defaults.yaml; metrics that agree are named
    together."""
    if not defaults:
        return (
            "none; nothing was measured that says which image is better and has a margin: that "
            "takes CLIP's weights (`denoisebench fetch metrics=clip` gets them), reference images "
            "or a metric of your own"
        )
    metrics: dict[tuple[str, str], list[str]] = {}
    for default in defaults:
        label = metric_spec(default["default_for"]).label
        metrics.setdefault(_verdict(default), []).append(label)
    if len(metrics) > _FEW:
        decided = sum("call" in default for default in defaults)
        return (
            f"{decided} of {len(defaults)} defaults are proven, see defaults.yaml beside the page"
        )
    parts = (f"{head} by {' and '.join(by)}{tail}" for (head, tail), by in metrics.items())
    return "; ".join(parts)


def _verdict(default: Mapping[str, Any]) -> tuple[str, str]:
    """What is said of a default before and after the metric's name."""
    group = _group(default)
    if "call" not in default:
        return f"nothing is proven yet for {group}", _open(default)
    tail = "" if default["outcome"] == PASS else ", though its curve still gains there"
    return f"{group} with {_setting(default)} is the cheapest proven to be within the margins", tail


def _setting(default: Mapping[str, Any]) -> str:
    """`ddim, 16 steps, guidance 4`."""
    names = ("scheduler", "steps", "guidance")
    return cell_name({name: default[name] for name in names if name in default})


def _group(default: Mapping[str, Any]) -> str:
    """The cells among which a default was chosen."""
    held = default.get("held", {})
    fixed = {name: default[name] for name in ("model", "task", "strength") if name in default}
    return cell_name(fixed | held, also=[*held, "strength"])


def _open(default: Mapping[str, Any]) -> str:
    """Why a default is not decided, or what may be decided soonest."""
    if "note" in default:
        return f"; {default['note'][0].lower()}{default['note'][1:]}"
    return _waiting(default.get("undecided", {}), guidance=default.get("guidance"))


def _waiting(undecided: Mapping[str, int | str], *, guidance: float | None) -> str:
    """What may be decided soonest. undecided: samples by setting, or NEVER."""
    samples = {name: float(n) for name, n in undecided.items() if n != NEVER}
    if samples:
        name, further = min(samples.items(), key=itemgetter(1))
        setting = name if guidance is None else f"{name}, guidance {guidance:g}"
        return f"; {setting} may be, with {more(further)}"
    return f"; that is {NEVER}" if undecided else ""


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
