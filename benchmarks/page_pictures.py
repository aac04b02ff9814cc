"""Parts of a report page as a reader sees them, as pictures: for the documentation.

    python -m benchmarks.page_pictures RUN FOLDER

Writes FOLDER/page_<part>.png of RUN/report.html. Takes Chromium and playwright (extra `dev`);
`make pictures` calls it.
"""

import shutil
import sys
from pathlib import Path

WIDTH, HEIGHT = 1280, 900  # pixels of the window
PARTS = ("answer", "explore", "samples")  # ids of sections
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_ALL_DRAWN = """() => [...document.querySelectorAll("figure.chart .canvas")]
  .every((canvas) => canvas.closest("details:not([open])")
    || canvas.querySelector("svg, canvas"))"""


def take(page_file: Path, folder: Path) -> None:
    """Writes a picture of each part. Raises SystemExit where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise SystemExit("page_pictures: install Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(page_file.resolve().as_uri())
        page.wait_for_function(_ALL_DRAWN)
        for part in PARTS:
            page.locator(f"#{part}").screenshot(path=folder / f"page_{part}.png")
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) / "report.html", Path(sys.argv[2]))
