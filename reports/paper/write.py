"""The folder paper/ of a run: figures in PDF and SVG, their captions, tables."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from denoisebench.bench.paths import write_atomically
from denoisebench.reports.charts import Figure, to_pdf
from denoisebench.reports.decide.decisions import Decisions
from denoisebench.reports.decide.words import recommendation_cards
from denoisebench.reports.page.on_page import subtitle_of
from denoisebench.reports.paper.figures import WIDTHS_IN, in_points, in_print
from denoisebench.reports.paper.tables import cells, defaults, latex, markdown
from denoisebench.reports.rows.frame import records
from denoisebench.reports.rows.signs import MARKDOWN, escaped

_CURVES = ("_vs_steps", "_vs_strength", "_vs_seconds")  # ends of the names of figures for a paper


def write_paper(
    folder: Path, frame: pd.DataFrame, decisions: Decisions, *, figures: Sequence[Figure]
) -> Path:
    """Writes the figures for a paper in both widths, captions.md, and the tables of cells and
    defaults in Markdown and LaTeX; returns their folder. figures: all of the leading metrics, and
    the charts of the decision."""
    paper = folder / "paper"
    drawn = [figure for figure in figures if _is_decisive(figure)]
    for figure in drawn:
        for name, width_in in WIDTHS_IN.items():
            svg = in_print(figure, width_in)
            write_atomically(paper / f"{figure.name}_{name}.svg", svg.encode())
            write_atomically(paper / f"{figure.name}_{name}.pdf", to_pdf(in_points(svg)))
    write_atomically(paper / "captions.md", "\n".join(_captions(drawn)).encode())
    tables = {"cells": cells(frame)}
    if decisions.recommendations:
        tables["defaults"] = defaults(recommendation_cards(records(frame), decisions))
    for name, table in tables.items():
        write_atomically(paper / f"{name}.md", markdown(table).encode())
        write_atomically(paper / f"{name}.tex", latex(table).encode())
    return paper


def _is_decisive(figure: Figure) -> bool:
    return figure.name.startswith("decision") or figure.name.endswith(_CURVES)


def _captions(figures: Iterable[Figure]) -> Iterable[str]:
    """What stands above and below a figure of the page, which its print has no room for."""
    for figure in figures:
        texts = [f"{figure.title}.", f"{subtitle_of(figure)}.", figure.finding, figure.note]
        words = " ".join(" ".join(filter(None, texts)).splitlines())
        yield f"`{figure.name}`: {escaped(words, MARKDOWN)}\n"
