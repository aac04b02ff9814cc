"""Numbers of a cell by the names and along the axes that trackers draw them by. Knows no tracker.

`quality/` holds each metric with its 95 % interval, `by_nfe/` and `by_ms/` the same values along
the evaluations of the denoiser and along milliseconds per image, `speed/` times alone, `work/` what
was computed and used, `uncertainty/` what a metric says of its own error, `diagnostics/` all else.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from denoisebench.bench.records.cell import Cell, Cost, Entry
from denoisebench.bench.records.columns import COLUMNS
from denoisebench.bench.records.rows import read_estimate
from denoisebench.bench.records.store import Store
from denoisebench.metrics.specs import is_between_distributions

STEPS = "steps"  # the axis of every group that is not named here
AXES = {"by_nfe": "nfe", "by_ms": "ms"}
_NO_MEASUREMENT = {
    *Cell.__dataclass_fields__,
    "key",
    "samples",
    "asked_samples",
    "distinct_prompts",
    "status",
    "message",
    "traceback",
    "guidance_weight",
}
_WORK = {*Cost.__dataclass_fields__, "passes_per_step", "block_evaluations", "tflops"} | {
    "energy_j",
    "peak_memory_bytes",
}
_SPEED = {
    "latency_p50_s",
    "latency_p95_s",
    "latency_prepare_s",
    "latency_text_s",
    "latency_denoise_s",
    "latency_scheduler_s",
    "latency_decode_s",
    "throughput_images_per_s",
}


@dataclass(frozen=True)
class Point:
    """The finite numbers of one cell by their grouped names, and where they lie."""

    axes: Mapping[str, float]  # steps; nfe and ms (milliseconds per image) where they are known
    values: Mapping[str, float]
    time_ms: int  # Unix time at which the cell was finished

    def along(self, name: str) -> float:
        """The point's place on the axis that a value is drawn along."""
        return self.axes[axis_of(name)]


def axis_of(name: str) -> str:
    """The axis of a grouped name: steps, nfe or ms."""
    return AXES.get(name.split("/")[0], STEPS)


def point_of(store: Store, entry: Entry, row: Mapping[str, Any], *, time_ms: int) -> Point:
    """row: the entry's; its metrics have their intervals from the store."""
    numbers = {
        name: value
        for name, value in row.items()
        if _is_known(value) and name not in _NO_MEASUREMENT
    }
    places = {STEPS: entry.cell.steps, "nfe": row["nfe"]}
    if _is_known(row["latency_p50_s"]):
        places["ms"] = 1000 * row["latency_p50_s"]
    axes = {axis: place for axis, place in places.items() if _is_known(place)}
    scores = {name: value for name, value in numbers.items() if name in entry.metrics}
    values = {
        **{f"{_group(name, entry)}/{name}": value for name, value in numbers.items()},
        **_bands(store, entry, scores),
        **{
            f"{group}/{name}": value
            for group, axis in AXES.items()
            for name, value in scores.items()
            if axis in axes
        },
    }
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    return Point(axes, finite, time_ms)


def _is_known(value: Any) -> bool:
    """Whether a cell of a table holds a number: what nobody measured may be None, NA or nan."""
    return isinstance(value, int | float) and math.isfinite(value)


def _group(column: str, entry: Entry) -> str:
    if column in entry.metrics:
        return "quality"
    if column not in COLUMNS:
        return "uncertainty"
    if column in _WORK:
        return "work"
    return "speed" if column in _SPEED else "diagnostics"


def _bands(store: Store, entry: Entry, scores: Mapping[str, float]) -> dict[str, float]:
    """Ends of the 95 % intervals of scores; that of a distance does not go below 0."""
    ends = {}
    for metric in scores:
        estimate = read_estimate(store, entry, metric)
        if estimate is None:
            continue
        least = 0.0 if is_between_distributions(metric) else -math.inf
        for suffix, end in zip(("lo", "hi"), estimate.interval(), strict=True):
            ends[f"quality/{metric}_{suffix}"] = max(least, end)
    return ends
