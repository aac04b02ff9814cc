"""The door: help."""

import pytest

from tests.helpers.cli import call

COMMANDS = ("report", "compare", "pack", "check", "power", "history", "log", "list")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_is_of_that_command_alone(command, capsys):
    code, out, _ = call(capsys, command, "--help")
    assert code == 0
    assert out.startswith(f"usage: denoisebench {command} ")
    assert len(out.splitlines()) <= 4
    assert [name for name in COMMANDS if f"\n  {name} " in out] == []


def test_help_names_every_command(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert all(f"  {name} " in out for name in ("sweep", "report", "log", "list"))
