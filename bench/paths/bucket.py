"""A bucket of S3, or of a server that speaks its protocol, below a prefix: `s3://BUCKET/PREFIX`.

A claim is a conditional put, and nothing is renamed. What was put can be read at once; a list may
be behind by LAG_S. Of files that never change a copy is kept for all runs of a user, and checked by
the hash in its name whenever it is read.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from operator import attrgetter
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import cache_folder, write_atomically
from denoisebench.bench.paths.place import File, is_intact
from denoisebench.bench.paths.s3 import AT_FIRST, PATIENT, answered, client_of, parts_of

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode
    from obstore.store import S3Store

LAG_S = 10.0  # that a list may be behind
LEAVING_S = 1.0  # that each request may take after Ctrl-C
T = TypeVar("T")
_LIST_KEPT_S = 1.0
_LOOK_AGAIN_S = 0.5
_PUTS = 3  # of one that is torn, or under a condition and takes too long
_COPIES = "objects"  # folder of copies in the user's cache
MOST_COPIES = 20 * 2**30  # bytes that it has when a process opens a bucket
_LASTING = ".safetensors"  # of files that are large, and stay; records are small, and are replaced


def open_bucket(address: str) -> "Bucket":
    """The place at an address. Raises UserError where there is none, or it is closed to us."""
    bucket, prefix = parts_of(address)
    place = Bucket(address.rstrip("/"), prefix, Names(client_of(bucket, AT_FIRST)))
    place.holds("")
    _drop_old_copies()
    names = _names(bucket, os.environ.get("AWS_ENDPOINT_URL", ""))
    names.is_left.clear()
    return replace(place, names=names)


@cache
def _names(bucket: str, endpoint: str) -> "Names":
    """One of each in a process: it knows what the process has put there."""
    return Names(client_of(bucket, PATIENT))


@dataclass(frozen=True, eq=False)
class Names:
    """Names in a bucket: as they are, as they were listed a moment ago, and those that this process
    has just put, which lists may lack. Here they are keys, which begin at the bucket."""

    client: "S3Store"
    _put: dict[str, tuple[float, File]] = field(default_factory=dict)  # when, and what
    _last: dict[str, tuple[float, list[File]]] = field(default_factory=dict)  # one list
    is_left: Event = field(default_factory=Event)  # set by Ctrl-C while the server was asked

    def below(self, folder: str) -> list[File]:
        files, above = self._listed(folder), f"{folder}/" if folder else ""
        listed = {file.name for file in files}
        since = time.monotonic() - LAG_S
        for key, (moment, file) in [*self._put.items()]:
            if moment < since:
                self._put.pop(key, None)
            elif key not in listed and key.startswith(above):
                files = [*files, file]
        return files

    def add(self, file: File) -> None:
        self._put[file.name] = time.monotonic(), file
        self._last.clear()

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._put.pop(key, None)
        self._last.clear()

    def _listed(self, folder: str) -> list[File]:
        """Files of a cell are asked for one by one: a list serves for a moment."""
        now = time.monotonic()
        moment, files = self._last.get(folder, (-math.inf, []))
        if now - moment > _LIST_KEPT_S:
            files = [*map(_file, self.client.list(folder).collect())]
            self._last.clear()
            self._last[folder] = now, files
        return files


def _file(meta: "ObjectMeta") -> File:
    changed, tag = meta["last_modified"].timestamp(), meta["e_tag"] or ""
    return File(meta["path"], meta["size"], changed, tag)


@dataclass(frozen=True, eq=False)
class Bucket:
    """Objects below a prefix."""

    address: str
    prefix: str
    names: Names

    def under(self, folder: str) -> "Bucket":
        address, prefix = f"{self.address}/{folder}", f"{self.prefix}/{folder}".strip("/")
        return Bucket(address, prefix, self.names)

    def prepare(self, *folders: str) -> None:
        """Does nothing: a bucket has no folders."""

    def holds(self, folder: str) -> bool:
        below = self._path(folder)
        return self._answer(lambda: any(self.names.client.list(below, chunk_size=1)))

    def files(self, folder: str, pattern: str) -> list[File]:
        above = self._path(folder)
        files = self._answer(lambda: self.names.below(above))
        matching = (
            replace(file, name=self._name(file.name))
            for file in files
            if fnmatchcase(file.name.removeprefix(above).lstrip("/"), pattern)
        )
        return sorted(matching, key=attrgetter("name"))

    def looks(self) -> Iterator[None]:
        until = time.monotonic() + LAG_S
        yield
        while time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_S)
            yield

    def mark(self, name: str) -> str:
        with suppress(FileNotFoundError):
            head = self._answer(lambda: self.names.client.head(self._path(name)))
            return head["e_tag"] or ""
        return ""

    def read(self, name: str) -> bytes | None:
        return self._get(name)[0]

    def read_listed(self, file: File) -> bytes | None:
        if not file.name.endswith(_LASTING):
            return self.read(file.name)
        content = _copy_of(file.name)
        if content is None or len(content) != file.size:
            content = self.read(file.name)
            if content is not None and is_intact(file.name, content):
                _keep_copy(file.name, content)
        return content

    def write(self, name: str, content: bytes) -> None:
        path = self._path(name)

        def put() -> str:
            for _ in range(_PUTS):
                tag = self.names.client.put(path, content)["e_tag"] or ""
                if self._size(path) in (len(content), None):
                    break  # else it was torn; what stays so is found when it is read
            return tag

        tag = self._answer(put)
        self.names.add(File(path, len(content), math.inf, tag))
        if name.endswith(_LASTING):
            _keep_copy(name, content)

    def create(self, name: str, content: bytes) -> bool:
        return self._conditional(name, content, "create")

    def replace(self, name: str, old: bytes, new: bytes) -> bool:
        now, tag = self._get(name)
        if now != old:
            return False
        return self._conditional(name, new, {"e_tag": tag})

    def move(self, name: str, to: str) -> bool:
        try:
            paths = self._path(name), self._path(to)
            self._answer(lambda: self.names.client.copy(*paths))
        except FileNotFoundError:
            return False
        self.delete(name)
        return True

    def delete(self, name: str) -> None:
        files = self.files(name.rstrip("/"), "*") if name.endswith("/") else ()
        paths = [self._path(file.name) for file in files] if files else [self._path(name)]
        with suppress(FileNotFoundError):
            self._answer(lambda: self.names.client.delete(paths))
        self.names.remove(paths)

    def lock(self, folder: str, *, wait: bool, shared: bool) -> AbstractContextManager[bool]:
        """Holds nobody back: a bucket has no locks, and what is done twice is done alike."""
        return nullcontext(True)

    def _answer(self, ask: Callable[[], T]) -> T:
        """What the server answers. After Ctrl-C, which its silence may be the reason of, what is
        left to do asks for a moment each, until the server answers."""
        within_s = LEAVING_S if self.names.is_left.is_set() else None
        try:
            answer = answered(self.address, ask, within_s)
        except TimeoutError:
            if within_s is None:  # of the request itself
                raise
            raise KeyboardInterrupt from None
        except KeyboardInterrupt:
            self.names.is_left.set()
            raise
        self.names.is_left.clear()
        return answer

    def _size(self, path: str) -> int | None:
        """Bytes of an object; None where another process took it away."""
        with suppress(FileNotFoundError):
            return int(self.names.client.head(path)["size"])
        return None

    def _get(self, name: str) -> tuple[bytes | None, str]:
        """The content and its tag."""

        def get() -> tuple[bytes, str]:
            result = self.names.client.get(self._path(name))
            return bytes(result.bytes()), result.meta["e_tag"] or ""

        with suppress(FileNotFoundError):
            return self._answer(get)
        return None, ""

    def _conditional(self, name: str, content: bytes, mode: "PutMode") -> bool:
        """Whether a put under a condition was done. One whose reply was lost is made again, and
        finds its own content."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            path = self._path(name)
            self._answer(lambda: self._put_patiently(path, content, mode))
        except FileNotFoundError:  # what was to be replaced
            return False
        except (AlreadyExistsError, PreconditionError):
            return self.read(name) == content
        return True

    def _put_patiently(self, path: str, content: bytes, mode: "PutMode") -> None:
        """Makes a put again that took too long, which the client does for those without a condition
        alone."""
        from obstore.exceptions import GenericError

        for left in reversed(range(_PUTS)):
            try:
                self.names.client.put(path, content, mode=mode)
                return
            except GenericError:
                if not left:
                    raise

    def _path(self, name: str) -> str:
        """The key of an object."""
        return f"{self.prefix}/{name}".strip("/")

    def _name(self, path: str) -> str:
        return path.removeprefix(self.prefix).lstrip("/")


def _copy_of(name: str) -> bytes | None:
    """An intact copy of a file that never changes."""
    with suppress(OSError):
        content = (cache_folder() / _COPIES / name).read_bytes()
        return content if is_intact(name, content) else None
    return None


def _drop_old_copies() -> None:
    """Makes room, of those first that were written first."""
    with suppress(OSError):
        copies = [path for path in (cache_folder() / _COPIES).rglob("*") if path.is_file()]
        stats = sorted(((path.stat(), path) for path in copies), key=lambda pair: pair[0].st_mtime)
        surplus = sum(stat.st_size for stat, _ in stats) - MOST_COPIES
        for stat, path in stats:
            if surplus <= 0:
                return
            path.unlink()
            surplus -= stat.st_size


def _keep_copy(name: str, content: bytes) -> None:
    """One that cannot be kept is none."""
    with suppress(OSError, UserError):
        write_atomically(cache_folder() / _COPIES / name, content)
