"""What the store holds of a sample: bytes and files, of a small cell and of larger ones."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.performance.commands import denoisebench, ran
from benchmarks.performance.rows import Row, subject_record

TITLE = "Storage by sample"


@dataclass(frozen=True)
class Stored:
    """A cell to store."""

    words: str
    settings: tuple[str, ...]
    samples: int
    pixels: int  # bytes of an image


@dataclass(frozen=True)
class Size:
    cells: tuple[Stored, ...]


_SHAPES = ("model=shapes-ddpm", "steps=1")
FULL = Size(
    (
        Stored("4 x 4 pixels, 16 samples", ("model=gaussian", "steps=2"), 16, 48),
        Stored("32 x 32 pixels, 256 samples", _SHAPES, 256, 3072),
        Stored("32 x 32 pixels, 2,048 samples", _SHAPES, 2048, 3072),
        Stored("the same with images=png", (*_SHAPES, "images=png"), 2048, 3072),
    )
)
SMALL = Size(FULL.cells[:1])


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject."""
    rows = [row for cell in size.cells for row in _rows(cell)]
    conditions = (
        "The folder of one cell after a sweep with the metrics of its model, nothing but exact "
        "sizes: images, features, estimates with the influence of each sample, records."
    )
    return subject_record(TITLE, conditions, rows)


def _rows(cell: Stored) -> list[Row]:
    files = cell_files(cell)
    total = sum(files.values())
    features = sum(n for name, n in files.items() if name.startswith(("features", "cosines")))
    estimates = sum(size for name, size in files.items() if name.startswith("estimate"))
    images = sum(size for name, size in files.items() if name.startswith("images"))
    note = (
        f"images {images / cell.samples:,.0f}, of {cell.pixels:,} bytes uncompressed; features "
        f"{features / cell.samples:,.0f}, estimates {estimates / cell.samples:,.0f}"
    )
    return [
        Row(f"bytes a sample, {cell.words}", (total / cell.samples,), "B", note=note),
        Row(
            f"files a sample, {cell.words}",
            (len(files) / cell.samples,),
            "",
            note=f"{len(files)} files of the cell",
        ),
    ]


def cell_files(cell: Stored) -> dict[str, int]:
    """Sizes in bytes of the files of a cell, by name, after a sweep of it alone."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        arguments = (*cell.settings, f"samples={cell.samples}", f"runs={folder}", "run=stored")
        fast = ("latency.timed_runs=0", "tracking=none")
        ran(denoisebench("sweep", *arguments, *fast), folder)
        cells = (folder / "stored" / "cells").iterdir()
        (place,) = (path for path in cells if not path.name.startswith("reference"))
        return {path.name: path.stat().st_size for path in place.rglob("*") if path.is_file()}
