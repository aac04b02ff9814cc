"""How far one walks to follow the run of one cell through the files of the project: `make walk`.

A sweep of one small cell runs under a profiler, which notes every function at its first call. The
walk goes through the project's files in the order of these calls: a file is entered when the walk
comes to it first, and re-entered whenever the walk comes back after it has left. Three walks are
measured: the whole sweep; the sweep up to its report; one job in the warm process, where every
function counts at its first call since the job began.
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from importlib import import_module
from itertools import groupby, takewhile
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

NAME = "denoisebench"  # the one import name; older checkouts have bench in its place
FOLDERS = ("bench", "metrics", "reports", NAME)
CELL = (
    "experiment=tiny",
    "scheduler=ddim",
    "steps=2",
    "guidance=4",
    "latency.timed_runs=1",
    "tracking=none",
    "device=cpu",
)
JOB, REPORT = "Session.run", "report_of"  # a job's work is all between these two calls


class Call(NamedTuple):
    """The first call of a function."""

    file: str
    line: int  # of the function
    function: str  # qualified name


class Trace:
    """Profile function that keeps the first calls of a sweep, and those since its job began."""

    def __init__(self) -> None:
        self.sweep: dict[Call, None] = {}  # dictionaries for their order
        self.job: dict[Call, None] = {}
        self._in_job = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or not _is_named_function(code):
            return
        call = Call(code.co_filename, code.co_firstlineno, code.co_qualname)
        if call.function == REPORT:
            self._in_job = False
        elif call.function == JOB and call not in self.sweep:
            self._in_job = True
        self.sweep.setdefault(call)
        if self._in_job:
            self.job.setdefault(call)


def _is_named_function(code: CodeType) -> bool:
    """Whether code is of a function with a name: no module, class body, lambda or comprehension."""
    return not code.co_name.startswith("<") and bool(code.co_flags & inspect.CO_NEWLOCALS)


def main() -> int:
    """Prints the walk through a checkout, of the whole sweep and of its job."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.walk", description=__doc__)
    parser.add_argument("--checkout", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--trace", type=Path, help=argparse.SUPPRESS)  # in the process it starts
    options = parser.parse_args()
    checkout = options.checkout.resolve()
    if options.trace:
        return trace_sweep(checkout, options.trace)
    sweep, job = (of_the_project(checkout, calls) for calls in traced(checkout))
    walks = {"sweep": sweep, "up to report": up_to(REPORT, sweep), "job": job}
    print(f"{'walk':12}  functions  files entered  re-entered  sum")
    for name, calls in walks.items():
        entered, again = files_entered(calls)
        print(f"{name:12}  {len(calls):9}  {entered:13}  {again:10}  {entered + again:3}")
    return 0


def traced(checkout: Path) -> tuple[list[Call], list[Call]]:
    """First calls of a sweep and of its job, run in a process in which the checkout comes first."""
    with tempfile.TemporaryDirectory() as folder:
        trace, script = Path(folder) / "trace.json", str(Path(__file__).resolve())
        command = [sys.executable, "-P", script, f"--checkout={checkout}", f"--trace={trace}"]
        environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"the sweep of {checkout} failed:\n{done.stdout}{done.stderr}")
        sweep, job = json.loads(trace.read_text())
    return [Call(*call) for call in sweep], [Call(*call) for call in job]


def trace_sweep(checkout: Path, path: Path) -> int:
    """Sweeps one cell in this process, in the trace's folder; returns the sweep's exit code."""
    package = NAME if (checkout / NAME / "__main__.py").is_file() else "bench"
    door = import_module(f"{package}.__main__")
    sys.argv = [NAME, "sweep", *CELL, f"runs={path.parent}", "run=walk"]
    trace = Trace()
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        code = door.main()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    path.write_text(json.dumps([[*trace.sweep], [*trace.job]]))
    return int(code or 0)


def of_the_project(checkout: Path, calls: Iterable[Call]) -> list[Call]:
    """Calls of the checkout's own functions, each file by its real name, whatever link led to it.

    Raises LookupError when there is none: then another checkout was imported.
    """
    real = [call._replace(file=os.path.realpath(call.file)) for call in calls]
    roots = tuple(f"{checkout}/{folder}/" for folder in FOLDERS)
    inside = [call for call in real if call.file.startswith(roots) and call.file.endswith(".py")]
    if not inside:
        raise LookupError(f"no function of {checkout} was called")
    return list(dict.fromkeys(inside))


def up_to(function: str, calls: Iterable[Call]) -> list[Call]:
    return list(takewhile(lambda call: call.function != function, calls))


def files_entered(calls: Iterable[Call]) -> tuple[int, int]:
    """How many files the calls are in, and how often they come back to one that they have left."""
    visits = [file for file, _ in groupby(call.file for call in calls)]
    entered = len(set(visits))
    return entered, len(visits) - entered


if __name__ == "__main__":
    sys.exit(main())
