"""Chromium, driven by playwright, for tests of pages; they skip where either is missing."""

import shutil
from contextlib import contextmanager

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def chromium():
    """A browser without a window."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("Chromium is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS])
        yield browser
        browser.close()


class Opened:
    """A page with all that it said and asked for while it was open."""

    def __init__(self, browser, file, **options):
        self.heard, self.requests = [], []
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page.on("console", lambda message: self.heard.append(message.text))
        self.page.on("pageerror", lambda error: self.heard.append(str(error)))
        self.page.on("dialog", lambda dialog: self.heard.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_function(_ALL_DRAWN)


_ALL_DRAWN = """() => [...document.querySelectorAll("figure.chart .canvas")]
  .every((canvas) => canvas.clientWidth === 0 || canvas.closest("details:not([open])")
    || canvas.querySelector("svg, canvas"))"""
