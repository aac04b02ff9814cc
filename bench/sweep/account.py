"""What a sweep writes of itself while it runs, for those who watch it from elsewhere."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from denoisebench.bench.errors import UserError, without_passwords
from denoisebench.bench.paths import process_space
from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.progress import (
    DONE,
    RUNNING,
    STARTING,
    STOPPED,
    CellToDo,
    Progress,
    host_and_boot,
    is_dead,
    read_progress,
    write_progress,
)

_PAUSE_S = 1.0  # at least, between two writes while cells are open


@dataclass(eq=False)
class Account:
    """Keeps the progress of a run up to date. One that cannot be kept is none: nothing fails.

    It writes nothing before it is opened: another may have the run. Of two sweeps that are at one
    run, the account of the later is kept as long as that runs.
    """

    folder: Path
    command: str = ""
    _progress: Progress | None = None
    _written: float = field(default=-_PAUSE_S)  # clock

    def open(self) -> None:
        """Says that the sweep starts, whoever had the run."""
        process, (host, boot) = f"{process_space()}-{os.getpid()}", host_and_boot()
        called_in = str(Path.cwd())
        progress = Progress(process, self.command, called_in, STARTING, host=host, boot=boot)
        self._progress = progress
        self._write(progress)

    def begin(self, jobs: Sequence[Job]) -> None:
        """Says which cells are to be done now."""
        cells = tuple(
            CellToDo(job.entry.cell.key, cell_name(job.entry.asked), job.entry.samples)
            for job in jobs
        )
        if self._progress:
            begun = replace(self._progress, state=RUNNING, cells=cells, left_s=None)
            self._keep(begun, at_once=True)

    def go_on(self, left_s: float | None) -> None:
        """Says how much time is left."""
        if self._progress:
            self._keep(replace(self._progress, left_s=left_s))

    def end_cell(self, place: int, status: str, left_s: float | None) -> None:
        """Says how a cell ended. place: its own among the jobs that were begun with."""
        if self._progress:
            cells = [*self._progress.cells]
            cells[place] = replace(cells[place], status=status)
            ended = replace(self._progress, cells=tuple(cells), left_s=left_s)
            self._keep(ended, at_once=all(cell.status for cell in cells))

    def close(self, state: str) -> None:
        """Says that the sweep has ended."""
        if self._progress:
            self._keep(replace(self._progress, state=state), at_once=True)

    def _keep(self, progress: Progress, *, at_once: bool = False) -> None:
        """Writes what has changed, unless something was written a moment ago, which the next time
        makes good, or another has the run by now. All cells are written each time."""
        self._progress = progress
        if at_once or time.monotonic() - self._written >= _PAUSE_S:
            self._written = time.monotonic()
            if self._is_ours(progress.process):
                self._write(progress)

    def _is_ours(self, process: str) -> bool:
        latest = read_progress(self.folder)
        if latest is None or latest.process == process:
            return latest is not None
        return latest.state not in (STARTING, RUNNING) or is_dead(latest)

    def _write(self, progress: Progress) -> None:
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
