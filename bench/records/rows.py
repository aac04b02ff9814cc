"""A run as tidy rows, one per cell, from the store alone.

Quality metrics add the columns <metric>, <metric>_se and <metric>_units; distances between
distributions also <metric>_floor, and Fréchet distances <metric>_left, _raw, _infinity and
_n_per_dim.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from denoisebench.bench.records.cell import (
    HOSTED_KIND,
    IDLE_KIND,
    SECONDS_KIND,
    WORK_KIND,
    Cell,
    Cost,
    Entry,
    Latency,
    cut_kind,
)
from denoisebench.bench.records.columns import COLUMNS, PANEL_FIELDS, WHOLE
from denoisebench.bench.records.guidance import Guidance
from denoisebench.bench.records.run import Run
from denoisebench.bench.records.store import Store
from denoisebench.metrics.estimate import Estimate

_NOT_RUN = {"status": "missing", "message": "not run yet", "traceback": ""}


def rows(run: Run) -> list[dict[str, Any]]:
    """One dict per entry: COLUMNS, then the metrics; what is unknown is nan or an empty string."""
    return [_row(run.store, entry) for entry in run.entries]


def panel_of(entry: Entry) -> dict[str, object]:
    """PANEL_FIELDS of an entry, and the form of guidance, by which its name tells a weight."""
    settings = entry.asked
    return {name: settings[name] for name in (*PANEL_FIELDS, "guidance_form")}


def metric_names(run: Run) -> list[str]:
    """Quality metrics of a run in the order they were asked for."""
    return list(dict.fromkeys(name for entry in run.entries for name in entry.metrics))


def read_estimate(store: Store, entry: Entry, metric: str) -> Estimate | None:
    """The stored estimate of a metric, with those of fewer samples; None when the cell has none."""
    record = store.read_record(entry.cell.key, entry.metrics.get(metric, metric))
    if record is None:
        return None
    kinds = entry.earlier.get(metric, {}).items()
    earlier = {int(n): store.read_record(entry.cell.key, kind) for n, kind in kinds}
    nested = {samples: _estimate(record) for samples, record in earlier.items() if record}
    return replace(_estimate(record), nested=nested)


def read_dims(store: Store, entry: Entry) -> dict[str, int]:
    """Dimensions of the features of those metrics that are biased by a small number of samples."""
    records = {m: store.read_record(entry.cell.key, kind) for m, kind in entry.metrics.items()}
    return {
        m: record["features"] for m, record in records.items() if record and "features" in record
    }


def lost_of(store: Store, entry: Entry) -> str:
    """Name of a file of a finished cell that is damaged, or of the cost if it is gone; else empty.

    What was measured of such a cell is not whole: the next sweep makes it again.
    """
    key = entry.cell.key
    kinds = ("cost", "grid", "vendor", "flat", entry.latency, *entry.metrics.values())
    has = {kind: store.read_record(key, kind) is not None for kind in kinds if kind}
    return next(iter(store.lost(key)), "" if has["cost"] else "cost")  # reading finds damage


def read_inputs(store: Store, cell: Cell) -> dict[str, np.ndarray]:
    """The first input images [N, 3, H, W] uint8, and masks [N, H, W] bool of inpainting; empty for
    a cell without inputs."""
    return store.read_arrays(inputs_key(cell), "shown") or {}


def inputs_key(cell: Cell) -> str:
    """Where a store keeps a cell's first inputs for reports, as it would a cell."""
    return f"inputs_{cell.inputs}_{cell.width}x{cell.height}"


def _estimate(record: dict[str, Any]) -> Estimate:
    clusters = np.array(record["clusters"]) if "clusters" in record else None
    # Distances that are biased by the number of samples say how much may be left of it.
    left = record.get("left", math.nan if "features" in record else 0.0)
    return Estimate(record["value"], np.array(record["influence"]), clusters, left=left)


def _row(store: Store, entry: Entry) -> dict[str, Any]:
    cell, key = entry.cell, entry.cell.key
    status = _status(store, entry)
    row = {
        **dict.fromkeys(COLUMNS, math.nan),
        "key": key,
        **{name: value for name, value in entry.asked.items() if name in COLUMNS},
        "guidance_weight": Guidance(cell.guidance_form, cell.guidance).standard_weight,
        "status": status["status"],
        "message": status["message"],
        "traceback": status["traceback"],
        **_cost_columns(store.read_record(key, "cost")),
        **_work_columns(store, key),
        "cut_prompts": _known((store.read_record(key, cut_kind(entry.samples)) or {}).get("cut")),
        "idle_cache": _known((store.read_record(key, IDLE_KIND) or {}).get("idle")),
        "flat_images": (store.read_record(key, "flat") or {}).get("flat", math.nan),
        **_grid_columns(store.read_record(key, "grid")),
        **_vendor_columns(store.read_record(key, "vendor")),
        **_latency_columns(store.read_record(key, entry.latency) if entry.latency else None),
        **(_given_columns(store, key) if cell.given else {}),
    }
    prompts = []  # closeness to many steps reads fewer samples than others, and fewer prompts
    for metric in entry.metrics:
        columns = _metric_columns(store, entry, metric)
        prompts += [columns.pop("distinct_prompts")] if "distinct_prompts" in columns else []
        row |= columns
    return {**row, "distinct_prompts": max(prompts)} if prompts else row


def _status(store: Store, entry: Entry) -> dict[str, Any]:
    if entry.unsupported:
        return {"status": "unsupported", "message": _in_a_line(entry.unsupported), "traceback": ""}
    record = store.read_record(entry.cell.key, entry.status_kind) or _NOT_RUN
    lost = lost_of(store, entry) if record["status"] in WHOLE else ""
    return {**_NOT_RUN, "message": f"{lost} is damaged or gone: sweep again"} if lost else record


def _in_a_line(text: str) -> str:
    return "; ".join(text.splitlines())


def _known(number: float | None) -> float:
    """nan for what nobody counted."""
    return math.nan if number is None else number


def _cost_columns(record: dict[str, Any] | None) -> dict[str, Any]:
    if not record:
        return {}
    cost = Cost(**record)
    if cost.executed_steps is None or cost.network_passes is None:
        counts = {"nfe": cost.nfe, "network_passes": cost.network_passes}
        return {name: _known(count) for name, count in counts.items()}
    return {**vars(cost), "passes_per_step": cost.network_passes / cost.executed_steps}


def _work_columns(store: Store, key: str) -> dict[str, Any]:
    """Means of the images whose work was counted, each once, as shards of a sweep that was stopped
    may overlap; a network whose blocks nobody sees has none."""
    parts, done = [], 0
    for shard in store.shards(key, WORK_KIND):
        if shard.stop > done:
            start = max(done, shard.start)
            parts.append(store.read(key, WORK_KIND, shard.stop, start=start))
            done = shard.stop
    if not parts:
        return {}
    means = {name: float(np.concatenate([p[name] for p in parts]).mean()) for name in parts[0]}
    return {
        "block_evaluations": means["block_evaluations"],
        "tflops": means["flops"] / 1e12,
    }


def _grid_columns(record: dict[str, Any] | None) -> dict[str, Any]:
    if not (record and record["sigmas"]):
        return {}
    return {"sigma_start": record["sigmas"][0], "sigma_end": record["sigmas"][-1]}


def _vendor_columns(record: dict[str, Any] | None) -> dict[str, Any]:
    known = {name: value for name, value in (record or {}).items() if value is not None}
    return {"vendor_scheduler": "", **{f"vendor_{name}": value for name, value in known.items()}}


def _latency_columns(record: dict[str, Any] | None) -> dict[str, Any]:
    if not record:
        return {}
    latency = Latency(**record)
    per_image = np.array(latency.total_s) / latency.batch_size
    p50 = float(np.median(per_image))
    return {
        "latency_batch_size": latency.batch_size,
        "latency_p50_s": p50,
        "latency_p95_s": float(np.quantile(per_image, 0.95)),
        "latency_prepare_s": float(np.median(latency.prepare_s)) / latency.batch_size,
        "latency_text_s": float(np.median(latency.text_s)) / latency.batch_size,
        "latency_denoise_s": float(np.median(latency.denoise_s)) / latency.batch_size,
        "latency_scheduler_s": _median_per_image(latency.scheduler_s, latency.batch_size),
        "latency_decode_s": float(np.median(latency.decode_s)) / latency.batch_size,
        "compile_s": _known(latency.compile_s),
        "calibration_s": float(np.median(latency.calibration_s)),
        "energy_j": _median_per_image(latency.energy_j, latency.batch_size),
        "throughput_images_per_s": 1 / p50,
        "peak_memory_bytes": latency.peak_memory_bytes,
        "threads": latency.threads,
    }


def _given_columns(store: Store, key: str) -> dict[str, Any]:
    """What is known of images that were not made here."""
    hosted = store.read_record(key, HOSTED_KIND)
    seconds = _seconds_columns(store.read_record(key, SECONDS_KIND))
    if hosted is None:
        return seconds
    return {
        **seconds,
        "refused_images": hosted["refused"],
        "lost_images": hosted["lost"],
        "price_usd": hosted["usd_an_image"],
    }


def _seconds_columns(record: dict[str, Any] | None) -> dict[str, Any]:
    """What images of another program took, one by one, as its user says."""
    if not (record and record["seconds"]):
        return {}
    seconds = np.array(record["seconds"])
    p50, p95 = float(np.median(seconds)), float(np.quantile(seconds, 0.95))
    return {
        "latency_batch_size": 1,
        "latency_p50_s": p50,
        "latency_p95_s": p95,
        "throughput_images_per_s": 1 / p50,
    }


def _median_per_image(values: list[float] | None, batch_size: int) -> float:
    return float(np.median(values)) / batch_size if values else math.nan


def _metric_columns(store: Store, entry: Entry, metric: str) -> dict[str, Any]:
    record = store.read_record(entry.cell.key, entry.metrics[metric])
    if record is None:
        return dict.fromkeys((metric, f"{metric}_se", f"{metric}_units"), math.nan)
    estimate = _estimate(record)
    columns = {
        metric: estimate.value,
        f"{metric}_se": estimate.own_se,
        f"{metric}_units": len(estimate.units),
        "distinct_prompts": record.get("prompts", len(estimate.units)),
    }
    if "features" in record:
        columns[f"{metric}_n_per_dim"] = len(estimate.units) / record["features"]
        for name in ("left", "raw", "infinity", "floor"):
            columns[f"{metric}_{name}"] = record.get(name, math.nan)  # older records lack some
    elif "floor" in record:
        columns[f"{metric}_floor"] = record["floor"]
    return columns
