"""The terminal that commands write to."""

import re

import pytest
from rich.console import Group
from rich.table import Table

from denoisebench.bench.commands.console import terminal
from tests.helpers.cli import call, cells_of, tiny

FRAMES = re.compile("[\u2500-\u257f]")
ROWS = [("a", "word " * 40), ("longer", "short")]


def printed(capsys):
    table = Table("name", "what", title="some", caption="that is all")
    for row in ROWS:
        table.add_row(*row)
    terminal().print(Group(table, table))
    return capsys.readouterr().out


def test_a_table_that_a_program_reads_has_no_frame_and_a_line_each_row(capsys):
    lines = printed(capsys).splitlines()
    assert not FRAMES.search("".join(lines))
    rows = [cells_of(line) for line in lines]
    assert rows[:5] == [
        ["some"],
        ["name", "what"],
        *([a, b.strip()] for a, b in ROWS),
        ["that is all"],
    ]


def test_columns_bounds_the_width(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    lines = printed(capsys).splitlines()
    assert max(map(len, lines)) <= 50
    assert len(lines) > 12


def test_a_terminal_has_frames(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    assert FRAMES.search(printed(capsys))


@pytest.mark.slow
def test_a_warning_that_names_the_override_is_not_said_again_at_the_end(tmp_path, capsys):
    code, out, _ = call(capsys, *tiny(tmp_path, "steps=2,3", "samples=4"))
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == ["reading the grid …", "checking 2 cells: schedulers, models, metrics …"]
    assert len([line for line in lines if "timestep_spacing=trailing" in line]) == 1
    assert "loading shapes-ddpm for 2 cells …" in lines
    assert lines[-2].startswith("answer: shapes-ddpm: nothing is proven yet")
    assert lines[-1] == f"report: {tmp_path / 'tiny' / 'report.html'}"
    page = (tmp_path / "tiny" / "report.html").read_text()
    assert page.count("timestep_spacing=trailing") == 1
    again = call(capsys, *tiny(tmp_path, "steps=2,3", "samples=4"))[1]
    assert "loading" not in again
