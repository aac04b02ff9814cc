"""A metric in an interpreter of its own."""

import sys
import venv
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.plugins import gaussian, write

FUNCTIONS = """
    import os
    import sys

    print("a word that is no reply")

    @metric(better="higher", label="Warmth")
    def warmth(images, prompts):
        assert type(images).__module__ == "numpy"
        assert len(prompts) == len(images) and "torch" not in sys.modules
        return (images[:, 0].astype(float) - images[:, 2]).mean((1, 2))

    @metric(better="lower")
    def raises(images, prompts):
        raise ValueError("no luck")

    @metric(better="lower")
    def dies(images, prompts):
        os._exit(3)

    @metric(better="lower")
    def few(images, prompts):
        return [1]
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "own_apart.py", FUNCTIONS)


def asked_of(python, *names):
    functions = (f"{{function: 'own_apart:{name}', python: '{python}'}}" for name in names)
    return f"metrics.own=[{', '.join(functions)}]"


def row():
    return pd.read_parquet("runs/own/results.parquet").iloc[0]


@pytest.mark.slow
def test_its_numbers_are_those_of_this_interpreter(tmp_path, capsys):
    assert gaussian(capsys, asked_of(sys.executable, "warmth"))[0] == 0
    apart = row().warmth
    text = FUNCTIONS.replace("images[:, 0].astype(float)", "images[:, 0].double()")
    text = text.replace("assert", "# assert")
    write(tmp_path / "own_apart.py", text)
    assert gaussian(capsys, "metrics.own=[own_apart:warmth]")[0] == 0
    assert row().warmth == pytest.approx(apart)


@pytest.mark.slow
def test_what_fails_there_is_said_in_the_row(capsys):
    assert gaussian(capsys, asked_of(sys.executable, "raises", "dies", "few"))[0] == 1
    failed = row()
    assert failed.status == "unscored"
    for words in (
        "raises raised ValueError: no luck",
        f"dies raised {sys.executable} ended with 3",
        "few returned numbers of shape (1,) for 8 images",
    ):
        assert words in failed.message


def test_an_interpreter_that_cannot_run_it_is_said_in_a_line(tmp_path, capsys):
    code, _, err = gaussian(capsys, asked_of("/nowhere/python", "warmth"))
    assert code == 2
    assert "python=/nowhere/python: No such file or directory; give an interpreter" in err
    venv.create(tmp_path / "bare", with_pip=False)  # without NumPy, and without denoisebench
    bare = tmp_path / "bare" / "bin" / "python"
    code, _, err = gaussian(capsys, asked_of(bare, "warmth"))
    assert code == 2
    assert f"cannot be imported by {bare} (ModuleNotFoundError: No module named 'numpy')" in err
    code, _, err = gaussian(capsys, asked_of(bare, "nothing"))
    assert "has no attribute 'nothing'" in err
    assert not Path("runs").exists()
