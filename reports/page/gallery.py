"""The sample grid: one prompt and noise under every scheduler (rows) and step count (columns).

Where one step count was run at several strengths, the columns are strengths.
"""

import base64
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from PIL import Image

from denoisebench.bench.paths.guarded import Unreadable, read_mapping
from denoisebench.bench.records.columns import WHOLE
from denoisebench.bench.records.rows import read_inputs
from denoisebench.bench.records.run import SAMPLES_SHOWN, Run
from denoisebench.reports.rows.curves import STEPS, STRENGTH, with_panels

_log = logging.getLogger(__name__)
_MOST_TILES = 1500  # in one page; fewer prompts are shown rather than more tiles
_MOST_SAMPLES = 8  # in one page; of tasks with inputs those whose inputs are kept
_THUMBNAIL = 128  # pixels, longest side of a tile
LARGEST = 256  # pixels, longest side of an image that is kept for the page
_STRIPES = 16  # of the hatching over what inpainting repaints, along the short side
_SMALL = 64  # pixels, up to here tiles are stored without loss and enlarged without smoothing


_MADE = (*WHOLE, "degenerate")  # statuses of cells that have images
# What stands for an image, by the cell's status.
_ABSENT = {
    **dict.fromkeys(_MADE, "not stored"),
    "failed": "failed",
    "missing": "not run",
    "unsupported": "n/a",
}


@dataclass(frozen=True, eq=False)
class Tile:
    """One sample of one cell."""

    image: np.ndarray | None  # [3, H, W] uint8 up to LARGEST, None when the cell has no images
    missing: str  # why there is none, a value of _ABSENT, or "" when it was not swept
    row: int | None = None  # of the frame, None when it was not swept


@dataclass(frozen=True)
class Grid:
    """All cells of one panel for one sample."""

    panel: str
    along: str  # what its columns are: "steps" or "strength"
    columns: list[str]  # their values
    rows: list[tuple[str, list[Tile]]]  # scheduler, one tile per column
    given: np.ndarray | None = None  # [3, H, W] uint8, the input image with its mask hatched


@dataclass(frozen=True)
class Block:
    """One prompt with the grids of every panel that used it."""

    sample: int
    caption: str
    grids: list[Grid]


def gallery(run: Run, frame: pd.DataFrame) -> list[Block]:
    """The first samples, each of all prompt sets; empty when no cell has images."""
    only_strengths = frame["steps"].nunique() == 1 < frame["strength"].nunique()
    along = STRENGTH if only_strengths else STEPS
    frame = with_panels(frame, along)
    has_inputs = any(entry.cell.inputs for entry in run.entries)
    most = SAMPLES_SHOWN if has_inputs else _MOST_SAMPLES
    count = max(1, min(most, _MOST_TILES // max(len(frame), 1)))
    images = _read_images(run, frame, count)
    if not images:
        return []
    return [
        Block(
            i,
            caption(run, str(name), i),
            [
                replace(_grid(cells, images, i, along=along), given=_given(run, cells, i))
                for cells in _panels(group)
            ],
        )
        for i in range(count)
        for name, group in frame.groupby("prompts", sort=False)
        if i < int(group["samples"].max())
    ]


def tile_uri(image: np.ndarray, side: int = _THUMBNAIL) -> str:
    """A WebP data URI of an image [3, H, W] uint8, its longest side at most `side` pixels."""
    picture = picture_of(image)
    lossless = max(picture.size) <= min(side, _SMALL)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=lossless, quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def caption(run: Run, prompt_set: str, sample: int) -> str:
    """The prompt of a sample; a run without prompts.json shows its number instead."""
    texts = _prompts(run).get(prompt_set)
    return texts[sample % len(texts)] if texts else f"prompt {sample} of {prompt_set}"


def enlarged(image: np.ndarray, side: int) -> Image.Image:
    """The image with its longest side at `side` pixels; small ones keep their hard pixels."""
    picture = picture_of(image)
    kind = Image.Resampling.NEAREST if max(picture.size) <= _SMALL else Image.Resampling.LANCZOS
    scale = side / max(picture.size)
    return picture.resize([round(length * scale) for length in picture.size], kind)


def picture_of(image: np.ndarray) -> Image.Image:
    """The picture of an image [3, H, W] uint8."""
    return Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))


def _panels(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [group for _, group in frame.groupby("panel", sort=False)]


def _read_images(run: Run, frame: pd.DataFrame, count: int) -> dict[int, np.ndarray]:
    """Images [n, 3, H, W] uint8 of the first samples, by row number, none longer than LARGEST."""
    pictures = {}
    for i, entry in enumerate(run.entries):
        if frame.loc[i, "status"] in _MADE:
            try:
                wanted = min(count, entry.samples)
                stored = run.store.read(entry.cell.key, "images", wanted)["images"]
                pictures[i] = np.stack([_kept(image) for image in stored])
            except LookupError:
                continue  # its tile says so
    return pictures


def _kept(image: np.ndarray) -> np.ndarray:
    """The image, made smaller where it is large: a page of a thousand cells is made in memory."""
    picture = picture_of(image)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return np.asarray(picture).transpose(2, 0, 1)


def _grid(cells: pd.DataFrame, images: dict[int, np.ndarray], sample: int, *, along: str) -> Grid:
    values = sorted(cells[along].unique())
    places: dict[tuple[str, float], tuple[int, str]] = {}  # number and status of the first row
    columns = (cells.index, cells["scheduler"], cells[along], cells["status"])
    for row, scheduler, value, status in zip(*columns, strict=True):
        places.setdefault((scheduler, value), (row, status))
    rows = [
        (name, [_tile(places.get((name, value)), images, sample) for value in values])
        for name in dict.fromkeys(scheduler for scheduler, _ in places)
    ]
    return Grid(str(cells["panel"].iloc[0]), along, [f"{value:g}" for value in values], rows)


def _given(run: Run, cells: pd.DataFrame, sample: int) -> np.ndarray | None:
    """The input image that all cells of a panel share, its mask hatched; None without one."""
    cell = run.entries[cells.index[0]].cell
    arrays = read_inputs(run.store, cell) if cell.inputs else {}
    if not arrays:
        return None
    image: np.ndarray = arrays["images"][sample]
    if "masks" not in arrays:
        return image
    rows, columns = np.indices(image.shape[1:])
    stripes = (rows + columns) * _STRIPES // min(image.shape[1:]) % 2 * 255
    hatched: np.ndarray = np.where(arrays["masks"][sample], image // 2 + stripes // 2, image)
    return hatched.astype(np.uint8)


def _tile(place: tuple[int, str] | None, images: dict[int, np.ndarray], sample: int) -> Tile:
    """The tile of a row by its number and status; an empty one where there is no such row."""
    if place is None:
        return Tile(None, "")
    row, status = place
    if row in images and sample < len(images[row]):
        return Tile(images[row][sample], "", row)
    return Tile(None, _ABSENT[status], row)


def _prompts(run: Run) -> dict[str, Sequence[str]]:
    """Texts by prompt set; none where the file is gone or damaged, which a sweep writes again."""
    path = run.folder / "prompts.json"
    try:
        prompts = read_mapping(path) if path.exists() else {}
    except Unreadable as error:
        _log.warning("%s cannot be read (%s): sweep again, prompts are not shown", path, error)
        return {}
    return {name: texts for name, texts in prompts.items() if _are_texts(texts)}


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
