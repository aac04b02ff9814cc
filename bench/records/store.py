"""The store: immutable, checksummed shards under a cell's key. The only truth of a sweep.

    <root>/store.json                         schema version
    <root>/cells/<key>/cell-<sha>.json        a record: JSON
    <root>/cells/<key>/images-00000000-00000064-<sha>.safetensors
                                              a shard: arrays of samples [0, 64)

<sha> begins the SHA-256 of the file's content, by which a damaged file is found and moved to
<root>/damaged/. Files appear by an atomic rename; a process killed in mid-write leaves only a
`.partial` file, which the cell's next writer removes.
"""

import errno
import fcntl
import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import hash_of, is_abandoned, write_atomically, writing
from denoisebench.bench.paths.guarded import read_mapping

SCHEMA = 1
_MARKER, _CELLS = "store.json", "cells"
_HASH_DIGITS = 16
_ANY_HASH = "?" * _HASH_DIGITS  # in a pattern
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
_SETTLED = ".redone"  # after the name of a damaged file that was made again, or is not needed
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """A file that holds arrays of samples start..stop-1."""

    path: Path
    start: int
    stop: int


class Store:
    """Shards and records by cell key. Raises UserError for a foreign schema or a full disk."""

    def __init__(self, root: Path, *, is_new: bool = False):
        """Opens a store. Raises UserError when there is none at root, unless it may be new."""
        self.root = root
        self._files = _CheckedFiles(root / "damaged")
        _check_schema(root, is_new=is_new)

    @classmethod
    def make(cls, root: Path) -> "Store":
        """Opens a store, an empty one if there is none."""
        return cls(root, is_new=True)

    def shards(self, key: str, kind: str) -> list[Shard]:
        """Intact shards of a kind, by their first sample."""
        return [shard for shard in self._named(key, kind) if self._files.is_intact(shard.path)]

    def missing(self, key: str, kind: str, samples: int) -> list[tuple[int, int]]:
        """Ranges of [0, samples) that no shard of the kind covers."""
        return _gaps(self.shards(key, kind), samples)

    def unwritten(self, key: str, kind: str, samples: int) -> list[tuple[int, int]]:
        """What is missing by the names of files alone, which is quickly seen: none is read, and so
        none is found to be damaged."""
        return _gaps(self._named(key, kind), samples)

    def kinds(self, key: str, prefix: str) -> list[str]:
        """Kinds of a cell's shards that begin so, in order."""
        paths = self._folder(key).glob(f"{prefix}*-????????-????????-*.safetensors")
        return sorted({path.stem.rsplit("-", 3)[0] for path in paths})

    def lost(self, key: str) -> list[str]:
        """Names of a cell's files that were found damaged and have not been made again."""
        return [name for name in self._files.set_aside(key) if not self._is_made_again(key, name)]

    def settle(self, key: str) -> None:
        """Called when a cell is whole: what was damaged of it is made again or not needed."""
        self._files.settle(key)

    def _is_made_again(self, key: str, name: str) -> bool:
        stem, suffix = name.rsplit("-", 1)[0], Path(name).suffix
        shard = re.fullmatch(r"(.+)-\d{8}-(\d{8})", stem)
        if shard:
            return not self.missing(key, shard[1], int(shard[2]))
        return any(map(self._files.is_intact, self._records(key, stem, suffix)))

    def write(self, key: str, kind: str, start: int, *, arrays: dict[str, np.ndarray]) -> None:
        """Stores arrays of equal first dimension as samples start.. of the kind."""
        stop = start + len(next(iter(arrays.values())))
        self._write(key, f"{kind}-{start:08d}-{stop:08d}", ".safetensors", content=_pack(arrays))

    def read(self, key: str, kind: str, stop: int, *, start: int = 0) -> dict[str, np.ndarray]:
        """Samples start..stop-1 of every array of a kind; no other shard is read.

        Raises LookupError when some are missing.
        """
        parts: list[dict[str, np.ndarray]] = []
        done = start
        for shard in self._named(key, kind):
            if shard.start <= done < min(shard.stop, stop):
                content = self._files.read(shard.path)
                if content is not None:
                    skip = done - shard.start
                    parts.append({name: array[skip:] for name, array in load(content).items()})
                    done = shard.stop
        if done < stop:
            raise LookupError(f"{kind} of cell {key}: {done} of {stop} samples stored")
        return {n: np.concatenate([part[n] for part in parts])[: stop - start] for n in parts[0]}

    def write_record(self, key: str, kind: str, record: dict[str, Any]) -> None:
        """Stores a JSON record in place of the last one of its kind."""
        self._replace(key, kind, ".json", content=json.dumps(record, indent=1).encode())

    def read_record(self, key: str, kind: str) -> dict[str, Any] | None:
        """The record of a kind, or None when there is no intact one."""
        content = self._newest(key, kind, ".json")
        return None if content is None else json.loads(content)

    def write_arrays(self, key: str, kind: str, arrays: dict[str, np.ndarray]) -> None:
        """Stores arrays of any shapes in place of the last ones of their kind."""
        self._replace(key, kind, ".safetensors", content=_pack(arrays))

    def read_arrays(self, key: str, kind: str) -> dict[str, np.ndarray] | None:
        content = self._newest(key, kind, ".safetensors")
        return None if content is None else load(content)

    @contextmanager
    def lock(self, key: str, *, wait: bool = True, shared: bool = False) -> Iterator[bool]:
        """Held while a cell is worked on, so that two sweeps on one store do no work twice.

        shared: with others that make pieces of the cell, but with nobody who has it alone.
        Yields whether it is held: with wait=False another process may have it. A file system that
        has no locks holds nobody back: there, leases do (bench/queue/leases.py).
        """
        folder = self._folder(key)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a+") as handle:  # NFS shares only what can be read
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            try:  # the system releases a lock when its process dies
                fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            for partial in filter(is_abandoned, folder.glob("*.partial")):
                partial.unlink(missing_ok=True)
            yield True

    def _named(self, key: str, kind: str) -> list[Shard]:
        """Shards by their names alone, in the order of their first sample."""
        paths = self._folder(key).glob(f"{kind}-????????-????????-*.safetensors")
        return [_parse(path) for path in sorted(paths)]

    def _folder(self, key: str) -> Path:
        return self.root / _CELLS / key

    def _write(self, key: str, stem: str, suffix: str, *, content: bytes) -> None:
        write_atomically(self._folder(key) / _checked_name(stem, suffix, content), content)

    def _replace(self, key: str, kind: str, suffix: str, *, content: bytes) -> None:
        old = self._records(key, kind, suffix)
        new = self._folder(key) / _checked_name(kind, suffix, content)
        if new not in old or not self._files.is_intact(new):
            self._write(key, kind, suffix, content=content)
        for path in old:
            if path != new:
                path.unlink(missing_ok=True)

    def _newest(self, key: str, kind: str, suffix: str) -> bytes | None:
        """Content of the newest intact file of a kind; a kill may have left two."""
        while paths := self._records(key, kind, suffix):
            content = self._files.newest(paths)
            if content is not None:
                return content  # else another process may have replaced them
        return None

    def _records(self, key: str, kind: str, suffix: str) -> list[Path]:
        return list(self._folder(key).glob(f"{kind}-{_ANY_HASH}{suffix}"))


def _mark(marker: Path) -> int:
    write_atomically(marker, json.dumps({"schema": SCHEMA}).encode())
    return SCHEMA


def _check_schema(root: Path, *, is_new: bool) -> None:
    marker = root / _MARKER
    if is_new and not marker.exists():
        _mark(marker)
    if not marker.exists() and not (root / _CELLS).is_dir():
        raise UserError(f"there is no store at {root}: put it back, or sweep again")
    try:
        schema = read_mapping(marker)["schema"]
    except (ValueError, KeyError) as error:
        if not (root / _CELLS).is_dir():
            raise UserError(
                f"{marker} is not a denoisebench store: choose another folder"
            ) from error
        _log.warning("%s is damaged: written again, the store is whole", marker)
        schema = _mark(marker)
    if schema != SCHEMA:
        raise UserError(
            f"the store {root} has schema {schema}, this version reads {SCHEMA}: "
            "use the version that wrote it, or choose another run folder"
        )


def _gaps(shards: Iterable[Shard], samples: int) -> list[tuple[int, int]]:
    """Ranges of [0, samples) that no shard covers, of shards by their first sample."""
    gaps, done = [], 0
    for shard in shards:
        if shard.start > done:
            gaps.append((done, min(shard.start, samples)))
        done = max(done, shard.stop)
        if done >= samples:
            return gaps
    return [*gaps, (done, samples)] if done < samples else gaps


def _pack(arrays: dict[str, np.ndarray]) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _parse(path: Path) -> Shard:
    start, stop = path.stem.split("-")[-3:-1]
    return Shard(path, int(start), int(stop))


def _checked_name(stem: str, suffix: str, content: bytes) -> str:
    """What a file of that content is called."""
    return f"{stem}-{hash_of([content], _HASH_DIGITS)}{suffix}"


class _CheckedFiles:
    """Reads files whose names end with a hash of their content. Damaged ones, which do not match
    it, go to a folder of their own and count as missing."""

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
