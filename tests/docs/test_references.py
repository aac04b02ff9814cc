"""docs/references.md has the tables of the code."""

from pathlib import Path

from benchmarks.reference_tables import tables

PAGE = Path(__file__).parents[2] / "docs" / "references.md"


def test_the_tables_are_those_of_the_code():
    page = PAGE.read_text(encoding="utf-8")
    for target, table in tables().items():
        begin, end = (f"<!-- make {target}: {side} -->" for side in ("begin", "end"))
        assert page.partition(begin)[2].partition(end)[0].strip() == table, "make references"
