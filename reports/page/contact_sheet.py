"""The first samples' grids of one panel drawn as a single image, for a README."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from denoisebench.bench.records.run import SAMPLES_SHOWN
from denoisebench.reports.page.gallery import Block, Grid, Tile, enlarged
from denoisebench.reports.rows.curves import STRENGTH

_TILE, _GAP, _MARGIN = 72, 4, 20  # pixels
_LINE = 22  # pixels per line of text
_BLOCK_GAP = 18
_INK, _QUIET, _EMPTY = "#1f2328", "#59636e", "#f0f1f3"


def sheets(blocks: Sequence[Block]) -> dict[str, Image.Image]:
    """One image per panel: its first grids, one below the other, each under its prompt."""
    panels = dict.fromkeys(grid.panel for block in blocks for grid in block.grids)
    return {panel: _sheet(panel, _of_panel(blocks, panel)) for panel in panels}


def _of_panel(blocks: Sequence[Block], panel: str) -> list[tuple[str, Grid]]:
    grids = [(b.caption, grid) for b in blocks for grid in b.grids if grid.panel == panel]
    return grids[:SAMPLES_SHOWN]


def _sheet(panel: str, grids: list[tuple[str, Grid]]) -> Image.Image:
    font, small = ImageFont.load_default(16), ImageFont.load_default(13)
    labels = max(small.getlength(name) for _, grid in grids for name, _ in grid.rows)
    left = round(_MARGIN + labels + 12)
    columns = max(len(_columns(grid)) for _, grid in grids)
    words = "strengths" if grids[0][1].along == STRENGTH else "steps"
    title = f"{panel}: rows are schedulers, columns are {words}; same prompt and noise in a block"
    texts = [font.getlength(title), *(small.getlength(caption) for caption, _ in grids)]
    width = max(left + columns * (_TILE + _GAP), _MARGIN + round(max(texts))) + _MARGIN
    height = 2 * _MARGIN + _LINE + sum(_block_height(grid) for _, grid in grids)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, _INK, font)
    top = _MARGIN + _LINE
    for caption, grid in grids:
        draw.text((_MARGIN, top + _BLOCK_GAP), caption, _INK, small)
        _draw_grid(sheet, grid, left=left, top=top + _BLOCK_GAP + _LINE)
        top += _block_height(grid)
    return sheet


def _columns(grid: Grid) -> list[str]:
    return grid.columns if grid.given is None else ["input", *grid.columns]


def _block_height(grid: Grid) -> int:
    return _BLOCK_GAP + 2 * _LINE + len(grid.rows) * (_TILE + _GAP)


def _draw_grid(sheet: Image.Image, grid: Grid, *, left: int, top: int) -> None:
    draw, font, names = ImageDraw.Draw(sheet), ImageFont.load_default(13), left
    for column, text in enumerate(_columns(grid)):
        x = left + column * (_TILE + _GAP) + _TILE // 2
        draw.text((x, top + _LINE // 2), text, _QUIET, font, anchor="mm")
    if grid.given is not None:
        _draw_tile(sheet, Tile(grid.given, ""), x=left, y=top + _LINE)
        left += _TILE + _GAP
    for row, (scheduler, tiles) in enumerate(grid.rows):
        y = top + _LINE + row * (_TILE + _GAP)
        draw.text((names - 12, y + _TILE // 2), scheduler, _QUIET, font, anchor="rm")
        for column, tile in enumerate(tiles):
            _draw_tile(sheet, tile, x=left + column * (_TILE + _GAP), y=y)


def _draw_tile(sheet: Image.Image, tile: Tile, *, x: int, y: int) -> None:
    if tile.image is not None:
        sheet.paste(enlarged(tile.image, _TILE), (x, y))
        return
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((x, y, x + _TILE - 1, y + _TILE - 1), fill=_EMPTY)
    draw.text((x + _TILE // 2, y + _TILE // 2), tile.missing, _QUIET, anchor="mm")
