"""Configs of the user's own that are none: one line, at once, and nothing of them is run."""

import os

import numpy as np
import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.defaults_file import read_file
from denoisebench.bench.settings.margins import margins_settings
from tests.helpers.cli import call
from tests.helpers.fuzz import complaint, damaged

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
BROKEN = {
    "syntax": (b"a: [1,\n b: }", "expected the node content"),
    "zero": (b"a: \0", "it holds zero bytes"),
    "latin": (b"a: \xff\xe4", "it is not UTF-8"),
    "twice": (b"name: a\nname: b\n", "the key name stands twice"),
    "deep": (b"a: " + b"[" * 5000 + b"]" * 5000, "it is nested too deep"),
    "deeper": (b"{a: " * 80 + b"1" + b"}" * 80, "more than 64 levels deep"),
    "itself": (b"a: &a\n  b: *a", "more than 64 levels deep"),
    "bomb": (BOMB.encode(), "it holds more than 100,000 values"),
    "code": (b"a: !!python/object/apply:os.mkdir [OWNED]", "could not determine a constructor"),
    "list": (b"- 1", "holds no settings KEY: VALUE"),
    "word": (b"hello", "holds no settings KEY: VALUE"),
}
UNFIT = {
    "circle": ("defaults: [mine]", "configs name each other in a circle"),
    "defaults": ("defaults: abc", "defaults must be a list"),
    "package": ("# @package nope nope\na: 1", "Too many components"),
    "reference": ("name: ${nope.x}", "Interpolation key 'nope.x' not found"),
    "half": ("name: ${", "denoisebench: "),
    "key": ("? \n: 2", "denoisebench: "),
    "set": ("a: !!set {x, y}", "denoisebench: "),
}


def sweep(capsys, folder, content):
    (folder / "prompts").mkdir()
    (folder / "prompts" / "mine.yaml").write_bytes(content)
    options = (f"--config-dir={folder}", "dry_run=true", "metrics=none", f"runs={folder}/runs")
    return call(capsys, "sweep", "prompts=mine", *options)


@pytest.mark.parametrize("name", BROKEN)
def test_a_config_that_cannot_be_read_is_named_in_a_line(name, tmp_path, capsys):
    content, message = BROKEN[name]
    content = content.replace(b"OWNED", str(tmp_path / "owned").encode())
    code, _, err = sweep(capsys, tmp_path, content)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert err.startswith(f"denoisebench: {tmp_path / 'prompts' / 'mine.yaml'} ")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", UNFIT)
def test_a_config_that_cannot_be_composed_is_said_in_a_line(name, tmp_path, capsys):
    content, message = UNFIT[name]
    code, _, err = sweep(capsys, tmp_path, content.encode())
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert len(err) > len("denoisebench: \n")


def test_a_pipe_that_is_called_a_config_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "x.yaml")
    code, _, err = sweep(capsys, tmp_path, b"name: a")
    assert code == 2
    assert "it is a pipe, no file" in err


def test_margins_that_are_none_are_one_clear_line(tmp_path):
    path = tmp_path / "m.yaml"
    for content, _ in BROKEN.values():
        path.write_bytes(content)
        assert len(complaint(lambda: margins_settings(str(path)), UserError)) == 1
    path.write_text("name: m\ngating: " + "[" * 3000)
    assert len(complaint(lambda: margins_settings(str(path)), UserError)) == 1


def test_damage_of_margins_and_defaults_is_read_or_refused(tmp_path):
    draws = np.random.default_rng(0)
    whole = b"schema: 1\ndefaults:\n- {model: a, call: {steps: [1, 2, &a x, *a]}}\n"
    path = tmp_path / "x.yaml"
    for _ in range(300):
        path.write_bytes(damaged(whole, draws))
        complaint(lambda: margins_settings(str(path)), UserError)
        complaint(lambda: read_file(path), (ValueError, KeyError, TypeError))


@pytest.mark.parametrize("flag", ["--config-dir={}", "hydra.searchpath=[file://{}]"])
def test_a_folder_that_is_not_there_is_refused_in_a_line(flag, tmp_path, capsys):
    absent = tmp_path / "absent"
    code, _, err = call(capsys, "sweep", flag.format(absent), "--dry-run", "metrics=none")
    assert code == 2
    cure = "there is no such folder of configs; give one that holds GROUP/NAME.yaml"
    assert err == f"denoisebench: {absent}: {cure}\n"
