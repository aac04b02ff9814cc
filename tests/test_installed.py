"""Installed from a wheel and in place, in a folder whose own packages bear our folders' names."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.helpers.cli import tiny
from tests.helpers.folders import ROOT

SOURCES = ("bench", "metrics", "reports", "conf", "denoisebench", "pyproject.toml", "README.md")
NAMESAKES = ("bench", "metrics", "reports", "conf", "tests", "zoo", "benchmarks")
SWEEP = tiny(Path("runs"), "samples=4")
GATE = """
def test_the_candidate_is_no_worse(assert_no_regression):
    assert_no_regression("runs/tiny", "runs/tiny", undecided="pass")
"""
SCRIPT = """
from denoisebench import apply, load_run, read_defaults

run = load_run("runs/tiny")
print(len(run.entries), callable(apply), callable(read_defaults))
"""


def build_wheel(folder):
    """A wheel of the files that git tracks, symbolic links kept."""
    source = folder / "source"
    listed = ["git", "-C", ROOT, "ls-files", "-z", *SOURCES]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, folder]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def wheel_python(tmp_path_factory):
    """The interpreter of an environment that holds the wheel, and sees this one's libraries."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(folder)
    venv.create(folder / "environment", symlinks=True)
    python = folder / "environment" / "bin" / "python"
    site = sysconfig.get_path("purelib", vars={"base": str(folder / "environment")})
    (Path(site) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps"]
    subprocess.run([*install, "--python", python, wheel], check=True, capture_output=True)
    return python


@pytest.fixture(params=["in place", "wheel"])
def python(request):
    """The interpreter of an installation: not resolved, or its environment would be lost."""
    return (
        Path(sys.executable)
        if request.param == "in place"
        else request.getfixturevalue("wheel_python")
    )


@pytest.fixture
def users_folder(tmp_path):
    """A project with packages of our names, which nothing may import."""
    folder = tmp_path / "project"
    for name in NAMESAKES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise RuntimeError('imported {name}')")
        (folder / f"{name}_too.py").write_text("")
    (folder / "test_gate.py").write_text(GATE)
    (folder / "use.py").write_text(SCRIPT)
    return folder


@pytest.mark.long
@pytest.mark.slow
def test_a_folder_with_packages_of_our_names_is_left_alone(python, users_folder):
    """Console script, module, pytest fixture and Python interface."""
    environment = {**os.environ, "PYTHONPATH": str(users_folder)}

    def done(*command):
        ended = subprocess.run(
            list(map(str, command)),
            cwd=users_folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    where = done(python, "-c", "import denoisebench; print(denoisebench.__file__)")
    assert where.startswith(str(ROOT)) == (python == Path(sys.executable))
    assert "nothing was generated" not in done(python.parent / "denoisebench", *SWEEP)
    assert "nothing was generated" in done(python, "-m", "denoisebench", *SWEEP)
    assert "dpmpp_2m, 32 steps, guidance 4" in done(
        python, "-m", "denoisebench", "demo", "--dry-run"
    )
    assert "1 passed" in done(python, "-m", "pytest", "-p", "no:cacheprovider", "test_gate.py")
    assert done(python, "use.py") == "1 True True\n"


def test_it_is_imported_from_the_folder_that_holds_a_checkout(python, tmp_path):
    (tmp_path / "denoisebench").symlink_to(ROOT)
    code = "from denoisebench import apply; print(callable(apply))"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_the_wheel_says_that_it_is_typed(wheel_python):
    code = "from importlib.resources import files; print(files('denoisebench') / 'py.typed')"
    found = subprocess.run([wheel_python, "-c", code], capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_file()


@pytest.mark.slow
def test_it_is_installed_from_a_git_address(tmp_path):
    """With what is committed, links between its folders among it."""
    install = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps"]
    options = ["--no-build-isolation", "--target", tmp_path / "site", f"git+file://{ROOT}"]
    subprocess.run([*install, *options], check=True, capture_output=True)
    code = "import denoisebench as db; print(db.__file__, db.UserError('read').args[0])"
    for command, word in ((["-c", code], "read"), (["-m", "denoisebench", "--help"], "sweep")):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
        )
        assert word in done.stdout, done.stderr
        assert command[0] == "-m" or done.stdout.startswith(str(tmp_path))


def test_the_version_names_libraries_and_devices():
    done = subprocess.run(
        [sys.executable, "-m", "denoisebench", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    words = [line.split()[0] for line in done.stdout.splitlines()]
    assert words[:4] == ["denoisebench", "Python", "torch", "diffusers"]
    assert set(words[4:]) == {"device"}
    assert "device cpu" in done.stdout
