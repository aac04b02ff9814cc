"""The real command line, called in this process or in one of its own."""

import re
import subprocess
import sys
from pathlib import Path

from denoisebench.__main__ import run

GRID = ("scheduler=ddim,heun", "steps=2,3", "guidance=1,4")


def call(capsys, *arguments):
    """Exit code, standard output and standard error of `denoisebench ARGUMENTS`."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def start(*arguments, **options):
    """`python -m denoisebench ARGUMENTS` as a process."""
    command = [sys.executable, "-m", "denoisebench", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def cells_of(line):
    """The cells of a row of a table as a program reads it."""
    return re.split(r" {2,}", line.strip())


def dry_rows(out):
    """The rows of a dry run's table: name, samples, NFE, passes; or name, samples, why not."""
    rows = [cells_of(line) for line in out.splitlines() if re.search(" steps?, ", line)]
    return [row for row in rows if len(row) > 1]


def model_at(path: object) -> tuple[str, ...]:
    """Overrides for a model of one's own that makes what the embedded ones make."""
    return (f"model.path={path}", "model.width=32", "model.height=32")


def tiny(folder: Path, *more: str) -> list[str]:
    """A sweep of one cell in a second or two: overrides in `more` win."""
    return [
        "sweep",
        f"runs={folder}",
        "run=tiny",
        "samples=8",
        "batch_size=4",
        "steps=2",
        "guidance=1",
        "metrics.reference_samples=256",
        "latency.timed_runs=1",
        "tracking=none",
        "threads=1",
        *more,
    ]
