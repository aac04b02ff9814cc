"""What a sweep shows on a terminal while it runs."""

import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import pytest

from denoisebench.bench.sweep.live_curves import LiveCurves
from denoisebench.bench.sweep.terminal_text import in_ascii
from tests.helpers.fake_run import fabricate


def test_curves_show_the_scores_that_are_there(tmp_path):
    run = fabricate(tmp_path / "run", steps=(2, 4, 8), failed=[("heun", 8)])
    jobs = [SimpleNamespace(entry=entry, margins=run.margins) for entry in run.entries]
    title, *lines = LiveCurves(jobs, run.store).lines(30, is_ascii=False)
    assert "along 2, 4, 8 steps" in title
    heun = next(line for line in lines if "heun" in line)
    assert "· " in heun  # the cell that failed has no score
    assert heun.endswith("at 4 steps")
    low = LiveCurves(jobs, run.store).lines(6, is_ascii=True)
    assert low[-1] == f"and {len(lines) - 1} more"


def test_nothing_is_drawn_before_there_is_a_score(tmp_path):
    assert LiveCurves([], fabricate(tmp_path / "run").store).lines(30, is_ascii=False) == []


@pytest.mark.long
@pytest.mark.slow
def test_a_sweep_on_a_terminal_draws_its_curves_below_the_bar(tmp_path):
    shown = on_terminal(
        *(sys.executable, "-m", "denoisebench", "sweep", "model=mixture", "scheduler=ddim,euler"),
        *("steps=2,8", "samples=64", "batch_size=8", "latency.timed_runs=0", "tracking=none"),
        f"runs={tmp_path}",
    )
    views = shown.split("\x1b[2K")  # rich clears the last view before it draws the next
    last = next(view for view in reversed(views) if "4/4" in view)
    assert "along 2, 8 steps" in last
    rows = [line for line in last.splitlines() if line.startswith(("guidance 1, ddim", "guidance"))]
    assert [row.split()[2] for row in rows] == ["ddim", "euler"]
    assert all(set(row.split()[3]) <= set("▁▂▃▄▅▆▇█") and len(row.split()[3]) == 2 for row in rows)
    assert "images a second" in shown


def on_terminal(*command):
    """What a command prints on a terminal of 24 x 80."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # Linux: the other side has closed
        pass
    assert process.wait(60) == 0, b"".join(parts).decode(errors="replace")
    return b"".join(parts).decode()


def test_text_for_a_plain_terminal_has_no_other_letters():
    assert in_ascii("Fréchet 1 ± 2 …").isascii()
