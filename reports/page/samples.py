"""The gallery as the page shows it: pictures within a budget, axes to choose, how samples change.

The page's script lays the same tiles out by any two axes; without it they stand as
reports/page/gallery.py has them.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from denoisebench.bench.records.names import describe, plain
from denoisebench.reports.formats import number, significant
from denoisebench.reports.page.gallery import LARGEST, Block, tile_uri
from denoisebench.reports.rows.curves import panel_names
from denoisebench.reports.rows.frame import has_guidance, records

MOST_BYTES = 4_000_000  # of pictures in a page, as they stand there
SEEN = 4  # samples that are not folded; tiles are made smaller until so many fit
_SIDES = (LARGEST, 128, 96, 64, 48, 32)  # pixels, longest side of a tile
_PROBED = 32  # tiles, whose size tells that of all
_TITLES = {"scheduler": "Scheduler", "task": "Task", "dtype": "Number format"}
Uris = dict[tuple[int | str, int], str]


@dataclass(frozen=True)
class Axis:
    """What tiles differ in, and the value that is shown until a reader chooses."""

    title: str
    values: list[str]
    start: int


@dataclass(frozen=True)
class Cell:
    """What a tile says of its cell."""

    key: str
    name: str  # what tells it from the others of the gallery
    place: str  # its value on each axis, by number, with spaces between
    is_default: bool


@dataclass(frozen=True)
class Samples:
    """All that the section of samples shows."""

    blocks: list[Block]
    axes: list[Axis]  # the first is that of the rows, the second that of the columns
    cells: dict[int, Cell]  # by row number
    uris: Uris  # of a tile by row number and sample, of an input by panel and sample
    changes: list[float]  # of each block
    noise: str  # the seed that all tiles share, or ""
    size: str  # how many samples there are, how large, in how many bytes

    @property
    def has_inputs(self) -> bool:
        return any(grid.given is not None for block in self.blocks for grid in block.grids)

    @property
    def is_ordered(self) -> bool:
        """Whether samples can be ordered by how much they change."""
        return len(self.blocks) > 1 and not any(map(math.isnan, self.changes))


def samples_of(
    frame: pd.DataFrame, blocks: Sequence[Block], *, defaults: Collection[int] = ()
) -> Samples | None:
    """The section of samples; None without images. defaults: row numbers, the first leads."""
    if not blocks:
        return None
    along = blocks[0].grids[0].along
    names = ["scheduler", along, *(n for n in panel_names(frame, along) if n != "prompts")]
    shown, uris, side = _pictures(blocks)
    axes, places = _axes(frame, names, first=next(iter(defaults), 0))
    cells = {
        row: Cell(str(frame.loc[row, "key"]), describe(values, names), place, row in defaults)
        for row, (values, place) in enumerate(zip(records(frame), places, strict=True))
    }
    seeds = frame["seed"].unique()
    return Samples(
        blocks=shown,
        axes=axes,
        cells=cells,
        uris=uris,
        changes=[change(block) for block in shown],
        noise=f"noise seed {seeds[0]}" if len(seeds) == 1 else "",
        size=_size_words(frame, shown, side=side, size=_length(uris)),
    )


def change(block: Block) -> float:
    """Root mean square difference of pixels, 0 to 255, between neighbouring step counts, mean over
    all curves; nan where no curve has two images of one size. Of strengths likewise."""
    moved = [
        float(np.sqrt(np.square(after.astype(float) - before).mean()))
        for grid in block.grids
        for _, tiles in grid.rows
        for before, after in pairwise(t.image for t in tiles if t.image is not None)
        if before.shape == after.shape
    ]
    return float(np.mean(moved)) if moved else math.nan


def _pictures(blocks: Sequence[Block]) -> tuple[list[Block], Uris, int]:
    """Blocks as far as the budget holds them, their pictures, and the longest side of a tile.

    Tiles get smaller until some samples fit. Of the first block all is shown that fits.
    """
    side = next((side for side in _SIDES if _is_within(blocks, side)), _SIDES[-1])
    uris = _encoded(blocks[0], side)
    while _length(uris) > MOST_BYTES:
        uris.popitem()
    for place, block in enumerate(blocks[1:], 1):
        more = _encoded(block, side)
        if _length(uris) + _length(more) > MOST_BYTES:
            return [*blocks[:place]], uris, side
        uris |= more
    return [*blocks], uris, side


def _is_within(blocks: Sequence[Block], side: int) -> bool:
    """Whether the first samples fit at this size, as some of the tiles tell."""
    images = [*_images(blocks[0]).values()]
    probed = images[:: max(1, math.ceil(len(images) / _PROBED))]
    mean = sum(len(tile_uri(image, side)) for image in probed) / max(len(probed), 1)
    return mean * len(images) * min(len(blocks), SEEN) <= MOST_BYTES


def _encoded(block: Block, side: int) -> Uris:
    return {place: tile_uri(image, side) for place, image in _images(block).items()}


def _images(block: Block) -> dict[tuple[int | str, int], np.ndarray]:
    """The images of a block by the keys of their pictures."""
    return {place: image for place, image in _placed(block) if image is not None}


def _placed(block: Block) -> Iterator[tuple[tuple[int | str, int], np.ndarray | None]]:
    for grid in block.grids:
        yield (grid.panel, block.sample), grid.given
        for tile in (tile for _, tiles in grid.rows for tile in tiles):
            if tile.row is not None:
                yield (tile.row, block.sample), tile.image


def _length(uris: Mapping[tuple[int | str, int], str]) -> int:
    return sum(map(len, uris.values()))


def _axes(frame: pd.DataFrame, names: Sequence[str], *, first: int) -> tuple[list[Axis], list[str]]:
    """Each axis with its values, and the place of each row on all of them."""
    frame = frame.assign(guidance=frame["guidance"].where(has_guidance(frame)))
    axes, numbers = [], []
    for name in names:
        column = frame[name]
        ordered = column.sort_values() if pd.api.types.is_numeric_dtype(column) else column
        values = list(dict.fromkeys(_text(name, value) for value in ordered))
        places = [values.index(_text(name, value)) for value in column]
        title = _TITLES.get(name, name.replace("_", " ").capitalize())
        axes.append(Axis(title, values, places[first]))
        numbers.append(places)
    return axes, [" ".join(map(str, place)) for place in zip(*numbers, strict=True)]


def _text(name: str, value: Any) -> str:
    return "none" if pd.isna(value) else plain(name, value) or "none"


def _size_words(frame: pd.DataFrame, blocks: Sequence[Block], *, side: int, size: int) -> str:
    """`Shown: 4 of 256 samples, made smaller to 128 pixels (WebP), 1.2 MB.`"""
    largest = int(frame[["width", "height"]].to_numpy().max())
    count = len({block.sample for block in blocks})
    scale = f"made smaller to {side} pixels" if largest > side else "in full size"
    samples = number(float(frame["samples"].max()), 0)
    megabytes = significant(size / 1e6, 2)
    return f"Shown: {count} of {samples} samples, {scale} (WebP), {megabytes} MB."
