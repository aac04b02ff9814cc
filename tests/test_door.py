"""The door: help."""

import pytest

from tests.helpers.cli import call


@pytest.mark.parametrize("command", ["check", "pack", "power", "history", "report", "list"])
def test_each_command_has_the_help(command, capsys):
    code, out, _ = call(capsys, command, "--help")
    assert code == 0
    assert "usage: denoisebench" in out


def test_help_names_every_command(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(f"  {name} " in out for name in ("sweep", "report", "log", "list"))
