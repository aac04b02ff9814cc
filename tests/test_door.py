"""The door: help, unknown words, what is loaded."""

import subprocess
import sys

import pytest

from denoisebench.bench.commands.program import COMMANDS, PROGRAM
from tests.helpers.cli import call


def commands():
    context = PROGRAM.make_context("denoisebench", [], resilient_parsing=True)
    return {name: PROGRAM.get_command(context, name) for name in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_its_options_and_an_example(command, capsys):
    code, out, err = call(capsys, command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: denoisebench {command} ")
    usage, _, example = out.partition("\nExample:\n")
    assert example.startswith(f"  denoisebench {command}")
    options = [name for option in commands()[command].params for name in option.opts]
    assert [name for name in options if name.startswith("-") and name not in usage] == []
    assert call(capsys, command, "-h")[1] == call(capsys, "help", command)[1] == out


def test_help_names_every_command_with_what_it_does_whole(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in out] == []
    assert "..." not in out.partition("Commands:")[2]
    assert call(capsys) == (2, out, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_of_a_command_that_is_spelt_nearly_so_is_answered_with_it(command, capsys):
    code, out, err = call(capsys, f"{command}e")
    assert (code, out) == (2, "")
    assert err.startswith(f"denoisebench: unknown command '{command}e'; did you mean ")
    assert command in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("qqq",), "unknown command 'qqq'; known: check, compare, "),
        (("pack", "runs/demo", "--outptu=x"), "--outptu: unknown option; did you mean --output?"),
        (("pack", "runs/demo", "--output"), "--output: give it a value"),
        (("pack", "runs/demo", "-o="), "--output=: give a file"),
        (("report", "--help=3"), "--help: takes no value; give it alone"),
        (("pack", "a", "b"), "pack a b: name one run folder, such as runs/demo"),
        (("check", "--candidate=a"), "check --candidate=a: give a baseline and a candidate"),
        (("power", "runs/demo", "--last=0"), "--last=0: give a number of packs, 1 or more"),
        (("work", "runs/demo", "--wait=x"), "--wait=x: give seconds, such as --wait=600"),
        (("work", "runs/demo", "--store=x"), "--store=x: give a bucket, such as"),
        (("history", "runs/demo", "--margins="), "--margins=: give a file, or a name of"),
    ],
)
def test_a_wrong_word_is_a_line_with_its_cure(words, message, capsys):
    code, out, err = call(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"denoisebench: {message}")


@pytest.mark.parametrize("words", [("--help",), ("sweep", "--help"), ("check", "--help"), ("qqq",)])
def test_help_and_its_errors_load_no_heavy_library(words):
    code = (
        "import sys, denoisebench.__main__\n"
        f"denoisebench.__main__.run({list(words)})\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'hydra', 'mlflow', 'pandas', 'altair'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("command", ["demo", "inspect", "fetch"])
def test_a_setting_with_dashes_is_answered_with_how_to_write_it(command, capsys):
    code, _, err = call(capsys, command, "gaussian", "--steps", "2")
    assert code == 2
    assert err == "denoisebench: --steps: unknown option; write steps=2\n"
