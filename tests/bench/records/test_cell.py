"""The cell's key: equal content, equal key; any change, another key."""

from dataclasses import MISSING, fields, replace

import pytest

from denoisebench.bench.records.cell import Cell, Entry, digest
from tests.helpers.cells import CELL


def test_the_key_is_the_content():
    assert CELL.key == replace(CELL).key
    assert len(CELL.key) == 20


@pytest.mark.parametrize("name", [field.name for field in fields(Cell)])
def test_every_field_changes_the_key(name):
    value = getattr(CELL, name)
    other = value + 1 if isinstance(value, int | float) else value + "x"
    assert replace(CELL, **{name: other}).key != CELL.key


def test_what_is_asked_of_a_cell_names_its_status():
    entry = Entry(CELL, 8, {"fd": "estimate_fd_1"}, "latency_1")
    assert entry.status_kind == replace(entry).status_kind
    others = (
        replace(entry, samples=9),
        replace(entry, metrics={"fd": "estimate_fd_2"}),
        replace(entry, latency=""),
    )
    assert len({entry.status_kind, *(other.status_kind for other in others)}) == 4


def test_a_cell_of_defaults_has_the_key_it_had_before_there_were_other_values():
    older = {f.name: getattr(CELL, f.name) for f in fields(Cell) if f.default is MISSING}
    assert len(older) == 15
    assert CELL.key == digest(older, 20)
