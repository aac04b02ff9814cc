"""Prompt files as records, each kind read by the rules of its format.

    .txt            one text a line
    .csv            RFC 4180, with a header
    .tsv            with a header; quotes are part of a text unless the file quotes fields: _tsv
    .jsonl, .ndjson one value a line
    .json           a list of values; an object with one list of records that have the column, as
                    COCO's captions are; or an object of records by name
    .parquet        that column

A line ends at a newline, a carriage return or both, and nowhere else: U+2028 and its like are text.
All functions raise Unreadable.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from denoisebench.bench.paths.guarded import (
    Unreadable,
    guarded,
    parse_json,
    read_text,
    regular,
)

PARQUET = ".parquet"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
# What other tools write beside a prompt, at the beginning of a line.
_SETTINGS = re.compile(r"^\s*(negative prompt:|steps:\s*\d|--\w)", re.IGNORECASE | re.MULTILINE)

# Choices in a prompt: {a|b}, [a|b] and __another_file__.
_DRAWN = re.compile(r"\{[^{}]*\|[^{}]*\}|\[[^\[\]]*\|[^\[\]]*\]|__[\w/*-]+?__")


def read_records(path: Path, column: str | None) -> list[Any]:
    """The records of a file: texts, or objects that name their texts. column is the one that is
    asked for; others of a parquet file are not read, as they may hold images."""
    suffix = path.suffix.lower()
    if suffix == PARQUET:
        return _parquet(path, column)
    if suffix not in _READERS and suffix != ".json":
        raise Unreadable(f"use {', '.join(_READERS)}, .json or .parquet")
    text = read_text(path)
    return _json(text, column) if suffix == ".json" else _READERS[suffix](text)


def read_wildcards(path: Path) -> list[Any]:
    """The lines of a wildcard file of Stable Diffusion web UI, without comments, which begin with
    #. A line that draws from others is refused: what it stands for is not known."""
    if path.suffix.lower() != ".txt":
        raise Unreadable("a wildcard file is a .txt")
    lines = [line.strip() for line in _lines(read_text(path))]
    for number, line in enumerate(lines, 1):
        drawn = None if line.startswith("#") else _DRAWN.search(line)
        if drawn:
            raise Unreadable(
                f"line {number} holds {drawn[0]!r}, which another tool draws from; write out a "
                "line for each of its choices"
            )
    return [line for line in lines if line and not line.startswith("#")]


def refuse_settings(text: str) -> None:
    """Raises Unreadable for a text that holds what other tools write beside a prompt."""
    setting = _SETTINGS.search(text)
    if setting:
        raise Unreadable(
            f"it holds {setting[1]!r}, which is a setting of another tool and no prompt; take it "
            "out and set negative_prompt, steps and the like on the command line"
        )


def refuse_halves(text: str) -> None:
    """Raises Unreadable for half of a surrogate pair, which JSON can write and no text can hold."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Unreadable("it holds half of a surrogate pair, which is no character; mend it")


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _txt(text: str) -> list[Any]:
    lines = _lines(text)
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#"):
            raise Unreadable(
                f"line {number} begins with #: take comments out, and put prompts that begin so "
                "in a .jsonl"
            )
    return [line for line in lines if line.strip()]


def _jsonl(text: str) -> list[Any]:
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                records.append(parse_json(line))
            except Unreadable as error:
                raise Unreadable(f"line {number}: {error}") from error
    return records


def _json(text: str, column: str | None) -> list[Any]:
    value = parse_json(text)
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise Unreadable("it holds neither a list nor an object with one")
    if value and all(isinstance(record, dict) for record in value.values()):
        return list(value.values())
    lists = {name: part for name, part in value.items() if isinstance(part, list)}
    having = [name for name, part in lists.items() if any(_has(record, column) for record in part)]
    if len(having) == 1:
        return lists[having[0]]
    raise Unreadable(
        f"{len(having) or 'none'} of its lists ({', '.join(lists) or 'it has none'}) hold records "
        f"with column {column!r}; choose a column of one"
    )


def _has(record: object, column: str | None) -> bool:
    return isinstance(record, dict) and column in record


def _csv(text: str, delimiter: str = ",") -> list[Any]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    table: list[list[str]] = []
    first = 1  # line of the next record, which may go over several
    try:
        for fields in reader:
            table.append(fields)
            first = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(
            f"line {first}: {error}; quote the field and double the quotes in it"
        ) from error
    _refuse_swallowed(text, table, delimiter)
    return _by_header([fields for fields in table if fields])


def _refuse_swallowed(text: str, table: Sequence[Sequence[str]], delimiter: str) -> None:
    """Raises Unreadable where a quote that was never meant to be closed may have swallowed lines:
    a field goes over lines, and each line of the file has as many fields as a record."""
    columns = len(table[0]) if table else 0
    spans = any("\n" in field or "\r" in field for fields in table for field in fields)
    counts = {line.count(delimiter) + 1 for line in _lines(text) if line}
    if spans and columns > 1 and counts == {columns}:
        raise Unreadable("a quote may have swallowed lines that look like records; double it")


def _tsv(text: str) -> list[Any]:
    """Most writers take quotes literally, as PartiPrompts does; spreadsheets and COCO's MLPerf file
    quote fields like a CSV. It is the second kind when a field has a tab or newline within quotes,
    so that lines have unequal numbers of fields, or when all fields that begin with a quote are
    whole quoted ones and either one doubles a quote or the header is quoted.
    """
    table = [line.split("\t") for line in _lines(text) if line]
    if len({len(fields) for fields in table}) > 1:
        return _csv(text, "\t")
    begun = [field for fields in table for field in fields if field.startswith('"')]
    doubles = any('""' in field[1:-1] for field in begun)
    named = bool(table) and all(field.startswith('"') for field in table[0])
    if (doubles or named) and all(map(_QUOTED.fullmatch, begun)):
        table = [[_unquoted(field) for field in fields] for fields in table]
    return _by_header(table)


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field


def _by_header(table: Sequence[Sequence[str]]) -> list[Any]:
    """Records of rows by the names in the first."""
    names = table[0] if table else []
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise Unreadable(f"its header names {', '.join(sorted(twice))} twice")
    for number, fields in enumerate(table[1:], 1):
        if len(fields) != len(names):
            raise Unreadable(
                f"record {number} has {len(fields)} fields and the header {len(names)}; quote "
                "what holds a delimiter"
            )
    return [dict(zip(names, fields, strict=True)) for fields in table[1:]]


def _parquet(path: Path, column: str | None) -> list[Any]:
    from pyarrow.parquet import ParquetFile

    with guarded(), ParquetFile(regular(path)) as file:
        names = file.schema_arrow.names
        if column not in names:
            return [dict.fromkeys(names)]
        records: list[Any] = file.read([column]).to_pylist()
    return records


_READERS = {".txt": _txt, ".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl, ".ndjson": _jsonl}
