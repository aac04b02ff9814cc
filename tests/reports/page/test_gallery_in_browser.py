"""The gallery in a browser: what rows and columns are, a tile enlarged, two tiles compared."""

import pytest

from denoisebench.reports.page.gallery import gallery
from denoisebench.reports.page.samples import change
from denoisebench.reports.report import write_report
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.browser import Opened, chromium
from tests.helpers.fake_run import fabricate
from tests.helpers.pages import ATTACKS


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery") / "run"
    run = fabricate(folder, samples=256, failed=[("heun", 16)])
    write_report(folder)
    return run


@pytest.fixture
def page(browser, run):
    opened = Opened(browser, run.folder / "report.html")
    yield opened.page
    assert opened.heard == []
    opened.page.close()


def heads(page, which):
    return page.locator(f"#samples figure >> nth=0 >> {which}").all_inner_texts()


def name_of(page):
    return page.locator("dialog p").first.inner_text()


def names(page):
    return page.evaluate("[...document.querySelectorAll('.seen .tile')].map((t) => t.dataset.cell)")


@pytest.mark.slow
def test_rows_and_columns_are_chosen_and_the_rest_is_held(page):
    assert heads(page, "tbody th") == ["ddim", "euler", "heun"]
    assert heads(page, "thead th") == ["2", "4", "8", "16"]
    assert page.locator(".held:visible").all_inner_texts()[0].startswith("Guidance")
    page.locator("[name=rows]").select_option(label="Guidance")
    assert heads(page, "tbody th") == ["1", "4"]
    page.locator("[name=columns]").select_option(label="Guidance")  # they change places
    assert heads(page, "thead th") == ["1", "4"]
    assert heads(page, "tbody th") == ["2", "4", "8", "16"]
    page.locator(".held:visible select").select_option(label="heun")
    row = page.locator("#samples figure").first.locator("tbody tr").last
    assert row.locator("td").all_inner_texts() == ["failed", "failed"]


def test_the_tile_in_a_place_is_of_the_cell_that_the_headings_name(page, run):
    page.locator("[name=rows]").select_option(label="Guidance")
    page.locator(".held:visible select").select_option(label="euler")
    keys = page.evaluate(
        "[...document.querySelector('#samples tbody').rows].map((row) => "
        "[...row.querySelectorAll('.tile')].map((tile) => tile.dataset.cell))"
    )
    wanted = {(e.cell.scheduler, e.cell.steps, e.cell.guidance): e.cell.key for e in run.entries}
    assert keys == [[wanted["euler", n, g] for n in (2, 4, 8, 16)] for g in (1.0, 4.0)]
    everywhere = page.locator(f'[data-cell="{keys[0][0]}"][data-sample="3"]')
    assert everywhere.count() == 1
    assert page.locator(f'#samples [data-cell="{wanted["heun", 8, 1.0]}"]').count() == 8


def test_samples_that_change_most_come_first_when_asked(page, run):
    blocks = gallery(run, load_frame(run))
    order = sorted(blocks, key=lambda block: -change(block))
    page.locator("[name=order]").select_option("change")
    shown = page.evaluate(
        "[...document.querySelectorAll('#samples figure')]"
        ".map((f) => Number(f.querySelector('.tile').dataset.sample))"
    )
    assert shown == [block.sample for block in order]
    assert page.locator(".seen figure").count() == 4
    page.locator("[name=order]").select_option("")
    assert page.locator("#samples .tile").first.get_attribute("data-sample") == "0"


def test_a_tile_is_enlarged_and_left_by_the_keyboard(page):
    tile = page.locator("#samples .tile").first
    tile.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert name_of(page).startswith("ddim, 4 steps, guidance")
    for key, name in {
        "ArrowRight": "ddim, 8",
        "ArrowDown": "euler, 8",
        "ArrowUp": "ddim, 8",
    }.items():
        page.keyboard.press(key)
        assert name_of(page).startswith(f"{name} steps")
    for _ in range(3):  # there is nothing beyond the edge
        page.keyboard.press("ArrowUp")
    assert name_of(page).startswith("ddim, 8 steps")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    focused = page.evaluate("document.activeElement.querySelector('img').alt")
    assert focused.startswith("ddim, 8 steps")


def test_a_wipe_shows_the_default_at_its_left(page):
    default = page.locator("#samples .tile.default img").first.get_attribute("alt")
    tile = page.locator("#samples .seen .tile:not(.default)").first
    name = tile.locator("img").get_attribute("alt")
    tile.click()
    assert name_of(page) == name
    page.locator("[name=wipe]").fill("40")
    assert name_of(page) == f"{default} | {name}"
    clip = "getComputedStyle(document.querySelector('.stage').children[1]).clipPath"
    assert "60%" in page.evaluate(clip).replace("calc(100% - 40%)", "60%")
    page.locator(".stage").focus()
    page.keyboard.press("b")
    assert name_of(page) == default
    page.keyboard.press("b")
    assert name_of(page) == name
    page.locator("[name=other]").select_option(label="nothing")
    assert page.locator("[name=wipe]").is_disabled()
    page.keyboard.press("b")
    assert name_of(page) == name


@pytest.mark.slow
def test_blinking_is_by_press_alone_and_ends_with_the_dialog(page):
    tile = page.locator("#samples .seen .tile:not(.default)").first
    name = tile.locator("img").get_attribute("alt")
    tile.click()
    page.wait_for_timeout(900)
    assert name_of(page) == name
    page.locator("[name=blink]").click()
    page.wait_for_function("(n) => document.querySelector('dialog p').innerText !== n", arg=name)
    page.wait_for_function("(n) => document.querySelector('dialog p').innerText === n", arg=name)
    page.locator("[name=close]").click()
    assert page.locator("[name=blink]").get_attribute("aria-pressed") == "false"


def test_who_wants_less_motion_swaps_by_hand(browser, run):
    opened = Opened(browser, run.folder / "report.html", reduced_motion="reduce")
    opened.page.locator("#samples .tile").first.click()
    assert not opened.page.locator("[name=blink]").is_visible()
    assert opened.page.locator("[name=swap]").is_visible()
    opened.page.close()


@pytest.mark.slow
def test_hostile_names_and_prompts_stay_text(browser, tmp_path):
    run = fabricate(
        tmp_path / "run",
        models=ATTACKS[1:],
        schedulers=ATTACKS[:2],
        steps=(2, 4),
        guidances=(4.0,),
        prompts=ATTACKS,
    )
    opened = Opened(browser, write_report(run.folder))
    page = opened.page
    page.locator("[name=rows]").select_option(label="Model")
    assert heads(page, "tbody th") == [*ATTACKS[1:]]
    page.locator("#samples .tile").first.click()
    assert ATTACKS[0] in name_of(page)
    assert f"“{ATTACKS[0]}”" in page.locator("dialog .which").inner_text()
    assert page.locator("#samples script, #samples img:not([alt])").count() == 0
    assert opened.heard == []
    page.close()


def test_a_small_screen_holds_the_gallery_and_the_dialog(browser, run):
    opened = Opened(browser, run.folder / "report.html", viewport={"width": 390, "height": 800})
    page = opened.page
    page.locator("#samples .tile").first.click()
    box = page.locator("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    page.close()
