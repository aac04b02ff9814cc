"""Runs that seem to be in the making, for tests of those who watch."""

import os
import subprocess
import sys

from denoisebench.bench.paths import process_space
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.progress import CellToDo, Progress, write_progress

COMMAND = "denoisebench sweep model=gaussian run=tiny"


def here(number=None):
    """A process of this machine as progress names it: this one, or that of the number."""
    return f"{process_space()}-{number or os.getpid()}"


def dead():
    """A process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return here(process.pid)


def going_on(run, statuses, *, process="", state="running", left_s=None):
    """Says of a run that a sweep is at it. statuses: of its cells in order, empty for open ones."""
    cells = tuple(
        CellToDo(entry.cell.key, cell_name(entry.asked), entry.samples, status)
        for entry, status in zip(run.entries, statuses, strict=True)
    )
    progress = Progress(process or here(), COMMAND, "/elsewhere", state, cells, left_s)
    write_progress(run.folder, progress)


def files_of(folder):
    """Everything below a folder with its content."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
