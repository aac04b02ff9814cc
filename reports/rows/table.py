"""The table of all cells as texts with sort keys. Units are chosen once per column."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import pandas as pd

from denoisebench.bench.records.columns import PANEL_FIELDS
from denoisebench.metrics.specs import drawn_in_full, metric_spec
from denoisebench.reports.formats import MISSING, mebibytes, number, plus_minus
from denoisebench.reports.rows.frame import (
    frame_metrics,
    has_guidance,
    varying,
    without_unknown,
)


@dataclass(frozen=True)
class Column:
    """One column; texts and sort_keys have one item per row."""

    title: str
    unit: str
    numeric: bool
    texts: list[str]
    sort_keys: list[float | str]
    full_title: str = ""  # where the title is a short form
    is_shown: bool = True  # before a reader chooses columns
    is_searched: bool = False  # it names a cell, or says what became of it


_TITLES = {"scheduler": "Scheduler", "steps": "Steps", "guidance": "Guidance"}
_NAMED_ELSEWHERE = ("guidance", "asked_samples")  # the latter by the samples that were scored
_LATENCIES = {
    "latency_p50_s": "Latency p50",
    "latency_p95_s": "p95",
    "latency_prepare_s": "prepare",
    "latency_text_s": "text",
    "latency_denoise_s": "denoise",
    "latency_scheduler_s": "of it scheduler",
    "latency_decode_s": "decode",
}


def cells_table(frame: pd.DataFrame, gating: Collection[str] = ()) -> list[Column]:
    """What names a cell (as far as it varies), its scores and cost; statuses where one failed.

    gating: metrics that have a margin.
    """
    statuses = frame["status"].tolist()
    fields = [name for name in (*PANEL_FIELDS, "samples") if name not in _NAMED_ELSEWHERE]
    is_guided = has_guidance(frame)
    titles = [name for name in _TITLES if name != "guidance" or is_guided.any()]
    names = [*varying(frame, fields), *titles]
    frame = without_unknown(frame.assign(guidance=frame["guidance"].where(is_guided)))
    return [
        *(_plain(frame, name) for name in names),
        *_metrics(frame, gating),
        *(_shortened(frame) if (frame["task"] != "txt2img").any() else []),
        _measured(frame["nfe"], "NFE", "per image", text="{:.0f}".format),
        _measured(frame["network_passes"], "Passes", "per image", text="{:.0f}".format),
        *_latencies(frame),
        _measured(frame["throughput_images_per_s"], "Throughput", "images/s", text="{:.2f}".format),
        _measured(frame["peak_memory_bytes"], "Peak memory", "MiB", text=mebibytes),
        *(_bought(frame) if frame["price_usd"].notna().any() else []),
        *([_column("Status", statuses)] if {*statuses} != {"done"} else []),
    ]


def _metrics(frame: pd.DataFrame, gating: Collection[str]) -> Iterator[Column]:
    """Those that are drawn in full first; the others are shown when they are asked for."""
    metrics = frame_metrics(frame)
    full = drawn_in_full(metrics, gating)
    for name in sorted(metrics, key=lambda name: name not in full):
        yield replace(_metric(frame, name), is_shown=name in full)


def _plain(frame: pd.DataFrame, name: str) -> Column:
    title = _TITLES.get(name, name.capitalize())
    if pd.api.types.is_numeric_dtype(frame[name]):
        return replace(_measured(frame[name], title, "", text="{:g}".format), is_searched=True)
    return _column(title, frame[name].tolist())


def _column(title: str, texts: list[str]) -> Column:
    return Column(title, "", False, texts, [text.lower() for text in texts], is_searched=True)


def _measured(
    values: Iterable[float], title: str, unit: str, *, text: Callable[[float], str]
) -> Column:
    keys = [math.nan if pd.isna(value) else float(value) for value in values]
    texts = [text(key) if math.isfinite(key) else MISSING for key in keys]
    return Column(title, unit, True, texts, [key if math.isfinite(key) else "" for key in keys])


def _metric(frame: pd.DataFrame, metric: str) -> Column:
    spec, errors = metric_spec(metric), frame[f"{metric}_se"]
    column = _measured(frame[metric], spec.short, spec.direction, text=str)
    pairs = zip(frame[metric], errors, strict=True)
    texts = [plus_minus(value, error) for value, error in pairs]
    return replace(column, texts=texts, full_title=spec.label)


def _shortened(frame: pd.DataFrame) -> list[Column]:
    """What strength makes of the steps that were asked for."""
    return [
        _measured(frame["executed_steps"], "Steps run", "", text="{:g}".format),
        _measured(frame["sigma_start"], "Sigma start", "", text="{:.3g}".format),
    ]


def _bought(frame: pd.DataFrame) -> list[Column]:
    """What services took for images, and did not give."""
    return [
        _measured(frame["price_usd"], "Price", "$/image", text="{:g}".format),
        _measured(frame["refused_images"], "Declined", "prompts", text="{:.0f}".format),
        _measured(frame["lost_images"], "Lost", "images", text="{:.0f}".format),
    ]


def _latencies(frame: pd.DataFrame) -> list[Column]:
    """All parts in one unit: milliseconds while the slowest image takes less than ten seconds."""
    slowest, fastest = frame["latency_p95_s"].max(), frame["latency_p50_s"].min()
    unit, scale = ("s", 1.0) if slowest >= 10 else ("ms", 1e3)
    decimals = 2 if unit == "s" else 1 if fastest < 0.1 else 0
    return [
        _measured(frame[name], title, f"{unit}/image", text=lambda s: number(s * scale, decimals))
        for name, title in _LATENCIES.items()
    ]
