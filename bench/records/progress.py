"""How far a sweep is: progress.json of its run's folder. The sweep writes it whole, again and
again; who watches reads it. What was made lies in the store, not here.
"""

import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from denoisebench.bench.paths import hash_of, is_running, process_space, write_atomically
from denoisebench.bench.paths.guarded import Unreadable, read_mapping

SCHEMA = 1
_NAME = "progress.json"
# States of a sweep. One that starts has the run, and looks at what the store lacks.
STARTING, RUNNING, DONE, STOPPED = "starting", "running", "done", "stopped"


@dataclass(frozen=True)
class CellToDo:
    """A cell of which something was missing when the sweep looked: in a race, at this rung."""

    key: str
    name: str  # such as `ddim, 8 steps, guidance 4`
    samples: int
    status: str = ""  # how it ended; empty until it has


@dataclass(frozen=True)
class Progress:
    """What a sweep says of itself."""

    process: str  # its machine as process_space names it, a dash, and its number there
    command: str  # the command line that goes on; empty where a Python program called
    folder: str  # where it was called
    state: str = RUNNING
    cells: tuple[CellToDo, ...] = ()  # in the order they are begun
    left_s: float | None = None  # time left, as measured; None before a cell is finished
    host: str = ""  # name of its machine
    boot: str = ""  # which boot of that machine; empty where that is not known


def write_progress(folder: Path, progress: Progress) -> None:
    """Replaces the progress of a run. Raises UserError for a disk that is full or closed."""
    record = {"schema": SCHEMA, **asdict(progress)}
    write_atomically(folder / _NAME, json.dumps(record, indent=1).encode())


def age_s(folder: Path) -> float | None:
    """Seconds since a run's progress was written, as the clock of this machine has them; None where
    it is gone."""
    try:
        return max(time.time() - (folder / _NAME).stat().st_mtime, 0.0)
    except OSError:
        return None


def is_dead(progress: Progress) -> bool:
    """Whether the process of a sweep has ended for sure: it ran on this machine and is no more, or
    the machine was started again since."""
    space, _, number = progress.process.rpartition("-")
    if space == process_space() and number.isdecimal():
        return not is_running(int(number))
    host, boot = host_and_boot()
    return all((host, boot, progress.boot)) and progress.host == host and progress.boot != boot


def host_and_boot() -> tuple[str, str]:
    """The name of this machine, and which boot of it this is; empty where that is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return platform.node(), ""
    return platform.node(), hash_of([boot], 8)


def read_progress(folder: Path) -> Progress | None:
    """The progress of a run; None where none is kept, or another version keeps it."""
    try:
        record = read_mapping(folder / _NAME)
        if record.pop("schema") != SCHEMA:
            return None
        cells = tuple(CellToDo(**cell) for cell in record.pop("cells"))
        return Progress(**record, cells=cells)
    except (Unreadable, KeyError, TypeError):
        return None
