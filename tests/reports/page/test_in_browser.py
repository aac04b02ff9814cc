"""The report's page in a browser: what is seen, chosen, copied and printed."""

import re

import pytest

from denoisebench.reports import theme
from denoisebench.reports.report import write_report
from tests.helpers.browser import Opened, chromium
from tests.helpers.fake_run import fabricate
from tests.helpers.pages import ATTACKS

A4 = 703  # CSS pixels between the margins of a printed page
MANY = tuple(f"solver_{i:02}" for i in range(14))
COPIES = "navigator.clipboard.writeText = async (text) => { window.copied = text; }"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seen") / "run"
    return write_report(fabricate(folder, samples=256, failed=[("heun", 16)]).folder)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many") / "run"
    run = fabricate(folder, schedulers=MANY, steps=(2, 4, 8), guidances=(4.0,), samples=64)
    return write_report(run.folder)


@pytest.fixture
def opened(browser, request):
    """Opens a file; closes it after the test."""
    pages = []

    def open_(file, **options):
        pages.append(Opened(browser, file, **options))
        return pages[-1]

    yield open_
    for one in pages:
        one.page.close()


def boxes(page, selector):
    """Left, top, right and bottom of all that is visible."""
    found = page.eval_on_selector_all(
        selector,
        "(all) => all.map((e) => e.getBoundingClientRect()).filter((b) => b.width > 0)"
        ".map((b) => [b.left, b.top + scrollY, b.right, b.bottom + scrollY])",
    )
    assert found
    return found


@pytest.mark.slow
def test_the_answer_and_its_chart_are_seen_before_anything_is_scrolled(opened, file):
    page = opened(file).page
    ((_, top, _, bottom),) = boxes(page, "#answer .sentence")
    assert bottom < 600
    _, top, _, bottom = boxes(page, "figure.chart svg")[0]
    assert top < 600
    assert bottom < 1000
    assert page.locator("#answer .sentence strong").inner_text().startswith("Use ")


@pytest.mark.long
@pytest.mark.slow
def test_a_page_says_nothing_and_asks_for_nothing(opened, file, many, tmp_path):
    run = fabricate(
        tmp_path / "run",
        models=ATTACKS[1:],
        schedulers=ATTACKS[:2],
        steps=(2, 4, 8),
        guidances=(4.0,),
        prompts=ATTACKS,
        samples=64,
    )
    for one in (file, many, write_report(run.folder)):
        seen = opened(one)
        assert seen.heard == []
        assert seen.requests == [one.as_uri()]


@pytest.mark.parametrize("width", [1280, 390])
def test_charts_are_drawn_at_once_and_fit_the_page(opened, file, width):
    page = opened(file, viewport={"width": width, "height": 800}).page
    assert len(boxes(page, "figure.chart svg.marks")) == 9
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    for left, _, right, _ in boxes(page, "figure.chart svg.marks, figure.chart h3, .sentence"):
        assert 0 <= left < right <= width
    assert page.evaluate("scrollY") == 0


def test_a_printed_page_holds_every_chart_whole(opened, file):
    page = opened(file).page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4, "height": 1000})
    for left, _, right, _ in boxes(page, "figure.chart svg.marks, .evidence, .plateaus"):
        assert 0 <= left < right <= A4
    assert page.pdf(format="A4", print_background=True).startswith(b"%PDF")


@pytest.mark.slow
def test_what_is_folded_is_printed_and_folded_again(opened, tmp_path):
    run = fabricate(tmp_path / "run", steps=(2, 4, 8), guidances=(4.0,), samples=64)
    file = write_report(run.folder)
    chart = re.search(r'<figure class="chart" id="(decision)">.*?</figure>', file.read_text(), re.S)
    folded = chart[0].replace("decision", "folded")
    details = f"<section><details><summary>More</summary>{folded}</details></section>"
    file.write_text(file.read_text().replace("</main>", f"{details}</main>"))
    page = opened(file).page
    page.wait_for_function(
        "() => document.querySelector('#folded svg.marks')"
    )  # drawn out of sight
    unfolded = page.locator("details[open]").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    ((left, top, right, bottom),) = boxes(page, "#folded svg.marks")
    assert right - left > 300
    assert bottom - top > 100
    assert page.locator("details[open]").count() > unfolded
    assert not page.locator("details.columns").get_attribute("open")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == unfolded


LINES = "svg.marks .mark-line path[stroke-width]"
IN_FULL = f"""([figure, expected]) => [...document.querySelectorAll(`#${{figure}} {LINES}`)]
  .filter((line) => Number(line.getAttribute("opacity") ?? 1) === 1)
  .map((line) => line.getAttribute("stroke")).sort().join() === expected.sort().join()"""


def in_full(page, figure, *colours):
    """Waits until the curves of these colours are drawn in full, and no others."""
    page.wait_for_function(IN_FULL, arg=[figure, colours])


def test_a_scheduler_that_is_pressed_stands_out_in_all_figures(opened, file):
    page = opened(file).page
    blue, orange, green = theme.COLOURS[:3]
    figures = ("explorer", "clip_score_tiny_gain_per_step")
    buttons = page.locator("#explorer .legend button")
    assert buttons.all_inner_texts() == ["ddim", "euler", "heun"]
    buttons.nth(1).click()
    for name in figures:
        pressed = page.locator(f"#{name} .legend button[aria-pressed=true]")
        assert pressed.all_inner_texts() == ["euler"]
    in_full(page, "explorer", orange, orange)  # in two panels
    buttons.nth(1).click()
    in_full(page, "explorer", *2 * (blue, orange, green))


@pytest.mark.slow
def test_of_many_schedulers_a_few_stand_out_until_a_reader_chooses(opened, many):
    page = opened(many).page
    legend = page.locator("#explorer .legend")
    assert legend.locator("button").count() == 14
    pressed = legend.locator("button[aria-pressed=true]")
    assert pressed.count() == 6
    keys = pressed.locator("path[stroke]").evaluate_all(
        "(all) => all.map((e) => e.getAttribute('stroke'))"
    )
    in_full(page, "explorer", *keys)


def test_the_lines_to_copy_are_copied(opened, file):
    page = opened(file).page
    page.evaluate(COPIES)
    page.get_by_role("button", name="Copy", exact=True).first.click()
    lines = page.evaluate("window.copied").splitlines()
    assert lines[2] == 'call = denoisebench.apply(pipe, "defaults.yaml")'


def rows(page):
    found = page.locator("table.cells tbody tr:visible").all()
    return [row.locator("td:visible").all_inner_texts() for row in found]


def test_the_table_is_searched_by_parts_of_names_and_whole_numbers(opened, file):
    page = opened(file).page
    page.get_by_label("Search").fill("DDIM 16")
    assert [row[:3] for row in rows(page)] == [["ddim", "16", "1"], ["ddim", "16", "4"]]
    assert page.locator(".tools output").inner_text() == "2 of 24 cells"
    page.get_by_label("Search").fill("fail eun")
    assert [row[:3] for row in rows(page)] == [["heun", "16", "1"], ["heun", "16", "4"]]
    page.get_by_label("Search").fill("")
    assert len(rows(page)) == 24


def test_the_table_is_sorted_with_empty_cells_last(opened, file):
    page = opened(file).page
    heading = page.locator("table.cells thead").get_by_role("button", name="FD (shapes)")
    for direction in (1, -1):
        heading.click()
        values = [row[3] for row in rows(page)]
        assert values[-2:] == ["\N{EN DASH}"] * 2
        known = [float(text.split(" ")[0].replace("\N{MINUS SIGN}", "-")) for text in values[:-2]]
        assert known == sorted(known, key=lambda value: direction * value)


def copied(page, name):
    page.evaluate(COPIES)
    page.locator(".tools").get_by_role("button", name=name).click()
    return page.evaluate("window.copied").splitlines()


def chosen(page):
    """The page's table with few rows and columns."""
    page.get_by_label("Search").fill("heun 1")
    page.locator("summary", has_text="Columns").click()
    for box in page.locator(".columns label").all()[4:]:
        box.locator("input").uncheck()
    return rows(page)


@pytest.mark.slow
def test_what_is_shown_is_copied_as_csv_markdown_and_latex(opened, file):
    page = opened(file).page
    shown = chosen(page)
    assert [row[:3] for row in shown] == [["heun", n, "1"] for n in ("2", "4", "8", "16")]
    value, error = shown[0][3].split(" ± ")
    head, first, *_, last = copied(page, "CSV")
    title = '"FD (shapes), lower is better"'
    assert head == f'Scheduler,Steps,Guidance,{title},{title[:-1]}, error"'
    assert first == f"heun,2,1,{value},{error}"
    assert last == "heun,16,1,,"
    lines = copied(page, "Markdown")
    assert lines[1:3] == ["| --- | ---: | ---: | ---: |", f"| heun | 2 | 1 | {shown[0][3]} |"]
    lines = copied(page, "LaTeX")
    assert lines[0] == r"\begin{tabular}{lrrr}"
    assert lines[4] == rf"heun & 2 & 1 & {value} $\pm$ {error} \\"
    assert lines[-3] == r"heun & 16 & 1 & -- \\"


@pytest.mark.slow
def test_signs_of_latex_and_of_tables_are_written_as_text(opened, tmp_path):
    names = ("a_b|50%", 'say "x"')
    run = fabricate(tmp_path / "run", schedulers=names, steps=(2,), guidances=(4.0,))
    page = opened(write_report(run.folder)).page
    assert copied(page, "LaTeX")[4].startswith(r"a\_b\textbar{}50\% & ")
    assert copied(page, "Markdown")[2].startswith(r"| a\_b\|50% | ")
    assert copied(page, "CSV")[2].startswith('"say ""x""",')


@pytest.mark.slow
def test_a_row_of_latex_does_not_begin_with_an_option_of_the_one_before(opened, tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("[2pt]", "*x"), steps=(2,), guidances=(4.0,))
    lines = copied(opened(write_report(run.folder)).page, "LaTeX")
    assert {line.split(" & ")[0] for line in lines[4:6]} == {"{[}2pt]", "{*}x"}


def test_a_dark_page_keeps_its_charts_legible(opened, file):
    page = opened(file, color_scheme="dark").page
    colours = page.eval_on_selector_all(
        # Tiles of a heat map have colours of their own, on which letters are dark.
        "figure.chart:not([id$=_steps_and_guidance]) svg.marks text",
        "(all) => all.map((e) => getComputedStyle(e).fill)",
    )
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    written = {colour for colour in colours if colour != paper}  # but for halos of letters
    assert min(int(part) for colour in written for part in re.findall(r"\d+", colour)[:3]) > 120
    assert max(map(int, re.findall(r"\d+", paper))) < 40


def test_all_is_reached_by_the_keyboard(opened, file):
    page = opened(file).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    boxes = page.locator(".scroll")
    assert boxes.count() == page.locator(".scroll[tabindex='0'][aria-label]").count()
    for canvas in page.locator(".canvas").all():
        for name in ("aria-labelledby", "aria-describedby"):
            target = canvas.get_attribute(name)
            assert page.locator(f"[id='{target}']").text_content()
