"""Files that are checked as they are read: the name of each ends with a hash of its content.

A truncated or altered file does not match its own name: it is moved aside and counts as missing.
"""

import logging
from pathlib import Path

from denoisebench.bench.paths import hash_of

_HASH_DIGITS = 16
_SETTLED = ".redone"  # after the name of a damaged file that was made again, or is not needed
ANY_HASH = "?" * _HASH_DIGITS  # in a pattern
_log = logging.getLogger(__name__)


def checked_name(stem: str, suffix: str, content: bytes) -> str:
    """What a file of that content is called."""
    return f"{stem}-{hash_of([content], _HASH_DIGITS)}{suffix}"


class CheckedFiles:
    """Reads files; the damaged ones go to a folder of their own."""

    def __init__(self, damaged: Path):
        self._damaged = damaged
        self._intact: set[tuple[Path, int, int]] = set()  # with time of change and size

    def read(self, path: Path) -> bytes | None:
        """Content of an intact file; None for one that another process took away, and for a
        damaged one, which is moved aside."""
        try:
            content = path.read_bytes()
            if path.stem.endswith(hash_of([content], _HASH_DIGITS)):
                return content
            aside = self._damaged / f"{path.parent.name}-{path.name}"
            aside.parent.mkdir(exist_ok=True)
            path.replace(aside)
        except FileNotFoundError:
            return None
        _log.warning("%s does not match its checksum: moved to %s, will be redone", path, aside)
        return None

    def is_intact(self, path: Path) -> bool:
        """Reads a file once per process, as long as it stays as it was."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return False
        mark = (path, stat.st_mtime_ns, stat.st_size)
        if mark not in self._intact and self.read(path) is not None:
            self._intact.add(mark)
        return mark in self._intact

    def set_aside(self, folder: str) -> list[str]:
        """Names of the damaged files of a folder of this name."""
        paths = sorted(self._damaged.glob(f"{folder}-*"))
        names = [path.name.removeprefix(f"{folder}-") for path in paths]
        return [name for name in names if not name.endswith(_SETTLED)]

    def settle(self, folder: str) -> None:
        """Marks the damaged files of a folder as of no more concern."""
        for name in self.set_aside(folder):
            path = self._damaged / f"{folder}-{name}"
            path.replace(path.with_name(path.name + _SETTLED))

    def newest(self, paths: list[Path]) -> bytes | None:
        """Content of the newest intact one of these."""
        contents = map(self.read, sorted(paths, key=_age))
        return next((content for content in contents if content is not None), None)


def _age(path: Path) -> float:
    """Sorts the newest first and what has just been taken away last."""
    try:
        return -path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
