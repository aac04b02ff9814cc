"""The report's page by its number of cells: its size, and how soon it is there in Chromium.

Pages of the sweeps of `overheads`, opened from the disk in a browser without a window; times are of
the browser's own clock, from the start of the navigation.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.performance.commands import denoisebench, ran
from benchmarks.performance.overheads import grid
from benchmarks.performance.rows import Row, subject_record

TITLE = "The report's page"
_IMAGES = re.compile(rb"data:image/\w+;base64,[^\"]*")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_CLOCK = """
window.times = {};
addEventListener("load", () => (times.loaded = performance.now()));
new MutationObserver(() => {
  const canvases = [...document.querySelectorAll("figure.chart .canvas")];
  const charts = canvases.filter((canvas) => canvas.querySelector("svg")).length;
  if (charts > 0) times.first ??= performance.now();
  if (charts > 0 && charts === canvases.length) times.all ??= performance.now();
}).observe(document, { childList: true, subtree: true });
"""
_MOMENTS = {"loaded": "its load event", "first": "its first chart", "all": "its last chart"}


@dataclass(frozen=True)
class Size:
    cells: tuple[int, ...]
    repeats: int  # how often a page is opened


FULL = Size((200, 1000), 5)
SMALL = Size((20,), 1)


def measure(size: Size) -> dict[str, Any]:
    """The record of the subject; sizes alone where there is no Chromium."""
    rows = [row for cells in size.cells for row in _rows(cells, size.repeats)]
    conditions = "`model=gaussian`, 5 schedulers, one metric; Chromium without a window or a GPU."
    return subject_record(TITLE, conditions, rows)


def _rows(cells: int, repeats: int) -> list[Row]:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ran(denoisebench("sweep", *grid(cells), f"runs={folder}"), folder / "log", threads=1)
        page = folder / "overheads" / "report.html"
        content, name = page.read_bytes(), f"page of {cells:,} cells"
        bare = len(_IMAGES.sub(b"", content)) / 1e6
        sizes = [
            Row(f"{name}, whole", (len(content) / 1e6,), "MB"),
            Row(f"{name}, without images", (bare,), "MB", aim="6 MB at 1,000 cells"),
        ]
        return [*sizes, *_openings(page, name, repeats)]


def _openings(page: Path, name: str, repeats: int) -> list[Row]:
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        return []
    from playwright.sync_api import sync_playwright  # of development alone

    opened = []
    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(repeats):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.add_init_script(_CLOCK)
            tab.goto(page.as_uri())
            tab.wait_for_function("() => times.all")  # no text to evaluate: the page forbids it
            opened.append(tab.evaluate("times"))
            tab.close()
        browser.close()
    return [
        Row(
            f"{name}, to {words}",
            tuple(times[moment] / 1e3 for times in opened),
            "s",
            aim="2 s at 1,000 cells" if moment == "loaded" else "",
        )
        for moment, words in _MOMENTS.items()
    ]
