"""Is anything lost or wrong when processes are killed or paused at any point? `make chaos`.

A small grid is swept again and again, each time in a new folder, by processes that are killed
(SIGKILL) at seeded random points until one comes to the end. What is stored then must be what an
undisturbed sweep stores, file by file: names of files end with a hash of what they hold. In the
second part a driver and four workers share the folder; one of them at a time is killed and started
again, or paused for longer than the others' patience, so that its lease is taken while it writes.

Processes are forked from one that has loaded the libraries, so that kills fall into the work and
not into imports; each runs the commands as the command line does. Each sweep has random numbers of
its own, and what was done is written after each: the same command goes on from there.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from denoisebench.__main__ import run
from denoisebench.bench.machine import environment
from denoisebench.bench.paths import write_atomically
from denoisebench.bench.queue import leases

GRID = (
    "sweep",
    "model=gaussian",
    "scheduler=ddim,euler",
    "steps=4,8",
    "guidance=1,3",
    "samples=64",
    "batch_size=8",
    "latency.timed_runs=0",
    "tracking=none",
    "threads=1",
    "run=chaos",
)
WORKERS = 4
PATIENCE_S = 1.0  # of leases in the second part
STORED = (
    "cell-",
    "images-",
    "cost-",
    "grid-",
    "vendor-",
    "flat-",
    "features_",
    "estimate_",
    "status_",
)
KILL_WORKER, KILL_DRIVER, PAUSE = "worker killed", "driver killed", "worker paused"


@dataclass
class Tally:
    """What was done to sweeps, and what was wrong with what they left."""

    file: Path
    sweeps: int = 0
    done_to: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    pieces: int = 0  # that workers said they made
    doubled: int = 0  # of them, such as had been made

    @classmethod
    def read(cls, file: Path) -> "Tally":
        """What a file says, or an empty one."""
        if not file.exists():
            return cls(file)
        record = json.loads(file.read_text())
        return cls(file, **{**record, "done_to": Counter(record["done_to"])})

    @property
    def record(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "file"}

    @property
    def kills(self) -> int:
        return sum(self.done_to.values())

    def count_pieces(self, log: str) -> None:
        """Counts what workers said they made."""
        made = Counter(line for line in log.splitlines() if ": samples " in line)
        self.pieces += made.total()
        self.doubled += made.total() - len(made)


def _load() -> None:
    """Imports what sweeps and reports use, for all that is forked. Nothing is drawn here: the
    library that draws has threads, which a fork would lose."""
    import denoisebench.bench.models.closed_form
    import denoisebench.bench.score.scorer
    import denoisebench.reports.report  # noqa: F401

    with contextlib.redirect_stdout(None):
        run([*GRID, "--dry-run"])


def forked(arguments: Sequence[str], log: Path) -> int:
    """The number of a process that runs a command; its exit code is the command's."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        with log.open("a") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            code = run([*arguments])
    finally:
        os._exit(code)


def ended(process: int) -> int | None:
    """Exit code of a process, negative for the signal that ended it; None while it runs."""
    number, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if number else None


def stored(folder: Path) -> set[str]:
    """What the sweep in a runs folder stored: names that end with hashes, and the table."""
    paths = (folder / "chaos" / "cells").rglob("*")
    names = {f"{p.parent.name}/{p.name}" for p in paths if p.name.startswith(STORED)}
    return names | {(folder / "chaos" / "results.csv").read_text()}


def left_over(folder: Path) -> list[str]:
    """Half-written files, and what was found to be damaged."""
    partials = [*folder.rglob("*.partial")]
    return [str(path.relative_to(folder)) for path in [*partials, *folder.rglob("damaged/*")]]


def problems(folder: Path, whole: set[str]) -> list[str]:
    """What is wrong with what a disturbed sweep left."""
    now = stored(folder)
    lost, more = whole - now, now - whole
    return [
        *(f"lost: {name[:80]}" for name in sorted(lost)),
        *(f"more: {name[:80]}" for name in sorted(more)),
        *(f"left over: {name}" for name in left_over(folder)),
    ]


def alone(folder: Path, kills: int, *, whole: set[str], seconds: float, seed: int) -> Tally:
    """Kills one process again and again. seconds: that a sweep takes undisturbed."""
    tally = Tally.read(folder / "alone.json")
    while tally.kills < kills:
        rng, place = random.Random(f"{seed} {tally.sweeps}"), folder / f"alone-{tally.sweeps}"
        shutil.rmtree(place, ignore_errors=True)
        while True:
            process = forked([*GRID, f"runs={place}"], folder / "log.txt")
            code = _after(process, rng.uniform(0, seconds))
            if code is not None:
                break
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            tally.done_to["process killed"] += 1
        _judge(tally, place, code, whole=whole)
    return tally


def _after(process: int, seconds: float) -> int | None:
    """The exit code, if the process comes to its end in that time."""
    until = time.monotonic() + seconds
    while (code := ended(process)) is None and time.monotonic() < until:
        time.sleep(0.002)
    return code


def _judge(tally: Tally, place: Path, code: int, *, whole: set[str]) -> None:
    tally.sweeps += 1
    wrong = [f"exit code {code}"] if code else problems(place, whole)
    tally.wrong += [f"{place.name}: {problem}" for problem in wrong]
    write_atomically(tally.file, json.dumps(tally.record).encode())
    if not wrong:
        shutil.rmtree(place)


class Crowd:
    """A driver and its workers, one of whom is disturbed at a time."""

    def __init__(self, place: Path, log: Path):
        self._place, self._log = place, log
        self._members: list[int] = [self._drive(), *(self._work() for _ in range(WORKERS))]
        self._codes: dict[int, int] = {}  # of processes that came to their end, by number

    def disturb(self, rng: random.Random) -> str:
        """Kills or pauses somebody; returns what was done, nothing to one who had ended."""
        act = rng.choice((KILL_WORKER, KILL_WORKER, KILL_DRIVER, PAUSE))
        place = 0 if act == KILL_DRIVER else 1 + rng.randrange(WORKERS)
        process = self._members[place]
        if not self._is_alive(process):
            return ""
        if act == PAUSE:
            os.kill(process, signal.SIGSTOP)
            time.sleep(2 * PATIENCE_S)
            os.kill(process, signal.SIGCONT)
        else:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            self._members[place] = self._drive() if act == KILL_DRIVER else self._work()
        return act

    def end(self) -> list[int]:
        """Exit codes of all, once they have come to their ends."""
        for process in self._members:
            if process not in self._codes:
                self._codes[process] = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return [*self._codes.values()]

    def _is_alive(self, process: int) -> bool:
        if process not in self._codes and (code := ended(process)) is not None:
            self._codes[process] = code
        return process not in self._codes

    def _drive(self) -> int:
        return forked([*GRID, f"runs={self._place}", "workers=0"], self._log)

    def _work(self) -> int:
        return forked(["work", str(self._place / "chaos"), "--wait=10"], self._log)


def shared(folder: Path, kills: int, *, whole: set[str], seconds: float, seed: int) -> Tally:
    """Disturbs sweeps that several processes share, a few times each."""
    tally = Tally.read(folder / "shared.json")
    leases.PATIENCE_S = PATIENCE_S
    while tally.kills < kills:
        rng, place = random.Random(f"{seed} {tally.sweeps}"), folder / f"shared-{tally.sweeps}"
        log = folder / f"shared-{tally.sweeps}.log"
        for old in (place, log):
            shutil.rmtree(old, ignore_errors=True)
        log.write_text("")
        crowd = Crowd(place, log)
        for _ in range(min(rng.randint(1, 4), kills - tally.kills)):
            time.sleep(rng.uniform(0, seconds / 2))
            act = crowd.disturb(rng)
            tally.done_to.update([act] if act else [])
        codes = crowd.end()
        tally.count_pieces(log.read_text())
        _judge(tally, place, max(codes, key=abs), whole=whole)
    return tally


def table(tallies: dict[str, Tally]) -> str:
    lines = ["| part | sweeps | disturbed | pieces made twice | what was wrong |"]
    lines.append("|---|--:|---|---|---|")
    for part, tally in tallies.items():
        done_to = ", ".join(f"{count} x {act}" for act, count in sorted(tally.done_to.items()))
        wrong = "; ".join(tally.wrong) or "nothing"
        twice = f"{tally.doubled} of {tally.pieces:,}" if tally.pieces else "not counted"
        lines.append(f"| {part} | {tally.sweeps} | {done_to} | {twice} | {wrong} |")
    return "\n".join(lines)


def undisturbed(folder: Path) -> tuple[set[str], float]:
    """What a sweep stores that nobody disturbs, and the seconds that it takes."""
    shutil.rmtree(folder / "whole", ignore_errors=True)
    start = time.monotonic()
    process = forked([*GRID, f"runs={folder / 'whole'}"], folder / "log.txt")
    _, status = os.waitpid(process, 0)
    assert not status, (folder / "log.txt").read_text()
    return stored(folder / "whole"), time.monotonic() - start


def main(folder: Path, kills_alone: int, kills_shared: int, *, seed: int = 0) -> int:
    """Number of things that were wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    _load()
    whole, seconds = undisturbed(folder)
    given = {"whole": whole, "seconds": seconds, "seed": seed}
    tallies = {
        "one process": alone(folder, kills_alone, **given),
        f"a driver and {WORKERS} workers": shared(folder, kills_shared, **given),
    }
    print(table(tallies))
    record = {"seconds": seconds, "seed": seed, "environment": environment()}
    record |= {"parts": {part: tally.record for part, tally in tallies.items()}}
    write_atomically(folder / "chaos.json", json.dumps(record, indent=1).encode())
    return sum(len(tally.wrong) for tally in tallies.values())


if __name__ == "__main__":
    sys.exit(bool(main(Path(sys.argv[1]), *map(int, sys.argv[2:4]))))
