"""A bucket of S3, or of a server that speaks its protocol, below a prefix: `s3://BUCKET/PREFIX`.

A claim is a conditional put, and nothing is renamed. What was put can be read at once; a list may
be behind by LAG_S. Of files that never change a copy is kept for all runs of a user, and checked by
the hash in its name whenever it is read.
"""

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.paths import cache_folder, write_atomically
from denoisebench.bench.paths.place import File, is_intact

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode
    from obstore.store import S3Store

LAG_S = 10.0  # that a list may be behind
_LIST_KEPT_S = 1.0
_LOOK_AGAIN_S = 0.5
_RETRIES, _RETRY_FOR = 8, timedelta(minutes=2)  # of a request that fails, with pauses that double
_PUTS = 3  # under a condition, that may take too long
_TIMEOUTS = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "10m"}
_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?P<prefix>(/[\w.+-]+)*)/?", re.ASCII)
_LASTING = ".safetensors"  # of files that are large, and stay; records are small, and are replaced
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_REASON = re.compile(r"status code: [^:\n]*|HTTP error: [^\n]*")  # in a long sentence of obstore's
_REFUSED = (
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
)


def check_address(address: str) -> str:
    """The address itself. Raises ValueError for one of no bucket of S3."""
    if not address.startswith("s3://"):
        raise ValueError("is an address of another kind; give a folder, or s3://BUCKET/PREFIX")
    if address.rstrip("/") == "s3:":
        raise ValueError("names no bucket; give s3://BUCKET/PREFIX")
    match = _ADDRESS.fullmatch(address)
    if not match or {".", ".."} & {*match["prefix"].split("/")}:
        raise ValueError(
            "is no address of a bucket; give s3://BUCKET/PREFIX, with letters, digits and . _ + -"
        )
    return address


def open_bucket(address: str) -> "Bucket":
    """The place at an address. Raises UserError where there is none, or it is closed to us."""
    try:
        check_address(address)
    except ValueError as error:
        raise UserError(f"{address}: {error}") from error
    missing = [key for key in _KEYS if not os.environ.get(key)]
    if missing:
        raise UserError(f"{address}: no credentials; set {' and '.join(missing)}")
    bucket = _opened(address.rstrip("/"), os.environ.get("AWS_ENDPOINT_URL", ""))
    bucket.holds("")
    return bucket


@cache
def _opened(address: str, endpoint: str) -> "Bucket":
    """One of each in a process: it knows what the process has put there."""
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise UserError(
            f"{address}: obstore is not installed; pip install 'denoisebench[s3]'"
        ) from error
    match = _ADDRESS.fullmatch(address)
    assert match
    with _translated(address):
        client = S3Store(
            match["bucket"],
            client_options={"allow_http": endpoint.startswith("http://"), **_TIMEOUTS},
            retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_FOR},
        )
    return Bucket(address, match["prefix"].strip("/"), client)


@dataclass(frozen=True, eq=False)
class Bucket:
    """Objects below a prefix."""

    address: str
    prefix: str
    client: "S3Store"
    _put: dict[str, tuple[float, File]] = field(default_factory=dict)  # when, and what, by path
    _lists: dict[str, tuple[float, list[File]]] = field(default_factory=dict)  # the last one

    def under(self, folder: str) -> "Bucket":
        address, prefix = f"{self.address}/{folder}", f"{self.prefix}/{folder}".strip("/")
        return replace(self, address=address, prefix=prefix, _lists={})

    def prepare(self, *folders: str) -> None:
        """Does nothing: a bucket has no folders."""

    def holds(self, folder: str) -> bool:
        import obstore

        with _translated(self.address):
            return any(obstore.list(self.client, self._path(folder), chunk_size=1))

    def files(self, folder: str, pattern: str) -> list[File]:
        files = self._listed(folder)
        listed = {file.name for file in files}
        files = [*files, *(file for file in self._just_put() if file.name not in listed)]
        above = f"{folder}/" if folder else ""
        matching = (
            file
            for file in files
            if file.name.startswith(above) and fnmatchcase(file.name.removeprefix(above), pattern)
        )
        return sorted(matching, key=attrgetter("name"))

    def looks(self) -> Iterator[None]:
        until = time.monotonic() + LAG_S
        yield
        while time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_S)
            yield

    def mark(self, name: str) -> str:
        import obstore

        with _translated(self.address), suppress(FileNotFoundError):
            return obstore.head(self.client, self._path(name))["e_tag"] or ""
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
        import obstore

        path = self._path(name)
        with _translated(self.address):
            tag = obstore.put(self.client, path, content)["e_tag"] or ""
        self._put[path] = time.monotonic(), File(name, len(content), math.inf, tag)
        self._lists.clear()
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
        import obstore

        try:
            with _translated(self.address):
                obstore.copy(self.client, self._path(name), self._path(to))
        except FileNotFoundError:
            return False
        self.delete(name)
        return True

    def delete(self, name: str) -> None:
        import obstore

        files = self.files(name.rstrip("/"), "*") if name.endswith("/") else ()
        paths = [self._path(file.name) for file in files] if files else [self._path(name)]
        with _translated(self.address), suppress(FileNotFoundError):
            obstore.delete(self.client, paths)
        for path in paths:
            self._put.pop(path, None)
        self._lists.clear()

    def lock(self, folder: str, *, wait: bool, shared: bool) -> AbstractContextManager[bool]:
        """Holds nobody back: a bucket has no locks, and what is done twice is done alike."""
        return nullcontext(True)

    def _get(self, name: str) -> tuple[bytes | None, str]:
        """The content and its tag."""
        import obstore

        with _translated(self.address), suppress(FileNotFoundError):
            result = obstore.get(self.client, self._path(name))
            return bytes(result.bytes()), result.meta["e_tag"] or ""
        return None, ""

    def _conditional(self, name: str, content: bytes, mode: "PutMode") -> bool:
        """Whether a put under a condition was done. One whose reply was lost is made again, and
        finds its own content."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            with _translated(self.address):
                self._put_patiently(self._path(name), content, mode)
        except FileNotFoundError:  # what was to be replaced
            return False
        except (AlreadyExistsError, PreconditionError):
            return self.read(name) == content
        return True

    def _put_patiently(self, path: str, content: bytes, mode: "PutMode") -> None:
        """Makes a put again that took too long, which the client does for those without a condition
        alone."""
        import obstore
        from obstore.exceptions import GenericError

        for left in reversed(range(_PUTS)):
            try:
                obstore.put(self.client, path, content, mode=mode)
                return
            except GenericError:
                if not left:
                    raise

    def _listed(self, folder: str) -> list[File]:
        """Files as they were listed a moment ago, or are now: a cell's are asked for one by one."""
        import obstore

        path, now = self._path(folder), time.monotonic()
        moment, files = self._lists.get(path, (-math.inf, []))
        if now - moment > _LIST_KEPT_S:
            with _translated(self.address):
                metas = obstore.list(self.client, path).collect()
            files = [*map(self._file, metas)]
            self._lists.clear()
            self._lists[path] = now, files
        return files

    def _file(self, meta: "ObjectMeta") -> File:
        changed, tag = meta["last_modified"].timestamp(), meta["e_tag"] or ""
        return File(self._name(meta["path"]), meta["size"], changed, tag)

    def _just_put(self) -> list[File]:
        """What this process has put, as long as lists may lack it."""
        since = time.monotonic() - LAG_S
        for path, (moment, _) in [*self._put.items()]:
            if moment < since:
                self._put.pop(path, None)
        return [
            replace(file, name=self._name(path))
            for path, (_, file) in [*self._put.items()]
            if path.startswith(self._path(""))
        ]

    def _path(self, name: str) -> str:
        """The key of an object."""
        return f"{self.prefix}/{name}".strip("/")

    def _name(self, path: str) -> str:
        return path.removeprefix(self.prefix).lstrip("/")


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """Makes a UserError of what a user can mend, when the client has retried in vain."""
    from obstore.exceptions import (
        AlreadyExistsError,
        BaseError,
        PreconditionError,
    )

    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except FileNotFoundError as error:
        if "<Code>NoSuchBucket</Code>" in str(error):
            raise UserError(_words(address, error)) from error
        raise
    except (BaseError, ValueError) as error:
        raise UserError(_words(address, error)) from error


def _words(address: str, error: Exception) -> str:
    """What went wrong, and what to do."""
    code = next(iter(_CODE.findall(str(error))), "")
    if code == "NoSuchBucket":
        return f"{address}: there is no such bucket; make it, or give another"
    if code in _REFUSED or "403 Forbidden" in str(error):
        return (
            f"{address}: access is refused ({code or '403 Forbidden'}); check {_KEYS[0]} and "
            f"{_KEYS[1]}, and what they may do with the bucket"
        )
    where = os.environ.get("AWS_ENDPOINT_URL") or "S3"
    reason = _REASON.search(str(error))
    return (
        f"{address}: {where} does not answer ({reason[0] if reason else first_line(error)}); check "
        "AWS_ENDPOINT_URL and AWS_REGION, and run the same command again: what is stored is kept"
    )


def _copies() -> Path | None:
    try:
        return cache_folder() / "objects"
    except RuntimeError:  # a user without a home
        return None


def _copy_of(name: str) -> bytes | None:
    """An intact copy of a file that never changes."""
    folder = _copies()
    with suppress(OSError):
        content = (folder / name).read_bytes() if folder else b""
        return content if is_intact(name, content) else None
    return None


def _keep_copy(name: str, content: bytes) -> None:
    """One that cannot be kept is none."""
    folder = _copies()
    with suppress(OSError, UserError):
        if folder:
            write_atomically(folder / name, content)
