"""The images of a run of one cell, as a reference: that of a model's own many steps, for one."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.cell import Cell, digest
from denoisebench.bench.records.run import load_run
from denoisebench.bench.records.store import Store


@dataclass(frozen=True, eq=False)
class RunImages:
    """What a run made of its only cell."""

    store: Store
    cell: Cell
    samples: int

    @property
    def identity(self) -> str:
        """Hash of all that the images depend on."""
        return digest([self.cell.key, self.samples], 12)

    def batches(self, first: int, last: int, size: int) -> Iterator[npt.NDArray[np.uint8]]:
        """Batches [N, 3, H, W] of images first to last - 1, of as many as there are."""
        last = min(last, self.samples)
        for start in range(first, last, size):
            stop = min(start + size, last)
            yield self.store.read(self.cell.key, "images", stop, start=start)["images"]


@cache
def run_images(folder: Path) -> RunImages:
    """Raises UserError for a run of several cells, and for one that is not done."""
    run = load_run(folder)
    entries = [entry for entry in run.entries if not entry.unsupported]
    if len(entries) != 1:
        raise UserError(
            f"metrics.reference={folder}: is a run of {len(entries)} cells, and a reference is "
            "one; sweep that cell into a run of its own, which store= lets share images"
        )
    (entry,) = entries
    missing = run.store.missing(entry.cell.key, "images", entry.samples)
    if missing:
        raise UserError(
            f"metrics.reference={folder}: its {entry.samples} images are not all there; run its "
            "sweep to the end"
        )
    return RunImages(run.store, entry.cell, entry.samples)
