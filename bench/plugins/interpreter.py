"""A metric of one's own in an interpreter of its own, as a function of this process."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, cast
from weakref import finalize

from denoisebench.bench.errors import UserError
from denoisebench.bench.plugins.runner import receive, send

_ENDS_S = 10.0  # within which an interpreter ends that nobody asks any more
# Found for this one import alone: all else there is the interpreter's own.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from denoisebench.bench.plugins.runner import main; del sys.path[0]; main(sys.argv[2])"
)


class InterpreterError(RuntimeError):
    """What a function raised in its interpreter, or how that ended."""


class Interpreter:
    """A process of another Python that runs one function; started when it is first called, and
    again after it ended."""

    def __init__(self, python: str, dotted: str):
        self._python, self._dotted = python, dotted
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def description(self) -> dict[str, Any]:
        """What it says of its function: facts of the decorator, files of the source. Raises
        UserError where it cannot be started or the module cannot be imported."""
        try:
            return self._start()
        except InterpreterError as error:
            raise UserError(f"cannot be imported by {self._python} ({error})") from error
        finally:
            self.close()

    def __call__(self, images: Any, prompts: Sequence[str]) -> Any:
        """Numbers of images, a tensor [N, 3, H, W] uint8. Raises InterpreterError."""
        if self._process is None:
            self._start()
        process = cast("subprocess.Popen[bytes]", self._process)
        content = images.cpu().contiguous().numpy().tobytes()
        request = {"shape": [*images.shape], "prompts": [*prompts]}
        try:
            send(cast(IO[bytes], process.stdin), request, content)
        except BrokenPipeError:
            raise self._ended() from None
        return self._reply()["numbers"]

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._end()
            self._process = None

    def _start(self) -> dict[str, Any]:
        root = Path(__file__).parents[3]
        command = [self._python, "-c", _BOOT, str(root), self._dotted]
        pipe = subprocess.PIPE
        self._errors = TemporaryFile()  # noqa: SIM115, _end closes it
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors)
        except OSError as error:
            self._errors.close()
            raise UserError(
                f"python={self._python}: {error.strerror}; give an interpreter"
            ) from error
        self._end = finalize(self, _end, self._process, self._errors)
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        process = cast("subprocess.Popen[bytes]", self._process)
        reply = receive(cast(IO[bytes], process.stdout))
        if reply is None:
            raise self._ended()
        if "error" in reply:
            raise InterpreterError(reply["error"])
        return reply

    def _ended(self) -> InterpreterError:
        """The error of a process that is gone, with the last that it said."""
        process, errors = (
            cast("subprocess.Popen[bytes]", self._process),
            cast(IO[bytes], self._errors),
        )
        code = process.wait(_ENDS_S)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").splitlines()
        self.close()
        return InterpreterError(
            f"{self._python} ended with {code}: {lines[-1] if lines else 'no word'}"
        )


def _end(process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
    try:
        process.wait(_ENDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    errors.close()
