"""A run as a pandas DataFrame, and as results.parquet and results.csv. No statistics here."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from denoisebench.bench.paths import write_atomically
from denoisebench.bench.records.cell import FACTS, WEIGHTLESS
from denoisebench.bench.records.columns import COLUMNS, LOST, UNSCORED, WHOLE
from denoisebench.bench.records.rows import metric_names, read_estimate, rows
from denoisebench.bench.records.run import Run
from denoisebench.metrics.estimate import Estimate

# Counts: whole numbers that a failed cell lacks, so they need a type that can be empty.
_COUNTS = (
    "distinct_prompts",
    "cut_prompts",
    "flat_images",
    "refused_images",
    "lost_images",
    "executed_steps",
    "nfe",
    "network_passes",
    "vendor_steps",
    "latency_batch_size",
    "peak_memory_bytes",
    "threads",
)
# Of results.csv, as of the page's table of all cells.
_FIRST = (
    "model",
    "task",
    "strength",
    "scheduler",
    "steps",
    "guidance",
    "seed",
    "samples",
    "status",
)
NOT_DONE = (*LOST, UNSCORED)  # those that lack a metric of the user's own too
_METRIC_SUFFIXES = ("", "_se", "_units", "_left", "_raw", "_infinity", "_n_per_dim", "_floor")


def load_frame(run: Run) -> pd.DataFrame:
    """One row per entry of the sweep, in its order; COLUMNS first, then those of each metric."""
    return frame_of(run, rows(run))


def frame_of(run: Run, records: list[dict[str, Any]]) -> pd.DataFrame:
    """The frame of a run whose rows were read before, which takes a while for many."""
    metrics = metric_names(run)
    extra = [metric + suffix for metric in metrics for suffix in _METRIC_SUFFIXES]
    present = {name for record in records for name in record}
    frame = pd.DataFrame.from_records(
        records, columns=[*COLUMNS, *(name for name in extra if name in present)]
    )
    return _with_counts(frame)


def _with_counts(frame: pd.DataFrame) -> pd.DataFrame:
    units = [name for name in frame.columns if name.endswith("_units")]
    return frame.astype({name: "Int64" for name in (*_COUNTS, *units)})


def joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The rows of several frames as one, with the columns of all."""
    frames = [*frames]
    columns = dict.fromkeys(name for frame in frames for name in frame.columns)
    rows = [row for frame in frames for row in records(frame)]
    frame = pd.DataFrame.from_records(rows, columns=[*columns])
    return _with_counts(frame)


def load_estimates(run: Run, metric: str) -> dict[int, Estimate]:
    """Estimates of a metric by row number of the frame; rows without one are left out."""
    estimates = {i: read_estimate(run.store, entry, metric) for i, entry in enumerate(run.entries)}
    return {i: estimate for i, estimate in estimates.items() if estimate is not None}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Its rows as plain values by column."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def frame_metrics(frame: pd.DataFrame) -> list[str]:
    """Quality metrics of a frame: the columns that have a standard error beside them."""
    return [name for name in frame.columns if f"{name}_se" in frame.columns]


def work(row: Mapping[str, Any]) -> float:
    """What a sample of a row takes: passes through the network, or steps where nobody counted."""
    passes = row["network_passes"]
    return float(row["steps"] if pd.isna(passes) else passes)


def has_guidance(frame: pd.DataFrame) -> pd.Series:
    """Whether a weight of guidance has an effect, by row."""
    return ~frame["guidance_form"].isin(WEIGHTLESS)


def done(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells that have what a metric or a time may be read of; some may lack a metric."""
    return with_status(frame, *WHOLE)


def with_status(frame: pd.DataFrame, *statuses: str) -> pd.DataFrame:
    return frame[frame["status"].isin(statuses)]


def write_results(frame: pd.DataFrame, folder: Path) -> None:
    """results.parquet and results.csv, each whole or not at all."""
    buffer = io.BytesIO()
    without_unknown(frame).to_parquet(buffer, index=False)
    write_atomically(folder / "results.parquet", buffer.getvalue())
    write_atomically(folder / "results.csv", csv_bytes(frame))


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """What a reader looks for comes first: the cell, its scores with their errors; the rest follows
    in the order of the frame. What was measured has six significant digits."""
    frame = without_unknown(frame)
    scores = [name + suffix for name in frame_metrics(frame) for suffix in ("", "_se")]
    order = dict.fromkeys([*_FIRST, *scores, *frame.columns])
    measured = [name for name in frame.select_dtypes("float").columns if name not in FACTS]
    rounded = frame.assign(**{name: frame[name].map(_six_digits) for name in measured})
    return rounded[[*order]].to_csv(index=False).encode()


def without_unknown(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with nothing for steps that nobody knows, and for the guidance of a cell without a
    scheduler, which a service made."""
    if (frame["steps"] > 0).all():
        return frame
    steps, guidance = frame["steps"].astype("Int64"), frame["guidance"]
    return frame.assign(
        steps=steps.mask(frame["steps"] == 0), guidance=guidance.mask(frame["scheduler"] == "")
    )


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")


def varying(frame: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """Names of the columns that hold more than one value."""
    return [name for name in columns if frame[name].nunique(dropna=False) > 1]
