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
    from denoisebench.bench.commands.program import call
    from denoisebench.bench.errors import UserError

    try:
        return call(arguments)
    except UserError as error:
        return _complain(str(error))
    except OSError as error:
        if error.errno not in _USERS_ERRORS:
            raise
        return _complain(f"{error.filename}: {error.strerror}; mend that or choose another folder")
    except KeyboardInterrupt as stop:  # a command may say what is kept
        return _complain("; ".join(["stopped", *map(str, stop.args)]), code=130)


def _complain(message: str, code: int = 2) -> int:
    for line in message.splitlines():
        print(f"denoisebench: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
