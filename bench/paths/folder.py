"""A folder of a file system that all who use it see, a network's too."""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import (
    FULL,
    disk_full,
    is_abandoned,
    process_space,
    write_atomically,
    writing,
)
from denoisebench.bench.paths.place import File

_READS = 5  # of a file that others replace on a network file system
_DRAFTS = (".partial", ".new")  # what killed processes leave
_LOOKS = 100  # at files that others replace again and again between a list and a read
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@dataclass(frozen=True)
class Folder:
    """Files appear by an atomic rename, or by a hard link where only one may. A process killed in
    mid-write leaves only a `.partial` or `.new` file."""

    root: Path

    @property
    def address(self) -> Path:
        return self.root

    def under(self, folder: str) -> "Folder":
        return Folder(self.root / folder)

    def prepare(self, *folders: str) -> None:
        """Makes folders; what killed processes left in those that are there is removed."""
        for path in (self.root / folder for folder in folders):
            with writing(path):
                path.mkdir(parents=True, exist_ok=True)
            _remove_drafts(path)

    def holds(self, folder: str) -> bool:
        return (self.root / folder).is_dir()

    def files(self, folder: str, pattern: str) -> list[File]:
        paths = (path for path in (self.root / folder).glob(pattern) if path.suffix != ".partial")
        files = (self._listed(path) for path in sorted(paths))
        return [file for file in files if file is not None]

    def looks(self) -> Iterable[object]:
        return range(_LOOKS)

    def mark(self, name: str) -> str:
        file = self._listed(self.root / name)
        return file.tag if file else ""

    def read(self, name: str) -> bytes | None:
        path = self.root / name
        for _ in range(_READS - 1):
            try:
                return _content(path)
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
        return _content(path)

    def read_listed(self, file: File) -> bytes | None:
        return self.read(file.name)

    def write(self, name: str, content: bytes) -> None:
        write_atomically(self.root / name, content)

    def create(self, name: str, content: bytes) -> bool:
        path, draft = self.root / name, self._neighbour(name)
        try:
            draft.write_bytes(content)
            path.hardlink_to(draft)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in FULL:
                raise disk_full(path) from error
            raise UserError(
                f"{path}: {error.strerror}; the folder must stay, on a file system that has hard "
                "links"
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        return True

    def replace(self, name: str, old: bytes, new: bytes) -> bool:
        path, aside = self.root / name, self._neighbour(name)
        try:
            path.rename(aside)  # of many who do so one gets it
            os.utime(aside)  # a draft of now, however old the lease is
        except FileNotFoundError:
            return False
        try:
            if _content(aside) == old:
                return self.create(name, new)
            with suppress(FileExistsError, FileNotFoundError):  # one made meanwhile: put back
                path.hardlink_to(aside)
            return False
        finally:
            aside.unlink(missing_ok=True)

    def move(self, name: str, to: str) -> bool:
        path = self.root / to
        path.parent.mkdir(exist_ok=True)
        try:
            (self.root / name).replace(path)
        except FileNotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        if name.endswith("/"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        else:
            (self.root / name).unlink(missing_ok=True)

    @contextmanager
    def lock(self, folder: str, *, wait: bool, shared: bool) -> Iterator[bool]:
        """Holds the file `lock` of a folder.

        A file system that has no locks holds nobody back: there, leases do.
        """
        place = self.root / folder
        self.prepare(folder)
        with (place / "lock").open("a+") as handle:  # NFS shares only what can be read
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            try:  # the system releases a lock when its process dies
                fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            yield True

    def _neighbour(self, name: str) -> Path:
        """A file that nobody else has, beside one of that name."""
        path = self.root / name
        own = f"{uuid.uuid4().hex[:8]}.{process_space()}-{os.getpid()}"
        return path.with_name(f"{path.name}.{own}.new")

    def _listed(self, path: Path) -> File | None:
        """None for what is not there, or was taken away meanwhile."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        name = path.relative_to(self.root).as_posix()
        return File(name, stat.st_size, stat.st_mtime, f"{stat.st_ino}-{stat.st_mtime_ns}")


def _content(path: Path) -> bytes | None:
    """None where nothing is. Raises OSError, ESTALE where a server replaced the file meanwhile."""
    try:  # a pipe would be waited for without end
        return path.read_bytes() if S_ISREG(path.stat().st_mode) else b""
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove_drafts(folder: Path) -> None:
    """Removes what processes left in a folder that were killed as they wrote."""
    for draft in folder.glob("*"):
        if draft.suffix in _DRAFTS and is_abandoned(draft):
            draft.unlink(missing_ok=True)
