"""A pack on disk: one safetensors file.

Its arrays are per-sample influences, features in half precision and the first images, by number of
the cell; its header holds the rest as JSON, and a checksum of all.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import hash_of, write_atomically
from denoisebench.bench.records.cell import Cell, Cost, Grid, Latency
from denoisebench.bench.records.own_metrics import declare_recorded
from denoisebench.bench.records.pack import Pack, PackedCell, PackedMetric, pack_run
from denoisebench.bench.records.run import load_run
from denoisebench.bench.settings.margins import margin_of
from denoisebench.metrics.estimate import Estimate

SCHEMA = 4
_READ = (3, SCHEMA)  # a pack of 3 lacks the hash of its images
SUFFIX = ".dbpack"
_HEADER = "dbpack"
_OTHER_SHAPE = (ValueError, KeyError, TypeError, AttributeError)  # content that is no pack's


def load_pack(path: Path) -> Pack:
    """The pack of a run folder or a pack file. Raises UserError when it is neither."""
    return pack_run(load_run(path)) if path.is_dir() else read_pack(path)


def write_pack(pack: Pack, path: Path) -> None:
    """Raises UserError when it cannot be written."""
    arrays: dict[str, np.ndarray] = {}
    cells = [_folded(number, cell, arrays) for number, cell in enumerate(pack.cells)]
    about = pack.name, pack.unix_s, pack.environment, dict(pack.margins)
    header = asdict(_Header(SCHEMA, *about, cells, pack.own_metrics))
    if not pack.own_metrics:
        del header["own_metrics"]  # so that earlier versions read it too
    header["sha256"] = _checksum(header, arrays)
    write_atomically(path, save(arrays, {_HEADER: json.dumps(header)}))


@dataclass(frozen=True)
class _FoldedMetric:
    """Arrays are named."""

    kind: str
    value: float
    influence: str
    clusters: str | None = None
    left: float = 0.0  # see Estimate


@dataclass(frozen=True)
class _FoldedCell:
    cell: Cell
    samples: Annotated[int, Field(ge=1)]
    guidance: float
    status: str
    message: str
    metrics: dict[str, _FoldedMetric]
    cost: Cost | None
    grid: Grid | None
    latencies: list[Latency]
    features: dict[str, str]
    images: tuple[str, str]  # sizes in bytes, all bytes
    images_hash: str = ""


@dataclass(frozen=True)
class _Header:
    schema: int
    name: str
    unix_s: Annotated[float, Field(ge=0, le=1e11)]
    environment: dict[str, str]
    margins: dict[str, Any]
    cells: list[_FoldedCell]
    own_metrics: dict[str, dict[str, str]] = field(default_factory=dict)


def _shared(cell: PackedCell | _FoldedCell) -> dict[str, Any]:
    """What is the same of both."""
    folded = ("metrics", "features", "images")
    return {f.name: getattr(cell, f.name) for f in fields(cell) if f.name not in folded}


def _folded(number: int, packed: PackedCell, arrays: dict[str, np.ndarray]) -> _FoldedCell:
    """The arrays of a cell go into `arrays`."""

    def keep(name: str, array: np.ndarray) -> str:
        arrays[f"{number}/{name}"] = np.ascontiguousarray(array)
        return f"{number}/{name}"

    def folded(name: str, metric: PackedMetric) -> _FoldedMetric:
        estimate = metric.estimate
        influence, clusters = keep(name, estimate.influence.astype(np.float32)), None
        if estimate.clusters is not None:
            clusters = keep(f"{name}/clusters", estimate.clusters.astype(np.int32))
        return _FoldedMetric(metric.kind, estimate.value, influence, clusters, estimate.left)

    sizes = np.array([len(image) for image in packed.images], np.int64)
    whole = np.frombuffer(b"".join(packed.images), np.uint8)
    kept: dict[str, Any] = {
        "metrics": {name: folded(name, metric) for name, metric in packed.metrics.items()},
        "features": {kind: keep(kind, array) for kind, array in packed.features.items()},
        "images": (keep("image sizes", sizes), keep("images", whole)),
    }
    return _FoldedCell(**_shared(packed), **kept)


def read_pack(path: Path) -> Pack:
    """Raises UserError for what is not a pack, is damaged, or is of another schema."""
    foreign = f"{path} is not a pack or is damaged: pack its run again, denoisebench pack RUN -o …"
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        schema = header["schema"]
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file or run folder") from error
    except (OSError, SafetensorError, *_OTHER_SHAPE) as error:
        raise UserError(foreign) from error
    if schema not in _READ:
        raise UserError(
            f"{path} is a pack of schema {schema}, this version reads {_READ[0]} and {_READ[1]}: "
            "use the version that wrote it, or pack its run again"
        )
    try:
        if header.pop("sha256") != _checksum(header, arrays):
            raise UserError(
                f"{path} is damaged: its numbers do not match their checksum; copy it again"
            )
        known = TypeAdapter(_Header).validate_json(json.dumps(header), strict=True, extra="forbid")
        declare_recorded(known.own_metrics)
        cells = [_unfolded(folded, arrays) for folded in known.cells]
        margins = {name: margin_of(margin) for name, margin in known.margins.items()}
        about = known.name, known.unix_s, known.environment
        return Pack(*about, margins, cells, known.own_metrics)
    except _OTHER_SHAPE as error:
        raise UserError(foreign) from error


def _unfolded(folded: _FoldedCell, arrays: dict[str, np.ndarray]) -> PackedCell:
    """Raises ValueError or KeyError for arrays and times that are no cell's."""
    sizes, whole = (arrays[name] for name in folded.images)
    ends = np.cumsum(sizes)
    content = whole.tobytes()
    features = {kind: arrays[name] for kind, name in folded.features.items()}
    if any(array.ndim != 2 or len(array) != folded.samples for array in features.values()):
        raise ValueError("features are not of each sample")
    for latency in folded.latencies:
        _refuse_impossible(latency)
    kept: dict[str, Any] = {
        "metrics": {name: _metric(metric, arrays) for name, metric in folded.metrics.items()},
        "features": features,
        "images": [content[end - size : end] for size, end in zip(sizes, ends, strict=True)],
    }
    return PackedCell(**_shared(folded), **kept)


def _metric(folded: _FoldedMetric, arrays: dict[str, np.ndarray]) -> PackedMetric:
    clusters = None if folded.clusters is None else arrays[folded.clusters]
    influence = arrays[folded.influence].astype(np.float64)
    shapes = {array.shape for array in (influence, clusters) if array is not None}
    if influence.ndim != 1 or not influence.size or len(shapes) > 1:
        raise ValueError("influences are not of each sample")
    estimate = Estimate(folded.value, influence, clusters, left=folded.left)
    return PackedMetric(folded.kind, estimate)


def _refuse_impossible(latency: Latency) -> None:
    """Raises ValueError for what no clock shows; a stage that was not seen takes nan."""
    stages = [latency.total_s, latency.text_s, latency.denoise_s, latency.decode_s]
    optional = [v for v in (latency.energy_j, latency.scheduler_s) if v is not None]
    lists = [np.array(values) for values in (*stages, *optional, latency.calibration_s)]
    if {len(values) for values in lists} != {latency.timed_runs}:
        raise ValueError("not all runs have all times")
    if any((np.isinf(values) | (values < 0)).any() for values in lists):
        raise ValueError("times are negative or infinite")
    if not (lists[-1] > 0).all() or latency.batch_size < 1 or latency.peak_memory_bytes < 1:
        raise ValueError("no calibration, no images or no memory")


def _checksum(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    def parts() -> Iterator[bytes]:
        yield json.dumps(header, sort_keys=True).encode()
        for name in sorted(arrays):
            yield f"{name} {arrays[name].dtype} {arrays[name].shape}".encode()
            yield np.ascontiguousarray(arrays[name]).tobytes()

    return hash_of(parts(), digits=64)
