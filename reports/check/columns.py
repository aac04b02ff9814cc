"""Columns of a table: what each is called, and how its text is made of a row."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.table import Table
from rich.text import Text

Record = TypeVar("Record")


@dataclass(frozen=True)
class Column(Generic[Record]):
    title: str
    text: Callable[[Record], str]
    is_number: bool = False  # on the right of its column
    style: Callable[[Record], str] = lambda row: ""  # in a terminal


def terminal_table(columns: Sequence[Column[Record]], title: str) -> Table:
    """A table for the terminal with these columns and no rows yet."""
    table = Table(title=Text(title), title_justify="left", caption_justify="left")
    for column in columns:
        table.add_column(Text(column.title), justify="right" if column.is_number else "left")
    return table


def add_rows(table: Table, columns: Sequence[Column[Record]], rows: Iterable[Record]) -> None:
    for row in rows:
        table.add_row(*(Text(column.text(row), column.style(row)) for column in columns))


def markdown_table(columns: Sequence[Column[Record]], rows: Iterable[Record]) -> list[str]:
    """Lines."""
    rules = ("--:" if column.is_number else "---" for column in columns)
    lines = [_line(column.title for column in columns), f"|{'|'.join(rules)}|"]
    return lines + [_line(escaped(column.text(row)) for column in columns) for row in rows]


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def escaped(text: str) -> str:
    """Text of one line in which Markdown finds no markup and no bar of a table."""
    for mark, written in {"&": "&amp;", "<": "&lt;", "|": "\\|", "*": "\\*", "_": "\\_"}.items():
        text = text.replace(mark, written)
    return " ".join(text.split())
