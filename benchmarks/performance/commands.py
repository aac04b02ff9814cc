"""Commands run as a user runs them: in processes of their own, timed from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command took."""

    wall_s: float
    cpu_s: float  # user and system, of its children too
    inside: dict[str, Any]  # what it wrote of itself


def python(module: str, *arguments: str) -> list[str]:
    """The command line of a module of this checkout."""
    return [sys.executable, "-m", module, *arguments]


def denoisebench(*arguments: str) -> list[str]:
    """The command line of a command of denoisebench, as the console script runs it."""
    return python("denoisebench", *arguments)


def watched(file: Path, *arguments: str) -> list[str]:
    """The same with a clock inside, which writes to a file."""
    return python("benchmarks.performance.timed", str(file), *arguments)


def ran(
    command: Sequence[str],
    folder: Path,
    *,
    threads: int | None = None,
    cache: Path | None = None,
) -> Ran:
    """Runs a command from the checkout; its output goes to a log in the folder, where it may leave
    what it says of itself in inside.json. Raises RuntimeError with its last lines if it fails.

    threads: of each process, torch's choice where it is None. cache: in place of the user's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, inside = folder / "log.txt", folder / "inside.json"
    own = {"OMP_NUM_THREADS": threads, "XDG_CACHE_HOME": cache}
    environment = os.environ | {name: str(value) for name, value in own.items() if value}
    start = time.perf_counter()
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{last}")
    record = json.loads(inside.read_text()) if inside.exists() else {}
    return Ran(wall_s, usage.ru_utime + usage.ru_stime, record)
