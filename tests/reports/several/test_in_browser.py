"""The page of several runs in Chromium: what is seen, chosen, searched, copied and printed."""

import pytest

from denoisebench.reports import theme
from denoisebench.reports.several import write
from denoisebench.reports.several.write import write_several
from tests.helpers.browser import Opened, chromium
from tests.helpers.fake_run import fabricate

GRID = {"schedulers": ("ddim", "euler"), "steps": (2, 4, 8), "samples": 256}
FIGURE = "fd_shapes_vs_steps"
STROKES = f"""[...document.querySelectorAll("#{FIGURE} svg.marks .mark-line path[stroke-width]")]
  .filter((line) => Number(line.getAttribute("opacity") ?? 1) === 1)
  .map((line) => line.getAttribute("stroke"))"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    first = fabricate(runs / "first", **GRID).folder
    second = fabricate(runs / "second", **GRID | {"seeds": (1,), "guidances": (4.0,)}).folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "write_figures", lambda figures, folder: None)
        return write_several([first, second]).page


@pytest.fixture
def opened(browser, file):
    """Opens the page; closes it after the test."""
    pages = []

    def open_(**options):
        pages.append(Opened(browser, file, **options))
        return pages[-1]

    yield open_
    for one in pages:
        one.page.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, {"viewport": {"width": 390, "height": 800}}, {"color_scheme": "dark"}],
    ids=["wide", "narrow", "dark"],
)
def test_a_page_is_silent_asks_for_nothing_and_fits(options, opened, file):
    seen = opened(**options)
    assert seen.heard == []
    assert seen.requests == [file.as_uri()]
    width = options.get("viewport", {"width": 1280})["width"]
    assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= width
    drawn = seen.page.locator("figure.chart svg.marks")
    assert drawn.count() == 6  # two metrics against steps, evaluations and seconds
    for box in (one.bounding_box() for one in drawn.all()):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_a_run_has_one_colour_in_cards_tables_legend_and_curves(opened):
    page = opened().page
    blue, orange = theme.COLOURS[:2]
    for place, colour in enumerate((blue, orange)):
        assert page.locator(".card rect").nth(place).get_attribute("fill") == colour
    assert sorted(page.evaluate(STROKES)) == sorted(4 * [blue] + 2 * [orange])  # in two panels
    families = page.locator(f"#{FIGURE} .legend .family")
    assert families.locator(".name").all_inner_texts() == ["first", "second"]
    assert families.nth(1).locator("button").all_inner_texts() == ["ddim", "euler"]


def test_a_curve_that_is_pressed_stands_out_alone(opened):
    page = opened().page
    page.locator(f"#{FIGURE} .legend .family").nth(1).locator("button").nth(0).click()
    orange = theme.COLOURS[1]
    page.wait_for_function(f"() => {STROKES}.join() === '{orange}'")


def test_differences_are_searched_sorted_and_copied(opened):
    page = opened().page
    table = page.locator("#metric-1 table.differences")
    assert table.locator("tbody tr").count() == 6  # of the guidance that both have
    page.locator("#metric-1").get_by_label("Search").fill("euler 8")
    (row,) = table.locator("tbody tr:visible").all()
    texts = row.locator("td").all_inner_texts()
    assert texts[0] == "euler, 8 steps, guidance 4"
    assert texts[-1] == "same prompts, other seed"
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.locator("#metric-1").get_by_role("button", name="CSV").click()
    head, line = page.evaluate("window.copied").splitlines()
    assert head.startswith("Cell,first,")
    assert line.startswith('"euler, 8 steps, guidance 4",')


def test_a_printed_page_holds_every_table_whole(opened):
    page = opened().page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})
    for table in page.locator("table").all():
        box = table.bounding_box()
        assert box["x"] + box["width"] <= 703
    assert page.pdf(format="A4").startswith(b"%PDF")
