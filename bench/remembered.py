"""Answers of slow functions, kept for all runs of a user.

For functions whose answer follows from their arguments, our source and the libraries alone: whether
a scheduler of diffusers fails, what a class is. Finding out imports torch and diffusers and runs
trajectories; with the answers at hand a plan is read in milliseconds.
"""

import atexit
import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import cache_folder, hash_of, write_atomically
from denoisebench.bench.paths.guarded import Unreadable, read_mapping

_MOST = 50_000  # answers in a file; beyond, it is begun anew
_FILES = 8  # files of other versions that are kept, the newest
_ABSENT = object()
Answer = TypeVar("Answer")


def remembered(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """A function of plain values that returns what JSON holds, called once per user and version.

    What it raises is not remembered.
    """

    @functools.wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Answer:
        question = json.dumps([function.__module__, function.__qualname__, args, kwargs])
        name = hash_of([question.encode()])
        known = _memory().get(name, _ABSENT)
        if known is _ABSENT:
            known = function(*args, **kwargs)
            _memory().put(name, known)
        return cast(Answer, known)

    return answer


class _Memory:
    """Answers by the hash of their question; those that are new are written as the process ends."""

    def __init__(self, path: Path):
        self._path = path
        self._known = _read(path)
        self._new: dict[str, Any] = {}

    def get(self, name: str, default: Any) -> Any:
        return self._known.get(name, default)

    def put(self, name: str, answer: Any) -> None:
        if not self._new:
            atexit.register(self.write)
        self._known[name] = self._new[name] = answer

    def write(self) -> None:
        """Adds what is new. Where it cannot be written, the next process finds out anew."""
        kept = _read(self._path)  # others may have added to it
        answers = {**(kept if len(kept) < _MOST else {}), **self._new}
        with suppress(OSError, UserError):
            write_atomically(self._path, json.dumps(answers).encode())
            files = sorted(self._path.parent.glob("*.json"), key=_age)
            for old in files[_FILES:]:
                old.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_mapping(path)
    except Unreadable:
        return {}


def _age(path: Path) -> float:
    """Sorts the newest first."""
    return -path.stat().st_mtime


@cache
def _memory() -> _Memory:
    """The answers of this version of ours and of the libraries."""
    return _Memory(cache_folder() / "answers" / f"{hash_of(_what_answers_follow_from())}.json")


def _what_answers_follow_from() -> Iterator[bytes]:
    """All libraries that are installed, with their versions, for some schedulers need one more; our
    source; and of diffusers, which some change where it is installed, sizes and times of files."""
    for root in map(Path, sys.path):
        if root.is_dir():
            yield from sorted(path.name.encode() for path in root.glob("*.dist-info"))
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        yield file.read_bytes()
    spec = find_spec("diffusers")
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in sorted(Path(folder).rglob("*.py")):
            stat = file.stat()
            yield f"{file} {stat.st_size} {stat.st_mtime_ns}".encode()
