"""The command line as a process: asked to end, or with a reader that has seen enough."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.cli import call, start, tiny
from tests.helpers.s3 import BUCKET


@pytest.mark.slow
@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_asked_to_end_says_how_to_go_on_whoever_asks(request_to_end, tmp_path):
    many = ("steps=2,3,4,5,6,7,8,9,10", "samples=64", "metrics=none", "latency.timed_runs=0")
    process = start(*tiny(tmp_path, *many))
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("tiny/cells/*/images-*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(request_to_end)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("denoisebench: stopped; the same command goes on")
    assert "Traceback" not in err


def silent_from(mark):
    """A fault of all requests from the first on whose path has a mark."""
    marked = []

    def fault(method, path, number):
        marked.extend([path] if mark in path else [])
        return "silent" if marked else ""

    return fault


@pytest.mark.long
@pytest.mark.slow
def test_a_sweep_whose_bucket_is_silent_ends_at_once_and_goes_on_later(
    server, tmp_path, monkeypatch
):
    address = f"s3://{BUCKET}/{tmp_path.name}"
    sweep = tiny(tmp_path, "metrics=none", "latency.timed_runs=0", f"store={address}")
    monkeypatch.setattr(server.faults, "silence_s", 600.0)
    server.faults.choose = silent_from("/images-")
    environment = {**os.environ, **server.environment()}
    process = start(*sweep, env=environment)
    deadline = time.monotonic() + 120
    while not server.faults.done["silent"] and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)  # the client's own patience is twice that
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("denoisebench: stopped; the same command goes on")
    server.faults.stop()
    process = start(*sweep, env=environment)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    names = server.names(f"{tmp_path.name}/")
    assert len([name for name in names if "/images-" in name]) == 2, "two batches, each once"
    assert not any(name.startswith("damaged/") for name in names)


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_while_it_loads_ends_in_a_line(request_to_end):
    process = start("list", "columns")
    time.sleep(1)
    process.send_signal(request_to_end)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode in (0, 130)


INTERRUPTED = """
import sys

class Interrupted:
    def find_spec(name, path=None, target=None):
        if name == "{module}":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted)
"""
DOORS = {
    "console script": (str(Path(sys.executable).parent / "denoisebench"),),
    "module": (sys.executable, "-m", "denoisebench"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("module", ["denoisebench.bench", "denoisebench.bench.commands.listing"])
def test_a_command_that_is_stopped_while_our_modules_load_ends_in_a_line(door, module, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED.format(module=module))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        [*DOORS[door], "list", "columns"], env=environment, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (130, "denoisebench: stopped\n")


def test_a_sweep_says_its_first_line_before_it_loads_hydra(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED.format(module="hydra"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [*DOORS["module"], "sweep", "steps=2"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (130, "reading the grid …\n")


def test_the_door_loads_nothing_before_it_can_be_stopped():
    code = (
        "import sys; before = {*sys.modules}; import denoisebench.__main__; "
        "print(*sorted({*sys.modules} - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert {*loaded.stdout.split()} <= {"denoisebench", "denoisebench.__main__", "errno"}


@pytest.mark.parametrize(
    "command", ["--help", "sweep --help", "list columns", "list columns --json"]
)
def test_a_reader_that_has_seen_enough_ends_a_command_without_a_word(command):
    program = (
        "import sys; from denoisebench.__main__ import main; "
        f"sys.argv[1:] = {command.split()!r}; main()"
    )
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **both) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) in (0, 141)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"seed={2**63}", f"seed={2**63}: must be less than {2**63}"),
        ("threads=1000000", "threads=1000000: must be less than or equal to 1024"),
    ],
)
def test_numbers_that_no_library_takes_are_refused_before_anything_runs(
    override, message, tmp_path, capsys
):
    code, _, err = call(capsys, *tiny(tmp_path, override))
    assert code == 2
    assert message in err
