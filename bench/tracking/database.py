"""The SQLite file that MLflow keeps runs in where no server is named, and its publishers share."""

import fcntl
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from denoisebench.bench.records.run import Run

SQLITE = "sqlite:///"


def default_uri(runs: Path) -> str:
    """The tracking URI of the SQLite file in the folder that holds the run folders."""
    path = str(runs.resolve() / "mlflow.db")
    return f"{SQLITE}{re.sub(r'[%?#]', lambda sign: quote(sign[0]), path)}"


@contextmanager
def alone(uri: str, run: Run) -> Iterator[None]:
    """One publisher at a time: per SQLite file, whose creation two would corrupt, else per run."""
    database = sqlite_path(uri)
    lock = database.with_name(f"{database.name}.lock") if database else run.folder / "tracking.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # the system releases it when the process dies
        if database:
            _use_write_ahead_log(database)
        yield


def _use_write_ahead_log(database: Path) -> None:
    """Halves the time of a write and lets a server read meanwhile; some network disks cannot."""
    connection = sqlite3.connect(database)
    try:
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def remove_stray_folder(uri: str) -> None:
    """MLflow makes the folder of the address as it is written, then uses the one that is meant."""
    database = sqlite_path(uri)
    if database and "%" in uri:
        with suppress(OSError):  # not empty, or not there
            Path(uri.partition(":///")[2]).parent.rmdir()


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite:/// URI, else None."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(unquote(match[1])).resolve() if match and match[1] != ":memory:" else None
