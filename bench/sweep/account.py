"""What a sweep writes of itself while it runs, for those who watch it from elsewhere."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import process_space
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.progress import (
    DONE,
    RUNNING,
    STOPPED,
    CellToDo,
    Progress,
    read_progress,
    write_progress,
)

_PAUSE_S = 1.0  # at least, between two writes of times alone


@dataclass(eq=False)
class Account:
    """Keeps the progress of a run up to date. One that cannot be kept is none: nothing fails.

    It writes nothing before a sweep has begun: another may have the run.
    """

    folder: Path
    command: str = ""
    _progress: Progress | None = None
    _written: float = field(default=-_PAUSE_S)  # clock

    def begin(self, jobs: Sequence[Job]) -> None:
        """Says which cells are to be done now."""
        cells = tuple(
            CellToDo(job.entry.cell.key, cell_name(job.entry.asked), job.entry.samples)
            for job in jobs
        )
        process = f"{process_space()}-{os.getpid()}"
        self._write(Progress(process, self.command, str(Path.cwd()), RUNNING, cells=cells))

    def go_on(self, left_s: float | None) -> None:
        """Says how much time is left, unless that was said a moment ago."""
        if self._progress and time.monotonic() - self._written >= _PAUSE_S:
            self._write(replace(self._progress, left_s=left_s))

    def end_cell(self, place: int, status: str, left_s: float | None) -> None:
        """Says how a cell ended. place: its own among the jobs that were begun with."""
        if self._progress:
            cells = [*self._progress.cells]
            cells[place] = replace(cells[place], status=status)
            self._write(replace(self._progress, cells=tuple(cells), left_s=left_s))

    def close(self, state: str) -> None:
        """Says that the sweep has ended, unless another has the run by now."""
        latest = read_progress(self.folder)
        if self._progress and latest and latest.process == self._progress.process:
            self._write(replace(self._progress, state=state))

    def _write(self, progress: Progress) -> None:
        self._progress, self._written = progress, time.monotonic()
        with suppress(OSError, UserError):
            write_progress(self.folder, progress)


@contextmanager
def accounted(folder: Path, command: str = "") -> Iterator[Account]:
    """The account of a sweep and its report; however they end, it says so.

    command: the command line that goes on; empty where a Python program calls.
    """
    account = Account(folder, without_passwords(command))
    try:
        yield account
    except BaseException:
        account.close(STOPPED)
        raise
    account.close(DONE)


def without_passwords(text: str) -> str:
    """The text with user names and passwords in addresses left out."""
    return re.sub(r"//[^/@\s]*@", "//", text)
