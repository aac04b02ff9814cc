"""The chart to ask in a browser: controls, address, keyboard, what is pointed at and pinned."""

import json
import re
from dataclasses import replace

import pytest

from denoisebench.bench.records.progress import Progress, write_progress
from denoisebench.bench.records.run import save_run
from denoisebench.reports.report import write_report
from tests.helpers.browser import Opened, chromium
from tests.helpers.fake_run import also_measured, fabricate
from tests.helpers.pages import ATTACKS

SETTLED = """(title) => document.querySelector("#explorer-title").textContent.startsWith(title)
  && document.querySelector("#explorer svg.marks")"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked") / "run"
    return write_report(fabricate(folder, samples=256).folder)


@pytest.fixture
def opened(browser, request):
    """Opens a file; closes it after the test, in which the page said nothing and loaded nothing."""
    pages = []

    def open_(file, **options):
        pages.append(Opened(browser, file, **options))
        return pages[-1].page

    yield open_
    for one in pages:
        assert one.heard == []
        assert {url.partition("#")[0] for url in one.requests} == {one.requests[0]}
        one.page.close()


def data_of(page):
    return json.loads(page.locator("#explore > script").text_content())


def values(page):
    """What the controls show."""
    names = ("x", "y", "axis", "panels", "pin")
    return [page.locator(f".controls [name={name}]").input_value() for name in names]


def choose(page, name, value):
    page.locator(f".controls [name={name}]").select_option(value)


def drawn(page, words):
    """Waits until the chart has these words."""
    page.wait_for_function(
        "(words) => document.querySelector('#explorer svg.marks')?.textContent.includes(words)",
        arg=words,
    )


@pytest.mark.slow
def test_each_control_changes_the_chart_and_the_address(opened, file):
    page = opened(file)
    start = values(page)
    assert start == ["steps", "fd_shapes", "log", "all", ""]
    choose(page, "x", "nfe")
    drawn(page, "NFE (denoiser evaluations per image)")
    choose(page, "y", "clip_score_tiny")
    drawn(page, "CLIP score (tiny), higher is better")
    assert page.locator("#explorer-title").inner_text() == (
        "CLIP score (tiny) against denoiser evaluations"
    )
    choose(page, "axis", "linear")
    assert page.locator("#explorer .mark-area path").count() > 0
    page.locator(".controls [name=bands]").uncheck()
    page.wait_for_function("() => !document.querySelector('#explorer .mark-area path')")
    choose(page, "panels", "none")
    page.wait_for_function(
        "() => !document.querySelector('#explorer svg.marks').textContent.includes('guidance 1')"
    )
    _, _, words = page.url.partition("#explore?")
    assert words == "x=nfe&y=clip_score_tiny&axis=linear&panels=none&bands=0"


def test_near_the_plateau_shows_what_is_within_two_margins_of_the_best(opened, file):
    page = opened(file)
    metric = data_of(page)["metrics"][0]
    choose(page, "axis", "near")
    page.wait_for_function("() => document.querySelector('.beyond').textContent")
    beyond, count = map(int, re.findall(r"\d+", page.locator(".beyond").inner_text())[:2])
    panels = {}
    for panel, value in zip(data_of(page)["cells"]["panel"], metric["value"], strict=True):
        panels.setdefault(panel, []).append(value)
    near = sum(v <= min(panel) + metric["reach"] for panel in panels.values() for v in panel)
    assert (beyond, count) == (24 - near, 24)
    marks = "#explorer .mark-symbol path[aria-label*=cell]"
    page.wait_for_function(f"() => document.querySelectorAll('{marks}').length === {near}")


@pytest.mark.slow
def test_a_share_is_of_the_best_of_its_panel_and_closeness_says_what_it_is_not(opened, tmp_path):
    closeness = {"ssim_converged": lambda cell: (1 - 1 / cell.steps, 0.01)}
    run = also_measured(fabricate(tmp_path / "run", samples=64), closeness)
    save_run(replace(run, margins={"fd_shapes": {"relative": 0.3}}))
    page = opened(write_report(run.folder))
    (metric,) = [one for one in data_of(page)["metrics"] if one["name"] == "fd_shapes"]
    choose(page, "y", "fd_shapes")
    choose(page, "axis", "near")
    page.wait_for_function("() => document.querySelector('.beyond').textContent")
    panels = {}
    for panel, value in zip(data_of(page)["cells"]["panel"], metric["value"], strict=True):
        panels.setdefault(panel, []).append(value)
    near = sum(v <= 1.6 * min(values) for values in panels.values() for v in values)
    of_all = sum(
        v <= min(p) + 0.6 * min(map(min, panels.values())) for p in panels.values() for v in p
    )
    assert near != of_all
    assert page.locator(".beyond").inner_text().startswith(f"{24 - near} of 24 cells")
    assert "converged" not in page.locator("#explorer-note").inner_text()
    choose(page, "y", "ssim_converged")
    page.wait_for_function(SETTLED, arg="SSIM")
    note = page.locator("#explorer-note").inner_text()
    assert "has converged, which does not say that its images are better" in note


@pytest.mark.slow
def test_an_address_restores_what_was_shown(opened, file):
    page = opened(file)
    pin = data_of(page)["cells"]["id"][5]
    address = f"#explore?x=latency_p50_s&y=clip_score_tiny&axis=near&panels=none&pin={pin}&s=euler"
    page.goto(file.as_uri() + address)  # the page is open: its address alone changes
    drawn(page, "Latency (s per image, median, batch of 1)")
    page.reload()
    drawn(page, "Latency (s per image, median, batch of 1)")
    assert values(page) == ["latency_p50_s", "clip_score_tiny", "near", "none", pin]
    pressed = page.locator("#explorer .legend button[aria-pressed=true]")
    assert pressed.all_inner_texts() == ["euler"]
    assert page.locator(".pinned h3").inner_text() == data_of(page)["cells"]["name"][5]
    assert page.evaluate("scrollY") > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "address",
    [
        "#explore?x=__proto__&y=constructor&axis=toString&panels=valueOf&pin=-1&s=nobody",
        "#explore?y=%3Cimg%20src=x%20onerror=alert(1)%3E&s=</script><script>alert(2)</script>",
        "#explore?x&y=&pin=%00&%E0%A4%A",
    ],
)
def test_an_address_that_names_nothing_shows_the_usual_view(opened, file, address):
    page = opened(file)
    usual = values(page)
    page.goto(file.as_uri() + address)
    page.reload()
    page.wait_for_function(SETTLED, arg="Fréchet distance (shapes) against steps")
    assert values(page) == usual
    assert page.locator(".pinned").is_hidden()


def test_pointing_at_a_cell_shows_its_numbers_and_its_difference_to_the_default(opened, file):
    page = opened(file)
    data = data_of(page)
    metric = data["metrics"][0]
    marks = page.locator("#explorer .mark-symbol path[aria-label*=cell]")
    assert marks.count() == 24
    page.locator("#explore").scroll_into_view_if_needed()
    marks.first.hover(force=True)
    tip = page.locator("#vg-tooltip-element.visible").inner_text()
    place = next(i for i, name in enumerate(data["cells"]["name"]) if name in tip)
    for words in (metric["text"][place], metric["interval"][place], metric["against"][place]):
        assert words in tip
    assert data["cells"]["latency"][place] in tip
    assert "256" in tip


def test_a_cell_is_pinned_by_the_keyboard_with_its_facts_and_samples(opened, file):
    page = opened(file)
    data = data_of(page)
    page.locator(".controls [name=pin]").focus()
    page.keyboard.press("ArrowDown")
    pinned = page.locator(".pinned")
    assert pinned.locator("h3").inner_text() == data["cells"]["name"][0]
    assert data["metrics"][0]["text"][0] in pinned.inner_text()
    assert data["metrics"][1]["against"][0] in pinned.inner_text()
    tile = f"#samples .tile[data-cell='{data['cells']['key'][0]}'] img"
    shown = page.locator(tile).evaluate_all("(all) => all.map((i) => i.src)")
    tiles = pinned.locator("img").evaluate_all("(all) => all.map((i) => i.src)")
    assert len(tiles) > 0
    assert tiles == shown
    assert pinned.locator("figcaption").first.inner_text().startswith("a small striped red ring")
    assert f"pin={data['cells']['id'][0]}" in page.url


def test_a_click_pins_a_cell_and_a_second_one_lets_it_go(opened, file):
    page = opened(file)
    page.locator("#explore").scroll_into_view_if_needed()
    mark = page.locator("#explorer .mark-symbol path[aria-label*=cell]").first
    mark.click(force=True)
    page.wait_for_function("() => !document.querySelector('.pinned').hidden")
    page.wait_for_function(
        "() => document.querySelector('#explorer .mark-symbol path[stroke-width=\"3\"]')"
    )
    mark.click(force=True)
    page.wait_for_function("() => document.querySelector('.pinned').hidden")


def test_the_sentence_is_of_the_one_curve_that_is_shown_or_of_the_defaults(opened, file):
    page = opened(file)
    sentences = data_of(page)["metrics"][0]["sentences"]
    (default,) = data_of(page)["metrics"][0]["recommended"].values()
    first = page.locator(".gains").inner_text()
    assert first in sentences.values()
    assert first.startswith(default.removeprefix("default: ").split(",")[0])
    page.locator("#explorer .legend button", has_text="euler").click()
    words = page.locator(".gains").inner_text()
    assert words == (first if first.startswith("euler") else "")  # two curves, none of the default
    assert "s=euler" in page.url


@pytest.mark.slow
def test_hostile_names_are_texts_in_the_chart_and_below_it(opened, tmp_path):
    run = fabricate(
        tmp_path / "run",
        models=ATTACKS[1:2],
        schedulers=ATTACKS[:2],
        steps=(2, 4, 8),
        guidances=(4.0,),
        prompts=ATTACKS,
        samples=64,
    )
    page = opened(write_report(run.folder))
    page.locator("#explore").scroll_into_view_if_needed()
    page.locator("#explorer .mark-symbol path[aria-label*=cell]").first.hover(force=True)
    assert page.locator("#vg-tooltip-element img, #vg-tooltip-element script").count() == 0
    page.locator(".controls [name=pin]").select_option(index=1)
    assert ATTACKS[0] in page.locator(".pinned h3").inner_text()
    assert page.locator(".pinned script").count() == 0
    assert {ATTACKS[0], ATTACKS[1]} <= {*page.locator(".pinned figcaption").all_inner_texts()}
    page.locator("#explorer .legend button").first.click()
    page.reload()
    page.wait_for_function(SETTLED, arg="")
    assert page.locator("#explorer .legend button[aria-pressed=true]").all_inner_texts() == [
        ATTACKS[0]
    ]


def test_a_narrow_dark_page_holds_the_chart_its_controls_and_a_pinned_cell(opened, file):
    page = opened(file, viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.locator(".controls [name=pin]").select_option(index=3)
    page.wait_for_function("() => !document.querySelector('.pinned').hidden")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    ends = "(all) => all.map((e) => e.getBoundingClientRect()).map((b) => [b.left, b.right])"
    for left, right in page.eval_on_selector_all(
        "#explore svg.marks, .controls select, .pinned", ends
    ):
        assert 0 <= left < right <= 390
    colour = page.eval_on_selector(".controls select", "(e) => getComputedStyle(e).color")
    assert min(map(int, re.findall(r"\d+", colour)[:3])) > 200


def test_a_row_leads_to_the_cells_samples_and_the_command_that_makes_it_again(opened, tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=64)
    write_progress(run.folder, Progress("here-1", "denoisebench sweep steps=2,4,8,16", "/"))
    page = opened(write_report(run.folder))
    page.locator("table.cells tbody tr", has_text="8").first.locator("a").click()
    page.wait_for_function("() => !document.querySelector('.pinned').hidden")
    pinned = page.locator(".pinned")
    steps = re.search(r"(\d+) steps", pinned.locator("h3").inner_text())[1]
    again = f"denoisebench sweep steps={steps} run=run-one-cell"
    assert pinned.locator(".repeat pre").inner_text() == again
    assert pinned.is_visible()


def test_no_command_is_shown_where_none_is_known(opened, file):
    page = opened(file)
    choose(page, "pin", data_of(page)["cells"]["id"][0])
    page.wait_for_function("() => !document.querySelector('.pinned').hidden")
    assert not page.locator(".repeat").is_visible()
