"""A run as tidy rows, one per cell, from the store alone.

Quality metrics add the columns <metric> and <metric>_se; distances between distributions also
<metric>_floor, and Fréchet distances <metric>_raw, <metric>_infinity and <metric>_n_per_dim.
"""

import math
from dataclasses import replace

import numpy as np

from denoisebench.bench.records.cell import Cell, Cost, Entry, Latency
from denoisebench.bench.records.guidance import Guidance
from denoisebench.bench.records.run import Run
from denoisebench.bench.records.store import Store
from denoisebench.metrics.estimate import Estimate

# Column -> what it holds; the order is that of results.csv.
COLUMNS = {
    "key": "content hash of the cell, names its folder in the store",
    "model": "model name in conf/model",
    "task": "txt2img, img2img or inpaint",
    "scheduler": "scheduler short name; flags that a sweep lays over it after a plus, where "
    "+karras stands for use_karras_sigmas=true",
    "scheduler_class": "its class in diffusers",
    "steps": "num_inference_steps as asked for",
    "guidance": "weight as asked for; what it means is the model's guidance_form",
    "guidance_form": "how the model takes it: standard u + w (c - u), offset c + w (c - u), "
    "embedded as an input, true_cfg, or ignored",
    "guidance_weight": "the effective weight in the standard form, 1 for no guidance; of an "
    "embedded one the weight that the network imitates",
    "guidance_rescale": "0 to 1, share of the contrast added by guidance that is taken back",
    "guidance_interval": "[low, high]: noise levels that are guided, all when empty",
    "negative_prompt": "what guidance leads away from",
    "strength": "of img2img and inpaint: share of the steps that is run",
    "executed_steps": "steps that were run: fewer than asked for when strength is below 1",
    "grid": "native: the scheduler's own noise levels; matched: the same for all of a family",
    "seed": "of the noise: sample i draws from (seed, i), whatever the cell",
    "samples": "images scored",
    "asked_samples": "images asked for: more than samples where a race stopped sooner",
    "prompts": "prompt set",
    "distinct_prompts": "different prompts among the samples scored: what standard errors count",
    "height": "pixels",
    "width": "pixels",
    "dtype": "number format of the pipeline",
    "flat_images": "images that are black, of one colour, or had pixels that are not finite",
    "status": "done; failed; degenerate when too many images show nothing; unsupported when model, "
    "scheduler and steps do not fit together; missing when the sweep did not get there",
    "message": "why it failed or is not supported, in a line",
    "traceback": "the whole traceback of a failed cell",
    "nfe": "denoiser evaluations per sample, counted",
    "network_passes": "samples through the denoiser per image, counted: 2 x nfe where every step "
    "is guided by a second pass",
    "passes_per_step": "network_passes / executed_steps",
    "sigma_start": "noise level that the first evaluation was told: sigma / alpha of a variance-"
    "preserving model, else sigma; all levels are in the cell's grid record",
    "sigma_end": "that of the last evaluation",
    "vendor_scheduler": "class of the model's own scheduler",
    "vendor_steps": "steps that its pipeline runs when it is not told",
    "vendor_guidance": "weight that its pipeline takes when it is not told",
    "latency_batch_size": "images per timed batch",
    "latency_p50_s": "median seconds per image: batch wall time / batch size",
    "latency_p95_s": "95th percentile of the same: of five timed runs about the slowest",
    "latency_text_s": "median seconds per image in the text encoder",
    "latency_denoise_s": "median seconds per image in the denoising loop",
    "latency_decode_s": "median seconds per image in the VAE decoder",
    "calibration_s": "median seconds of the fixed workload timed beside",
    "threads": "CPU threads of the latency pass",
    "energy_j": "median joules per image of the processor or accelerator; empty where it keeps no "
    "count that can be read",
    "throughput_images_per_s": "1 / latency_p50_s",
    "peak_memory_bytes": "peak of the process in the latency pass, scoring networks included: "
    "resident set on a CPU, allocated on CUDA",
    "engine": "libraries and device kind",
    "weights": "hash of the model's files; random, then that of its configs, where it was run "
    "without weights: its images and quality mean nothing",
}

# What is the same for all cells that differ in scheduler and steps alone: a panel of curves, and
# one race.
PANEL_FIELDS = (
    "model",
    "task",
    "prompts",
    "guidance",
    "grid",
    "guidance_rescale",
    "guidance_interval",
    "negative_prompt",
    "strength",
    "seed",
    "asked_samples",
    "height",
    "width",
    "dtype",
    "engine",
    "weights",
)

_NOT_RUN = {"status": "missing", "message": "not run yet", "traceback": ""}


def rows(run: Run) -> list[dict]:
    """One dict per entry: COLUMNS, then the metrics; what is unknown is nan or an empty string."""
    return [_row(run.store, entry) for entry in run.entries]


def panel_of(entry: Entry) -> dict[str, object]:
    """PANEL_FIELDS of an entry."""
    known = _asked(entry)
    return {name: known.get(name, getattr(entry.cell, name, None)) for name in PANEL_FIELDS}


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
    nested = {samples: _estimate(each) for samples, each in earlier.items() if each}
    return replace(_estimate(record), nested=nested)


def read_dims(store: Store, entry: Entry) -> dict[str, int]:
    """Dimensions of the features of those metrics that are biased by a small number of samples."""
    records = {m: store.read_record(entry.cell.key, kind) for m, kind in entry.metrics.items()}
    return {
        m: record["features"] for m, record in records.items() if record and "features" in record
    }


def read_inputs(store: Store, cell: Cell) -> dict[str, np.ndarray]:
    """The first input images [N, 3, H, W] uint8, and masks [N, H, W] bool of inpainting; empty for
    a cell without inputs."""
    return store.read_arrays(cell.inputs_key, "shown") or {}


def _estimate(record: dict) -> Estimate:
    clusters = np.array(record["clusters"]) if "clusters" in record else None
    return Estimate(record["value"], np.array(record["influence"]), clusters)


def _row(store: Store, entry: Entry) -> dict:
    cell, key = entry.cell, entry.cell.key
    status = _status(store, entry)
    row = {
        **dict.fromkeys(COLUMNS, math.nan),
        **{name: getattr(cell, name) for name in COLUMNS if hasattr(cell, name)},
        "samples": entry.samples,
        **_asked(entry),
        "guidance_weight": _weight(cell),
        "status": status["status"],
        "message": status["message"],
        "traceback": status["traceback"],
        **_cost_columns(store.read_record(key, "cost")),
        "flat_images": (store.read_record(key, "flat") or {}).get("flat", math.nan),
        **_grid_columns(store.read_record(key, "grid")),
        **_vendor_columns(store.read_record(key, "vendor")),
        **_latency_columns(store.read_record(key, entry.latency) if entry.latency else None),
    }
    for metric in entry.metrics:
        row |= _metric_columns(store, entry, metric)
    return row


def _asked(entry: Entry) -> dict[str, float]:
    """What the cell itself does not say as it was asked for."""
    weight = entry.asked_guidance
    return {
        "guidance": entry.cell.guidance if weight is None else weight,
        "asked_samples": entry.asked_samples,
    }


def _status(store: Store, entry: Entry) -> dict:
    if entry.unsupported:
        return {"status": "unsupported", "message": _in_a_line(entry.unsupported), "traceback": ""}
    return store.read_record(entry.cell.key, entry.status_kind) or _NOT_RUN


def _in_a_line(text: str) -> str:
    return "; ".join(text.splitlines())


def _weight(cell: Cell) -> float:
    return Guidance(cell.guidance_form, cell.guidance).standard_weight


def _cost_columns(record: dict | None) -> dict:
    if not record:
        return {}
    cost = Cost(**record)
    if cost.executed_steps is None:
        return {"nfe": cost.nfe, "network_passes": cost.network_passes}
    return {**vars(cost), "passes_per_step": cost.network_passes / cost.executed_steps}


def _grid_columns(record: dict | None) -> dict:
    if not record:
        return {}
    return {"sigma_start": record["sigmas"][0], "sigma_end": record["sigmas"][-1]}


def _vendor_columns(record: dict | None) -> dict:
    known = {name: value for name, value in (record or {}).items() if value is not None}
    return {"vendor_scheduler": "", **{f"vendor_{name}": value for name, value in known.items()}}


def _latency_columns(record: dict | None) -> dict:
    if not record:
        return {}
    latency = Latency(**record)
    per_image = np.array(latency.total_s) / latency.batch_size
    p50 = float(np.median(per_image))
    return {
        "latency_batch_size": latency.batch_size,
        "latency_p50_s": p50,
        "latency_p95_s": float(np.quantile(per_image, 0.95)),
        "latency_text_s": float(np.median(latency.text_s)) / latency.batch_size,
        "latency_denoise_s": float(np.median(latency.denoise_s)) / latency.batch_size,
        "latency_decode_s": float(np.median(latency.decode_s)) / latency.batch_size,
        "calibration_s": float(np.median(latency.calibration_s)),
        "energy_j": _median_per_image(latency.energy_j, latency.batch_size),
        "throughput_images_per_s": 1 / p50,
        "peak_memory_bytes": latency.peak_memory_bytes,
        "threads": latency.threads,
    }


def _median_per_image(values: list[float] | None, batch_size: int) -> float:
    return float(np.median(values)) / batch_size if values else math.nan


def _metric_columns(store: Store, entry: Entry, metric: str) -> dict:
    record = store.read_record(entry.cell.key, entry.metrics[metric])
    if record is None:
        return {metric: math.nan, f"{metric}_se": math.nan}
    estimate = _estimate(record)
    columns = {
        metric: estimate.value,
        f"{metric}_se": estimate.se,
        "distinct_prompts": len(estimate.units),
    }
    if "features" in record:
        columns[f"{metric}_n_per_dim"] = entry.samples / record["features"]
        for name in ("raw", "infinity", "floor"):
            columns[f"{metric}_{name}"] = record.get(name, math.nan)  # older records lack some
    elif "floor" in record:
        columns[f"{metric}_floor"] = record["floor"]
    return columns
