"""The samples that changed most, baseline and candidate side by side, as one picture."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from denoisebench.reports.check.losses import Pair, drifts
from denoisebench.reports.page.gallery import enlarged

MOST = 4  # samples of a cell
_TILE, _GAP, _MARGIN, _LINE = 96, 4, 20, 22  # pixels
_INK, _QUIET = "#1f2328", "#59636e"
_COLUMNS = ("before", "now", "difference")


class Shown(NamedTuple):
    cell: str
    sample: int
    drift: float
    before: np.ndarray  # [3, H, W] uint8
    now: np.ndarray


def most_changed(pairs: Sequence[Pair], most: int = MOST) -> list[Shown]:
    """Samples that moved farthest, by cell, of those whose images both sides have; none where
    nothing moved."""
    return [shown for pair in pairs for shown in _of_cell(pair, most)]


def _of_cell(pair: Pair, most: int) -> list[Shown]:
    name, old, new = pair
    moved = drifts(pair)
    kept = min(len(old.images), len(new.images))
    if moved is None or not kept:
        return []
    order = [int(i) for i in np.argsort(-moved[:kept]) if moved[i] > 0][:most]
    return [
        Shown(name, i, float(moved[i]), _pixels(old.images[i]), _pixels(new.images[i]))
        for i in order
    ]


def _pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)


def changed_sheet(shown: Sequence[Shown]) -> Image.Image:
    """A row per sample: before, now, and their difference about grey."""
    font = ImageFont.load_default(13)
    label = round(max(font.getlength(_label(sample)) for sample in shown)) + 12
    left, top = _MARGIN + label, _MARGIN + _LINE
    row = _TILE + _GAP
    size = (left + len(_COLUMNS) * row + _MARGIN, top + len(shown) * row + _MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, text in enumerate(_COLUMNS):
        draw.text((left + column * row + _TILE // 2, _MARGIN), text, _QUIET, font, anchor="mm")
    for place, sample in enumerate(shown):
        y = top + place * row
        draw.text((left - 12, y + _TILE // 2), _label(sample), _INK, font, anchor="rm")
        for column, image in enumerate((sample.before, sample.now, _difference(sample))):
            sheet.paste(enlarged(image, _TILE), (left + column * row, y))
    return sheet


def _difference(shown: Shown) -> np.ndarray:
    if shown.before.shape != shown.now.shape:
        return np.full_like(shown.now, 128)
    change = (shown.now.astype(np.int16) - shown.before) // 2
    grey: np.ndarray = (128 + change).astype(np.uint8)
    return grey


def _label(shown: Shown) -> str:
    return f"{shown.cell}, sample {shown.sample}, moved {shown.drift:.2g}"
