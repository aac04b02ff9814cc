"""The command line: `denoisebench …` and `python -m denoisebench …`.

Here alone the process is set up for the libraries, before any of them is loaded: who imports
denoisebench from Python gets none of it. Whatever takes time is imported within `main`, where a
request to end is answered in a line: before, Python would answer with a traceback.
"""

import errno
import os
import sys

# Hydra finds launchers only under a package named hydra_plugins; ours is a portion of it.
sys.path.append(os.path.join(os.path.dirname(__file__), "bench", "_plugins"))  # noqa: PTH118, PTH120
# What is set already wins.
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it has a thread of its own

# A disk that is full, a folder that is a file or may not be written: no fault of the program.
_USERS_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
}

_HYDRA = {"sweep", "verify"}  # have a help of their own

USAGE = """usage: denoisebench COMMAND …

  sweep [KEY=VALUE …]      run a sweep; lists sweep: scheduler=ddim,euler steps=2,4 guidance=1,4
                           experiment=demo is ready-made; --dry-run prints the grid
  verify [KEY=VALUE …]     measure schedulers against closed-form truth: scheduler=all or names
  report RUN               write results, figures, defaults and page again, from the store alone
  compare RUN A B          the paired difference of two cells by every metric; A and B are settings:
                           compare runs/demo scheduler=ddim,steps=8,guidance=4 \\
                               scheduler=ddim,steps=32,guidance=4
  pack RUN [-o FILE]       what a later check needs of a run, in one file
  check --baseline B --candidate C [--margins NAME] [--undecided=fail|pass] [--out FOLDER]
        [--last=K] [--tracking=URI]
                           did quality or speed get worse? B and C are runs, packs, a folder of
                           packs, runs:/ID or models:/NAME@ALIAS in MLflow; commas join several
  power RUN [--margins NAME]
                           the smallest loss beyond the margin that so many samples would find
  history PACK PACK … [--margins NAME] [--out FOLDER]
                           where a series of packs, or a folder of them, took a step; figures
  log RUN [KEY=VALUE …]    publish a run to MLflow again; tracking.uri=… chooses where
  work RUN [--wait=SECONDS] [--store=s3://BUCKET/PREFIX]
                           help a sweep that was started with workers=N, from any machine that
                           sees its folder, or its store, where that is a bucket; --wait: until
                           one is planned there
  list WHAT                models | schedulers | tasks | metrics | margins | prompts |
                           experiments | columns | runs
  --version                of denoisebench, Python, torch and diffusers, and the devices there are

RUN is a folder such as runs/demo. Exit codes: 0 done, 1 a cell failed or
a scheduler deviates or something got worse, 2 usage error, 3 a check is undecided."""


def usage_of(command: str) -> str:
    """The lines of USAGE that are the command's."""
    import re

    (lines,) = re.findall(rf"^  ({command} .*(?:\n {{4}}.*)*)", USAGE, re.MULTILINE)
    return f"usage: denoisebench {lines}"


def main() -> None:
    """Console entry point. A request to end is answered like Ctrl-C, and a reader that has seen
    enough, as `head` has, ends the command without a word."""
    try:
        import signal

        signal.signal(signal.SIGTERM, signal.default_int_handler)
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left goes nowhere
        code = 141  # as the shell calls it
    except KeyboardInterrupt:  # outside a command: while its libraries are imported
        code = _complain("stopped", code=130)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code; a user's error is a clear message and code 2."""
    from denoisebench.bench.commands import (
        check,
        console,
        listing,
        log,
        report,
        sweep,
        verify,
        work,
    )
    from denoisebench.bench.errors import UserError

    known = {
        "sweep": sweep.sweep,
        "verify": verify.verify,
        "report": report.report,
        "compare": report.compare,
        "pack": check.pack,
        "check": check.check,
        "power": check.power,
        "history": check.history,
        "log": log.log,
        "work": work.work,
        "list": listing.show,
    }
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if arguments else 2
    name, rest = arguments[0], arguments[1:]
    if name in known.keys() - _HYDRA and {"-h", "--help"} & {*rest}:
        print(usage_of(name))
        return 0
    if name == "--version":
        print(console.versions())
        return 0
    if name not in known:
        if "=" not in name and not name.startswith("-"):
            return _complain(f"unknown command {name!r}; use one of {', '.join(known)}")
        name, rest = "sweep", arguments  # denoisebench -m model=… is Hydra's own way to call
    try:
        return known[name](rest)
    except UserError as error:
        return _complain(str(error))
    except OSError as error:
        if error.errno not in _USERS_ERRORS:
            raise
        return _complain(f"{error.filename}: {error.strerror}; mend that or choose another folder")
    except KeyboardInterrupt:
        kept = (
            "; the same command goes on where it stopped, `denoisebench report RUN` shows what is "
            "done"
        )
        return _complain("stopped" + (kept if name == "sweep" else ""), code=130)


def _complain(message: str, code: int = 2) -> int:
    for line in message.splitlines():
        print(f"denoisebench: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
