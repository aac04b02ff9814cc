"""A pack: all that a later check needs of a run, small enough to commit.

bench/records/pack_file.py writes and reads it.
"""

import io
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import hash_of
from denoisebench.bench.records.cell import Cell, Cost, Entry, Grid, Latency, made_by
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.rows import lost_of, read_estimate
from denoisebench.bench.records.run import Run
from denoisebench.metrics.estimate import Estimate

NO_FEATURES = (
    "once images change, features of them tell how far, and a Fréchet distance keeps them: sweep "
    "both sides with metrics=standard metrics.reference=FOLDER_OF_IMAGES, or check quality alone"
)
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
    images_hash: str = ""  # of all its images as they are stored, 16 hex digits

    @property
    def asked(self) -> dict[str, Any]:
        """Fields of the cell by name, as they were asked for."""
        guidance = self.guidance if self.cell.has_guidance else self.cell.guidance
        return {**asdict(self.cell), "guidance": guidance}


@dataclass(frozen=True, eq=False)
class Pack:
    """A run, as far as a check goes."""

    name: str
    unix_s: float  # when its last cell was finished
    environment: dict[str, str]
    margins: dict[str, dict[str, Any]]
    cells: list[PackedCell]
    # Facts of metrics from outside the package, by column.
    own_metrics: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def tells_how_far(self) -> bool:
        """Whether each cell that is done has features, by which a check knows how far images
        moved."""
        return all(packed.features for packed in self.cells if packed.status in WHOLE)


def pack_run(run: Run) -> Pack:
    """The pack of a run, without cells that are not supported."""
    cells = [_packed(run, entry) for entry in run.entries if not entry.unsupported]
    finished = (run.store.read_record(cell.cell.key, "finished") for cell in cells)
    unix_s = max((record["unix_s"] for record in finished if record), default=time.time())
    return Pack(run.name, unix_s, run.environment, run.margins, cells, run.own_metrics)


def _packed(run: Run, entry: Entry) -> PackedCell:
    store, key = run.store, entry.cell.key
    status = store.read_record(key, entry.status_kind) or {"status": "missing", "message": ""}
    estimates = {name: read_estimate(store, entry, name) for name in entry.metrics}
    latency = store.read_record(key, entry.latency) if entry.latency else None
    cost, grid = store.read_record(key, "cost"), store.read_record(key, "grid")
    done = status["status"] in WHOLE
    features = dict(_features(run, entry)) if done else {}
    images = list(_thumbnails(run, entry)) if done else []
    lost = lost_of(store, entry) if done else ""  # the reading has found what is damaged
    if lost:
        raise UserError(
            f"{run.folder}: {lost} of {cell_name(entry.asked)} is damaged or gone, which is "
            "no regression: sweep again, then what is lacking alone is made anew"
        )
    return PackedCell(
        cell=entry.cell,
        samples=entry.samples,
        guidance=entry.guidance,
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
        features=features,
        images=images,
        images_hash=_images_hash(run, entry) if done else "",
    )


def _features(run: Run, entry: Entry) -> Iterator[tuple[str, np.ndarray]]:
    for kind in run.store.kinds(entry.cell.key, "features_"):
        if not run.store.missing(entry.cell.key, kind, entry.samples):
            (array,) = run.store.read(entry.cell.key, kind, entry.samples).values()
            yield kind, array.astype(np.float16)


def _images_hash(run: Run, entry: Entry) -> str:
    """Where it is that of another cell, all images are the same. The names of the files that they
    are in end with a hash of what these hold; another batch size makes other files. Empty where
    some are missing."""
    if run.store.missing(entry.cell.key, "images", entry.samples):
        return ""
    shards = run.store.shards(entry.cell.key, "images")
    names = [shard.file.base for shard in shards if shard.start < entry.samples]
    return hash_of(text.encode() for text in (str(entry.samples), *names))


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
