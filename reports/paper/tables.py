"""Tables of a run in Markdown and LaTeX (booktabs). Names come from users: signs are escaped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from denoisebench.reports.formats import MISSING
from denoisebench.reports.rows.signs import LATEX, MARKDOWN, escaped
from denoisebench.reports.rows.table import cells_table

_COSTS = ("NFE", "Latency p50")


@dataclass(frozen=True)
class Table:
    """Texts by row and column."""

    titles: list[str]
    numeric: list[bool]  # of each column
    rows: list[list[str]]


def cells(frame: pd.DataFrame) -> Table:
    """The cells that ran, each with what names it, its scores with their errors, and its costs."""
    columns = [
        column
        for column in cells_table(frame[frame["status"] != "unsupported"])
        if column.is_searched or column.title in _COSTS or (column.full_title and column.is_shown)
    ]
    titles = [f"{c.title}, {c.unit}" if c.unit else c.title for c in columns]
    rows = [list(row) for row in zip(*(column.texts for column in columns), strict=True)]
    return Table(titles, [column.numeric for column in columns], rows)


def defaults(cards: Sequence[Mapping[str, Any]]) -> Table:
    """A line for each default and metric that it is proven by. cards: of recommendation_cards."""
    titles = [
        "For",
        "Held fixed",
        "Default",
        "Outcome",
        "Metric",
        "Value ± se",
        "Loss, upper bound",
    ]
    rows = [row for card in cards for row in _default_rows(card)]
    return Table([*titles, "Margin", "Against"], [False] * 5 + [True] * 3 + [False], rows)


def _default_rows(card: Mapping[str, Any]) -> Iterator[list[str]]:
    head = [card["target"], card["panel"], card["setting"] or MISSING, card["outcome"]]
    if not card["evidence"]:
        yield [*head, *[MISSING] * 5]
    for line in card["evidence"]:
        yield [*head, *(line[name] for name in ("metric", "value", "loss", "margin", "rival"))]


def markdown(table: Table) -> str:
    """A table of GitHub's Markdown."""
    rule = ["---:" if is_number else "---" for is_number in table.numeric]
    lines = _lines(table, MARKDOWN)
    return "".join(f"| {' | '.join(line)} |\n" for line in (lines[0], rule, *lines[1:]))


def latex(table: Table) -> str:
    """A tabular with the rules of the package booktabs."""
    lines = _lines(table, LATEX)
    head, *body = (f"{' & '.join(line)} \\\\\n" for line in lines)
    columns = "".join("r" if is_number else "l" for is_number in table.numeric)
    return (
        "% \\usepackage{booktabs}\n"
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head}\\midrule\n{''.join(body)}"
        "\\bottomrule\n\\end{tabular}\n"
    )


def _lines(table: Table, signs: Mapping[str, str]) -> list[list[str]]:
    """Titles and rows as they are written, each text on one line."""
    return [[escaped(text, signs) for text in row] for row in (table.titles, *table.rows)]
