"""`denoisebench watch` through the real command line: beside a sweep, after it, after a kill."""

import fcntl
import json
import os
import pty
import shlex
import shutil
import signal
import socket
import struct
import sys
import termios
import time
from types import SimpleNamespace

import pytest

from denoisebench.bench.commands import watch
from denoisebench.bench.records.run import load_run
from tests.helpers.cli import call, start, tiny
from tests.helpers.fake_run import fabricate
from tests.helpers.watched import files_of, going_on

GRID = ("model=gaussian", "scheduler=ddim,euler", "steps=2,3,4", "latency.timed_runs=0")
LONG = ("samples=512", "batch_size=4")  # so that it can be stopped on its way


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(watch, "_PAUSE_S", 0.05)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("watch") / "run", guidances=(4.0,)).folder


def waiting_for(condition, seconds=180):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "never happened"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_sweep_is_watched_to_its_end(tmp_path, capsys, quick):
    folder = tmp_path / "tiny"
    with start(*tiny(tmp_path, *GRID)) as sweep:
        waiting_for((folder / "progress.json").exists)
        code, out, err = call(capsys, "watch", folder)
        assert sweep.wait(120) == 0, sweep.stderr.read()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert " of 6 cells done" in lines[0]
    ended = [line for line in lines if line.startswith("[")]
    assert all("fd_pixels" in line for line in ended)
    assert lines[-1] == f"complete: `denoisebench open {folder}` shows the report"
    again = call(capsys, "watch", folder)[1].splitlines()
    assert again == ["6 of 6 cells done", lines[-1]]


@pytest.mark.slow
def test_a_killed_sweep_is_stopped_and_its_command_goes_on(tmp_path, capsys, quick):
    folder = tmp_path / "tiny"
    with start(*tiny(tmp_path, *GRID, *LONG)) as sweep:
        waiting_for(lambda: [*folder.glob("cells/*/images-*")])
        sweep.send_signal(signal.SIGKILL)
    before = files_of(folder)
    code, out, _ = call(capsys, "watch", folder)
    assert code == 0
    assert files_of(folder) == before, "who watches writes nothing"
    last = out.splitlines()[-1]
    assert last.startswith("stopped: go on with `denoisebench sweep runs=")
    words = shlex.split(last.split("`")[1])
    assert words == ["denoisebench", *tiny(tmp_path, *GRID, *LONG)]


def test_a_look_that_takes_long_is_made_seldom(monkeypatch):
    now, pauses = [0.0], []

    class Slow:
        is_remote = False
        states = iter(["running", "running", "done"])

        def look(self):
            now[0] += 0.7
            return SimpleNamespace(state=next(self.states))

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=pauses.append)
    monkeypatch.setattr(watch, "time", clock)
    slow = Slow()
    assert [sight.state for sight in watch._looks(slow, slow.look())][-1] == "done"
    assert pauses == pytest.approx([1.0, 7.0])


def test_json_is_a_line_for_each_change(finished, capsys):
    code, out, err = call(capsys, "watch", finished, "--json")
    assert (code, err) == (0, "")
    (line,) = out.splitlines()
    record = json.loads(line)
    assert (record["state"], record["done"], record["wanted"]) == ("done", 12, 12)
    assert len(record["cells"]) == 12
    assert record["cells"][0]["scores"]["fd_shapes"]["se"] > 0
    assert record["address"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{}/none",), "{}/none is not a run: it has no sweep.json"),
        (("{}/run", "--port=8000"), "--port=8000: goes with --serve"),
        (("{}/run", "--serve", "--port=x"), "--port=x: give a port, such as --port=8123"),
        (("{}/run", "--serve", "--port=70000"), "--port=70000: give one up to 65535"),
        (("{}/run", "{}/run"), "watch {}/run {}/run: name one run folder"),
        ((), "watch: name one run folder"),
    ],
)
def test_what_cannot_be_watched_is_a_line(words, message, finished, capsys):
    home = finished.parent
    code, out, err = call(capsys, "watch", *(word.format(home) for word in words))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"denoisebench: {message.format(home, home)}")


def test_a_verification_is_no_sweep(tmp_path, capsys):
    (tmp_path / "verify.html").write_text("")
    code, _, err = call(capsys, "watch", tmp_path)
    assert (code, err.count("\n")) == (2, 1)


def test_a_port_that_is_taken_is_a_line(finished, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = call(capsys, "watch", finished, "--serve", f"--port={port}")
    assert code == 2
    assert err == (
        f"denoisebench: --port={port}: it is taken; give another, or leave it out for a free one\n"
    )


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, *arguments, rows=24, columns=80, **variables):
        self.shown = b""
        self.process, self._end = pty.fork()
        if self.process == 0:
            for name in ("COLUMNS", "LINES", "NO_COLOR"):
                os.environ.pop(name, None)
            os.environ.update({"TERM": "xterm-256color", **variables})
            command = [sys.executable, "-m", "denoisebench", *map(str, arguments)]
            os.execv(sys.executable, command)
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, text):
        while text.encode() not in self.shown:
            self.shown += os.read(self._end, 65536)

    def send(self, keys):
        os.write(self._end, keys)

    def end(self):
        """All that was shown, and the exit code."""
        try:
            while part := os.read(self._end, 65536):
                self.shown += part
        except OSError:  # as Linux says that the other side is closed
            pass
        os.close(self._end)
        return self.shown.decode(), os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


@pytest.fixture
def going(finished, tmp_path):
    """A run whose last cell a sweep is at, this process."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    run = load_run(folder)
    going_on(run, ["done"] * 11 + [""], left_s=60.0)
    return run


LEAVES, SHOWS_CURSOR = "\x1b[?1049l", "\x1b[?25h"


def test_ctrl_c_ends_the_view_and_leaves_the_terminal_as_it_was(going):
    terminal = Terminal("watch", going.folder)
    terminal.read_until("11 of 12 cells done")
    terminal.read_until("the sweep goes on")
    terminal.resize(12, 50)
    terminal.send(b"\x03")
    text, code = terminal.end()
    assert code == 0
    assert "Traceback" not in text
    assert LEAVES in text
    assert text.rindex(SHOWS_CURSOR) > text.index("11 of 12")
    assert "11 of 12 cells done" in text.rpartition(LEAVES)[2], "the last view stays"


def test_the_view_ends_by_itself_and_says_what_is_next(going):
    (going.folder / "report.html").write_text("")
    terminal = Terminal("watch", going.folder)
    terminal.read_until("11 of 12 cells done")
    going_on(going, ["done"] * 12, state="done")
    text, code = terminal.end()
    assert code == 0
    last = text.rpartition(LEAVES)[2]
    assert "12 of 12 cells done" in last
    assert "complete: `denoisebench open" in last


def test_a_terminal_without_blocks_is_given_ascii(going):
    going_on(going, ["done"] * 12, state="done")
    terminal = Terminal("watch", going.folder, PYTHONIOENCODING="ascii")
    text, code = terminal.end()
    assert (code, text.isascii()) == (0, True)
    assert "12 of 12 cells done" in text
