"""The Dockerfile: what it copies is there, and its RUN lines do what they are for."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests.helpers.folders import ROOT
from tests.test_installed import SOURCES

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PREFIX, SOURCE = "/opt/denoisebench", "/opt/source"


def instructions():
    """Pairs of instruction and arguments, continued lines joined, comments left out."""
    lines = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line]


def of(kind):
    return [arguments for name, arguments in instructions() if name == kind]


def commands():
    """The shell commands of the RUN lines, without what only builders read."""
    return [re.sub(r"^(--mount=\S+\s+)+", "", arguments) for arguments in of("RUN")]


def copied():
    return [source for arguments in of("COPY") for source in arguments.split()[:-1]]


def tracked(name):
    listed = ["git", "-C", ROOT, "ls-files", "-z", name]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
    return [file for file in names.split("\0") if file]


def uv_help():
    command = [sys.executable, "-m", "uv", "pip", "install", "--help"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_it_begins_with_a_python_that_the_package_takes():
    (base,) = of("FROM")
    minor = int(re.fullmatch(r"python:3\.(\d+)-slim", base)[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">=3.{minor}"


def test_it_copies_what_a_wheel_is_made_of_and_no_more_reaches_the_builder():
    assert {*SOURCES} <= {*copied()}
    assert all(tracked(name) for name in copied())
    lines = (ROOT / ".dockerignore").read_text().split()
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == {*copied()}


def test_torch_is_for_processors_unless_a_build_argument_says_otherwise():
    assert of("ARG") == ["TORCH=cpu"]
    assert "UV_TORCH_BACKEND=${TORCH}" in " ".join(of("ENV"))
    text = uv_help()
    assert "UV_TORCH_BACKEND" in text
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    kinds = {*re.findall(r"TORCH=(\w+)", TEXT + page)}
    kinds |= {*re.findall(r"--torch-backend (\w+)", page)}
    assert kinds == {"cpu", "auto", "cu132"}
    assert all(re.search(rf"\b{kind}\b", text) for kind in kinds)


def test_its_shell_lines_are_whole_and_their_options_known():
    text = uv_help()
    for command in commands():
        subprocess.run(["bash", "-n"], input=command, text=True, check=True)
        if command.startswith("uv pip install"):
            assert [o for o in re.findall(r"--[a-z-]+", command) if o not in text] == []
    (uv,) = re.findall(r"uv==([\d.]+)", TEXT)
    assert f"UV := {uv}\n" in (ROOT / "Makefile").read_text()


def test_it_runs_our_command():
    (entry,) = of("ENTRYPOINT")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert json.loads(entry) == [*project["scripts"]]
    assert of("WORKDIR")[-1] in " ".join(of("ENV"))  # where caches may be written


@pytest.mark.long
@pytest.mark.slow
def test_its_lines_run_one_after_the_other_give_the_command(tmp_path):
    """Each line in a shell of its own, as a builder does, with the folders below another root. The
    kind of torch is the registry's, as not every one is at hand."""
    source, prefix, work = (tmp_path / name for name in ("source", "denoisebench", "work"))
    for name in copied():
        for file in tracked(name):
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, source / file, follow_symlinks=False)
    work.mkdir()
    environment = {**os.environ, "PATH": f"{prefix}/bin:{os.environ['PATH']}", "USER": "nobody"}
    environment.pop("VIRTUAL_ENV", None)

    def run(command, folder):
        shell = command.replace(PREFIX, str(prefix)).replace(SOURCE, str(source))
        done = subprocess.run(
            ["bash", "-ec", shell], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{shell}\n{done.stdout}{done.stderr}"
        return done.stdout

    outputs = [run(command, source) for command in commands()]
    assert outputs[-1].startswith("denoisebench ")
    shutil.rmtree(source)  # what is installed needs none of it
    models = run("denoisebench list models", work)
    shutil.rmtree(prefix)  # gigabytes
    assert "shapes-ddpm" in models
