"""A pack: all that a later check needs of a run, small enough to commit.

One safetensors file. Its arrays are per-sample influences, features in half precision and the first
images, by number of the cell; its header holds the rest as JSON, and a checksum of the arrays.
"""

import hashlib
import io
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from bench.cell import Cell, Cost, Entry, Grid, Latency, made_by
from bench.errors import UserError
from bench.rows import read_estimate
from bench.run import Run, load_run
from bench.store import write_atomically
from metrics.estimate import Estimate

SCHEMA = 3
SUFFIX = ".dbpack"
_HEADER = "dbpack"
_OTHER_SHAPE = (ValueError, KeyError, TypeError, AttributeError)  # content that is no pack's
IMAGES = 64  # of each cell, for the gallery
_SIDE, _QUALITY = 96, 80  # pixels of the longer side; WebP's


@dataclass(frozen=True, eq=False)
class PackedMetric:
    kind: str  # what it was made by, down to weights and reference, however many samples
    estimate: Estimate


@dataclass(frozen=True, eq=False)
class PackedCell:
    """A cell with what was measured of it; what is unknown is None or empty."""

    cell: Cell
    samples: int
    guidance: float  # as asked for
    status: str
    message: str
    metrics: dict[str, PackedMetric]
    cost: Cost | None
    grid: Grid | None
    latencies: list[Latency]  # of a process each
    features: dict[str, np.ndarray]  # by kind [samples, D] float16
    images: list[bytes]  # the first ones, WebP


@dataclass(frozen=True, eq=False)
class Pack:
    """A run, as far as a check goes."""

    name: str
    unix_s: float  # when its last cell was finished
    environment: dict[str, str]
    margins: dict[str, dict]
    cells: list[PackedCell]


def load_pack(path: Path) -> Pack:
    """Of a run folder or a pack file. Raises UserError when it is neither."""
    return pack_run(load_run(path)) if path.is_dir() else read_pack(path)


def pack_run(run: Run) -> Pack:
    """Cells that are not supported are left out."""
    cells = [_packed(run, entry) for entry in run.entries if not entry.unsupported]
    finished = (run.store.read_record(each.cell.key, "finished") for each in cells)
    unix_s = max((record["unix_s"] for record in finished if record), default=time.time())
    return Pack(run.name, unix_s, run.environment, run.margins, cells)


def _packed(run: Run, entry: Entry) -> PackedCell:
    store, key = run.store, entry.cell.key
    status = store.read_record(key, entry.status_kind) or {"status": "missing", "message": ""}
    estimates = {name: read_estimate(store, entry, name) for name in entry.metrics}
    latency = store.read_record(key, entry.latency) if entry.latency else None
    cost, grid = store.read_record(key, "cost"), store.read_record(key, "grid")
    done = status["status"] == "done"
    return PackedCell(
        cell=entry.cell,
        samples=entry.samples,
        guidance=entry.cell.guidance if entry.asked_guidance is None else entry.asked_guidance,
        status=status["status"],
        message=status["message"],
        metrics={
            name: PackedMetric(made_by(entry.metrics[name]), estimate)
            for name, estimate in estimates.items()
            if estimate is not None
        },
        cost=Cost(**cost) if cost else None,
        grid=Grid(**grid) if grid else None,
        latencies=[Latency(**latency)] if latency else [],
        features=dict(_features(run, entry)) if done else {},
        images=list(_thumbnails(run, entry)) if done else [],
    )


def _features(run: Run, entry: Entry) -> Iterator[tuple[str, np.ndarray]]:
    for kind in run.store.kinds(entry.cell.key, "features_"):
        if not run.store.missing(entry.cell.key, kind, entry.samples):
            (array,) = run.store.read(entry.cell.key, kind, entry.samples).values()
            yield kind, array.astype(np.float16)


def _thumbnails(run: Run, entry: Entry) -> Iterator[bytes]:
    kept = min(entry.samples, IMAGES)
    if run.store.missing(entry.cell.key, "images", kept):
        return
    images = run.store.read(entry.cell.key, "images", kept)["images"]
    yield from map(webp, images)


def webp(image: np.ndarray) -> bytes:
    """[3, H, W] uint8 as a thumbnail."""
    picture = Image.fromarray(image.transpose(1, 2, 0))
    picture.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY)
    return buffer.getvalue()


def write_pack(pack: Pack, path: Path) -> None:
    """Raises UserError when it cannot be written."""
    arrays: dict[str, np.ndarray] = {}
    cells = [_folded(number, each, arrays) for number, each in enumerate(pack.cells)]
    header = {
        "schema": SCHEMA,
        "name": pack.name,
        "unix_s": pack.unix_s,
        "environment": pack.environment,
        "margins": pack.margins,
        "cells": cells,
    }
    header["sha256"] = _checksum(header, arrays)
    write_atomically(path, save(arrays, {_HEADER: json.dumps(header)}))


def _folded(number: int, packed: PackedCell, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The JSON of a cell; its arrays go into `arrays`."""

    def keep(name: str, array: np.ndarray) -> str:
        arrays[f"{number}/{name}"] = np.ascontiguousarray(array)
        return f"{number}/{name}"

    metrics = {}
    for name, metric in packed.metrics.items():
        estimate = metric.estimate
        metrics[name] = {"kind": metric.kind, "value": estimate.value}
        metrics[name]["influence"] = keep(name, estimate.influence.astype(np.float32))
        if estimate.clusters is not None:
            metrics[name]["clusters"] = keep(f"{name}/clusters", estimate.clusters.astype(np.int32))
    sizes = np.array([len(image) for image in packed.images], np.int64)
    whole = np.frombuffer(b"".join(packed.images), np.uint8)
    return {
        "cell": asdict(packed.cell),
        "samples": packed.samples,
        "guidance": packed.guidance,
        "status": packed.status,
        "message": packed.message,
        "metrics": metrics,
        "cost": asdict(packed.cost) if packed.cost else None,
        "grid": asdict(packed.grid) if packed.grid else None,
        "latencies": [asdict(latency) for latency in packed.latencies],
        "features": {kind: keep(kind, array) for kind, array in packed.features.items()},
        "images": [keep("image sizes", sizes), keep("images", whole)],
    }


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
    if schema != SCHEMA:
        raise UserError(
            f"{path} is a pack of schema {schema}, this version reads {SCHEMA}: "
            "use the version that wrote it, or pack its run again"
        )
    try:
        if header.pop("sha256") != _checksum(header, arrays):
            raise UserError(
                f"{path} is damaged: its numbers do not match their checksum; copy it again"
            )
        cells = [_unfolded(record, arrays) for record in header["cells"]]
        told = header["environment"], header["margins"]
        return Pack(header["name"], header["unix_s"], *told, cells)
    except _OTHER_SHAPE as error:
        raise UserError(foreign) from error


def _unfolded(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> PackedCell:
    sizes, whole = (arrays[name] for name in record["images"])
    ends = np.cumsum(sizes)
    content = whole.tobytes()
    return PackedCell(
        cell=Cell(**record["cell"]),
        samples=record["samples"],
        guidance=record["guidance"],
        status=record["status"],
        message=record["message"],
        metrics={name: _metric(found, arrays) for name, found in record["metrics"].items()},
        cost=Cost(**record["cost"]) if record["cost"] else None,
        grid=Grid(**record["grid"]) if record["grid"] else None,
        latencies=[Latency(**latency) for latency in record["latencies"]],
        features={kind: arrays[name] for kind, name in record["features"].items()},
        images=[content[end - size : end] for size, end in zip(sizes, ends, strict=True)],
    )


def _metric(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> PackedMetric:
    clusters = arrays[record["clusters"]] if "clusters" in record else None
    influence = arrays[record["influence"]].astype(np.float64)
    return PackedMetric(record["kind"], Estimate(record["value"], influence, clusters))


def _checksum(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
