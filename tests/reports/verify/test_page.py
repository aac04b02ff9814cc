"""The page and the tables of a verification."""

import pytest

from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from tests.helpers.browser import Opened, chromium
from tests.helpers.folders import ROOT


@pytest.mark.slow
def test_the_page_stands_alone_and_names_what_was_found(verified):
    folder, _ = verified
    page = (folder / "verify.html").read_text()
    assert "http" not in page.replace("https://github.com/huggingface/diffusers/issues/", "").split(
        "<script nonce"
    )[0].replace("https://vega.github.io/schema", "").replace("http-equiv", "")
    assert "defect-trailing-drift" in page
    assert "https://github.com/huggingface/diffusers/issues/9261" in page
    assert (folder / "figures" / "verify_scan.svg").stat().st_size > 10_000
    assert "## Known defects" in (folder / "schedulers.md").read_text()


def test_a_small_screen_holds_charts_legends_and_tables(verified):
    with chromium() as browser:
        small = {"width": 390, "height": 800}
        opened = Opened(browser, verified[0] / "verify.html", viewport=small)
        assert opened.page.evaluate("document.scrollingElement.scrollWidth") <= 390
        for chart in opened.page.locator(".canvas svg.marks").all():
            assert float(chart.get_attribute("width")) <= 1.1 * small["width"]  # not made tiny
        assert opened.heard == []


def test_every_chart_of_the_page_is_drawn(verified):
    with chromium() as browser:
        seen = Opened(browser, verified[0] / "verify.html")
        charts = seen.page.locator("figure.chart").count()
        assert seen.page.locator("figure.chart svg.marks").count() == charts > 0
        assert seen.heard == []


def test_evaluations_are_shown_against_those_that_the_catalogue_states(verified):
    table = (verified[0] / "schedulers.md").read_text()
    assert "| ddim | trailing | 0.99 of 1 | 20 of 20 |" in table


def test_the_published_table_covers_the_catalogue_and_counts_what_it_states():
    path = ROOT / "docs" / "schedulers.md"
    rows = [line.split(" | ") for line in path.read_text().splitlines() if line.startswith("| ")]
    counted = {row[0].removeprefix("| "): row[3] for row in rows if len(row) > 10}
    stated = {name: spec.expected_nfe(20) for name, spec in SCHEDULERS.items()}
    assert {name: counted.get(name) for name in stated} == {
        name: f"{nfe} of {nfe}" for name, nfe in stated.items()
    }
