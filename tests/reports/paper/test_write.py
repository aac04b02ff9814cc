"""Figures and tables for a paper: their sizes, their texts, and what LaTeX makes of names."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from denoisebench.bench.records.run import load_run
from denoisebench.reports.charts import Figure
from denoisebench.reports.paper.tables import Table, latex, markdown
from denoisebench.reports.paper.write import _captions
from denoisebench.reports.report import report_of, write_report
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.fake_run import CLIP, FD, fabricate
from tests.helpers.pages import ATTACKS

INCHES = {"single": 3.25, "double": 6.75}
HOSTILE = ("a_b&50%#1", r"\input{x}", "[2] * ~^|<>", "{$x$}", ATTACKS[1])


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    run = fabricate(tmp_path_factory.mktemp("paper") / "run", samples=64)
    report_of(run, load_frame(run), for_paper=True)
    return run.folder / "paper"


def sized(svg: Path):
    """Width in inches, and how many points a unit of the drawing is."""
    root = ElementTree.parse(svg).getroot()
    width = float(root.get("width").removesuffix("in"))
    return width, 72 * width / float(root.get("viewBox").split()[2]), root


@pytest.mark.slow
def test_the_decisive_figures_and_tables_are_written(paper):
    stems = {"decision", *(f"{m}_vs_{c}" for m in (FD, CLIP) for c in ("steps", "seconds"))}
    figures = {f"{s}_{w}.{kind}" for s in stems for w in INCHES for kind in ("pdf", "svg")}
    tables = {f"{name}.{kind}" for name in ("cells", "defaults") for kind in ("md", "tex")}
    assert {path.name for path in paper.iterdir()} == figures | tables | {"captions.md"}
    captions = (paper / "captions.md").read_text()
    assert all(f"`{stem}`: " in captions for stem in stems)
    assert "95\N{NO-BREAK SPACE}% confidence intervals" in captions


@pytest.mark.parametrize("width", INCHES)
def test_a_figure_is_as_wide_as_its_column_in_both_formats(paper, width):
    for svg in paper.glob(f"*_{width}.svg"):
        assert sized(svg)[0] == INCHES[width]
        (box,) = re.findall(rb"/MediaBox ?\[([^\]]*)\]", svg.with_suffix(".pdf").read_bytes())
        left, bottom, right, top = map(float, box.split())
        assert (left, bottom, right) == (0, 0, pytest.approx(72 * INCHES[width], abs=0.01))
        assert 80 < top < 72 * 9  # a page


def test_letters_are_of_seven_to_eight_points_and_lines_can_be_printed(paper):
    for svg in paper.glob("*.svg"):
        _, point, root = sized(svg)
        texts = [e for e in root.iter("{http://www.w3.org/2000/svg}text") if "".join(e.itertext())]
        sizes = {float(text.get("font-size").removesuffix("px")) * point for text in texts}
        assert min(sizes) >= 7, svg.name
        assert max(sizes) <= 8.01, svg.name
        for element in root.iter():
            if "mark-line" in (element.get("class") or ""):
                for line in element:
                    assert float(line.get("stroke-width")) * point >= 0.5


def test_nothing_of_a_figure_lies_beyond_its_edge(paper):
    for svg in paper.glob("*.svg"):
        _, _, root = sized(svg)
        x, y, right, bottom = map(float, root.get("viewBox").split())
        assert (x, y) == (0, 0)
        (inner,) = re.findall(r'<svg[^>]*viewBox="([^"]*)"', svg.read_text())
        assert inner == f"0 0 {right:g} {bottom:g}"


def test_curves_are_told_apart_without_colour(paper):
    text = (paper / f"{FD}_vs_steps_single.svg").read_text()
    assert len(set(re.findall(r'stroke-dasharray="([^"]*)"', text))) >= 2


@pytest.mark.long
@pytest.mark.slow
def test_many_schedulers_still_fit_a_column(tmp_path):
    names = tuple(f"a_rather_long_name_{i:02}" for i in range(7))
    run = fabricate(tmp_path / "run", schedulers=names, steps=(2, 4), guidances=(4.0,))
    report_of(run, load_frame(run), for_paper=True)
    for svg in (run.folder / "paper").glob("*_vs_steps_single.svg"):
        width, point, _ = sized(svg)
        assert (width, point) == (3.25, pytest.approx(2 / 3))


def test_a_table_of_cells_has_every_cell_with_its_errors(paper):
    lines = (paper / "cells.md").read_text().splitlines()
    assert len(lines) == 2 + 24
    assert lines[0].startswith("| Scheduler | Steps | Guidance | FD (shapes), lower is better | ")
    assert all(line.count(" ± ") == 2 for line in lines[2:])
    rows = [line for line in (paper / "cells.tex").read_text().splitlines() if r"$\pm$" in line]
    assert len(rows) == 24
    assert all(row.endswith(r" \\") for row in rows)


def test_the_table_of_defaults_names_the_default_and_its_evidence(paper):
    text = (paper / "defaults.tex").read_text()
    assert text.count("PASS") == 2  # a line for each metric
    assert "at most" in text
    assert r"\toprule" in text


def test_signs_of_names_are_text_in_latex():
    table = Table(["a"], [False], [[name] for name in HOSTILE])
    lines = latex(table).splitlines()[5:-2]
    assert lines == [
        r"a\_b\&50\%\#1 \\",
        r"\textbackslash{}input\{x\} \\",
        r"{[}2] {*} \textasciitilde{}\textasciicircum{}\textbar{}\textless{}\textgreater{} \\",
        r"\{\$x\$\} \\",
        r"''\textgreater{}\textless{}img src=x onerror=alert(1)\textgreater{} \\",
    ]


def test_signs_of_names_are_text_in_markdown():
    (*_, line) = markdown(Table(["a", "b"], [False, True], [["x|<y>*_", "1\n2"]])).splitlines()
    assert line == r"| x\|\<y\>\*\_ | 1 2 |"


def test_captions_have_the_sentence_of_a_figure_and_names_are_text_in_them():
    spec = {"title": {"subtitle": "a_b *c*"}}
    figure = Figure("decision", "Loss", "Bars: <b>", spec, "With [x]\nit gains.")
    (line,) = _captions([figure])
    assert line == "`decision`: Loss. a\\_b \\*c\\*. With \\[x\\] it gains. Bars: \\<b\\>\n"


@pytest.mark.slow
def test_a_folder_for_a_paper_does_not_grow_old(paper):
    table = paper / "cells.md"
    whole = table.read_text()
    table.write_text("old")
    write_report(load_run(paper.parent).folder)
    assert table.read_text() == whole


@pytest.mark.slow
def test_a_report_alone_writes_nothing_for_a_paper(tmp_path):
    run = fabricate(tmp_path / "run", steps=(2, 4), samples=8)
    write_report(run.folder)
    assert not (run.folder / "paper").exists()
