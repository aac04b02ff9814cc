"""The store: immutable, checksummed shards under a cell's key. The only truth of a sweep.

    <root>/store.json                         schema version
    <root>/cells/<key>/cell-<sha>.json        a record: JSON
    <root>/cells/<key>/images-00000000-00000064-<sha>.safetensors
                                              a shard: arrays of samples [0, 64)

<root> is a folder, or a bucket with a prefix. <sha> begins the SHA-256 of the file's content, by
which a damaged file is found and moved to <root>/damaged/. Files appear whole or not at all.
"""

import json
import logging
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths.guarded import mapping_of
from denoisebench.bench.paths.place import (
    HASH_DIGITS,
    Address,
    File,
    Place,
    is_intact,
    name_of,
)
from denoisebench.bench.paths.places import place_of
from denoisebench.bench.paths.watched import Watched
from denoisebench.bench.records.packing import Format, pack, unpack

SCHEMA = 1
_MARKER, _CELLS, _DAMAGED = "store.json", "cells", "damaged"
_ANY_HASH = "?" * HASH_DIGITS  # in a pattern
_SETTLED = ".redone"  # after the name of a damaged file that was made again, or is not needed
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """A file that holds arrays of samples start..stop-1."""

    file: File
    start: int
    stop: int


class Store:
    """Shards and records by cell key. Raises UserError for a foreign schema, a full disk, a bucket
    that does not answer."""

    def __init__(self, root: Address, *, is_new: bool = False, is_watched: bool = False):
        """Opens a store, one that is watched to read alone. Raises UserError when there is none at
        root, unless it may be new."""
        self.place = Watched(place_of(root)) if is_watched else place_of(root)
        self.root = self.place.address
        self._files = _CheckedFiles(self.place)
        _check_schema(self.place, is_new=is_new)

    @classmethod
    def make(cls, root: Address) -> "Store":
        """Opens a store, an empty one if there is none."""
        return cls(root, is_new=True)

    def shards(self, key: str, kind: str) -> list[Shard]:
        """Intact shards of a kind, by their first sample."""
        return [shard for shard in self._named(key, kind) if self._files.is_intact(shard.file)]

    def missing(self, key: str, kind: str, samples: int) -> list[tuple[int, int]]:
        """Ranges of [0, samples) that no shard of the kind covers."""
        return _gaps(self.shards(key, kind), samples)

    def unwritten(self, key: str, kind: str, samples: int) -> list[tuple[int, int]]:
        """What is missing by the names of files alone, which is quickly seen: none is read, and so
        none is found to be damaged."""
        return _gaps(self._named(key, kind), samples)

    def written(self, kind: str) -> dict[str, list[Shard]]:
        """Shards of a kind of all cells, by key and first sample; by the names of files alone."""
        shards: dict[str, list[Shard]] = {}
        for file in self.place.files(_CELLS, f"*/{kind}-????????-????????-*.safetensors"):
            shards.setdefault(PurePosixPath(file.name).parts[-2], []).append(_parse(file))
        return shards

    def kinds(self, key: str, prefix: str) -> list[str]:
        """Kinds of a cell's shards that begin so, in order."""
        files = self._listed(key, f"{prefix}*-????????-????????-*.safetensors")
        return sorted({file.base.rsplit("-", 3)[0] for file in files})

    def lost(self, key: str) -> list[str]:
        """Names of a cell's files that were found damaged and have not been made again."""
        return [name for name in self._files.set_aside(key) if not self._is_made_again(key, name)]

    def settle(self, key: str) -> None:
        """Called when a cell is whole: what was damaged of it is made again or not needed."""
        self._files.settle(key)

    def _is_made_again(self, key: str, name: str) -> bool:
        stem, suffix = name.rsplit("-", 1)[0], PurePosixPath(name).suffix
        shard = re.fullmatch(r"(.+)-\d{8}-(\d{8})", stem)
        if shard:
            return not self.missing(key, shard[1], int(shard[2]))
        return any(map(self._files.is_intact, self._records(key, stem, suffix)))

    def write(
        self,
        key: str,
        kind: str,
        start: int,
        *,
        arrays: dict[str, np.ndarray],
        pictures: Format = "raw",
    ) -> None:
        """Stores arrays of equal first dimension as samples start.. of the kind."""
        stop, content = start + len(next(iter(arrays.values()))), pack(arrays, pictures)
        self._write(key, f"{kind}-{start:08d}-{stop:08d}", ".safetensors", content=content)

    def read(self, key: str, kind: str, stop: int, *, start: int = 0) -> dict[str, np.ndarray]:
        """Samples start..stop-1 of every array of a kind; no other shard is read.

        Raises LookupError when some are missing, after looking for them as often as is worth it.
        """
        done = start
        for _ in self.place.looks():
            parts, done = self._read_parts(key, kind, stop, start=start)
            if done >= stop:
                names = parts[0]
                return {name: np.concatenate([part[name] for part in parts]) for name in names}
        raise LookupError(f"{kind} of cell {key}: {done} of {stop} samples stored")

    def write_record(self, key: str, kind: str, record: dict[str, Any]) -> None:
        """Stores a JSON record in place of the last one of its kind."""
        self._replace(key, kind, ".json", content=json.dumps(record, indent=1).encode())

    def read_record(self, key: str, kind: str) -> dict[str, Any] | None:
        """The record of a kind, or None when there is no intact one."""
        content = self._newest(key, kind, ".json")
        return None if content is None else json.loads(content)

    def await_record(self, key: str, kind: str) -> dict[str, Any] | None:
        """The record of a kind that another process has just written: looked for as often as is
        worth it."""
        records = (self.read_record(key, kind) for _ in self.place.looks())
        return next((record for record in records if record is not None), None)

    def write_arrays(self, key: str, kind: str, arrays: dict[str, np.ndarray]) -> None:
        """Stores arrays of any shapes in place of the last ones of their kind."""
        self._replace(key, kind, ".safetensors", content=pack(arrays))

    def read_arrays(self, key: str, kind: str) -> dict[str, np.ndarray] | None:
        content = self._newest(key, kind, ".safetensors")
        return None if content is None else unpack(content)

    def lock(
        self, key: str, *, wait: bool = True, shared: bool = False
    ) -> AbstractContextManager[bool]:
        """Held while a cell is worked on, so that two sweeps on one store do no work twice.

        shared: with others that make pieces of the cell, but with nobody who has it alone.
        Yields whether it is held: with wait=False another process may have it. Where there are no
        locks nobody is held back: there, leases do (bench/queue/leases.py).
        """
        return self.place.lock(_folder(key), wait=wait, shared=shared)

    def _listed(self, key: str, pattern: str) -> list[File]:
        return self.place.files(_folder(key), pattern)

    def _named(self, key: str, kind: str) -> list[Shard]:
        """Shards by their names alone, in the order of their first sample."""
        return [*map(_parse, self._listed(key, f"{kind}-????????-????????-*.safetensors"))]

    def _read_parts(
        self, key: str, kind: str, stop: int, *, start: int
    ) -> tuple[list[dict[str, np.ndarray]], int]:
        """Arrays of samples from start on, as far as they are there, and the sample after them."""
        parts, done = [], start
        for shard in self._named(key, kind):
            if shard.start <= done < min(shard.stop, stop):
                content = self._files.read(shard.file)
                if content is not None:
                    parts.append(unpack(content, done - shard.start, stop - shard.start))
                    done = shard.stop
        return parts, done

    def _write(self, key: str, stem: str, suffix: str, *, content: bytes) -> None:
        self.place.write(f"{_folder(key)}/{name_of(stem, suffix, content)}", content)

    def _replace(self, key: str, kind: str, suffix: str, *, content: bytes) -> None:
        old = self._records(key, kind, suffix)
        new = f"{_folder(key)}/{name_of(kind, suffix, content)}"
        if not any(file.name == new and self._files.is_intact(file) for file in old):
            self.place.write(new, content)
        for file in old:
            if file.name != new:
                self.place.delete(file.name)

    def _newest(self, key: str, kind: str, suffix: str) -> bytes | None:
        """Content of the newest intact file of a kind; a kill may have left two."""
        for _ in self.place.looks():
            files = self._records(key, kind, suffix)
            content = self._files.newest(files)
            if content is not None or not files:
                return content  # else another process may have replaced them
        return None

    def _records(self, key: str, kind: str, suffix: str) -> list[File]:
        return self._listed(key, f"{kind}-{_ANY_HASH}{suffix}")


def _folder(key: str) -> str:
    return f"{_CELLS}/{key}"


def _mark(place: Place) -> int:
    place.write(_MARKER, json.dumps({"schema": SCHEMA}).encode())
    return SCHEMA


def _check_schema(place: Place, *, is_new: bool) -> None:
    content = place.read(_MARKER)
    if content is None:
        if is_new:
            _mark(place)
        elif not place.holds(_CELLS):
            raise UserError(f"there is no store at {place.address}: put it back, or sweep again")
    try:
        schema = SCHEMA if content is None and is_new else mapping_of(content or b"")["schema"]
    except (ValueError, KeyError) as error:
        if not place.holds(_CELLS):
            raise UserError(
                f"{place.address}/{_MARKER} is not a denoisebench store: choose another folder"
            ) from error
        _log.warning("%s/%s is damaged: written again, the store is whole", place.address, _MARKER)
        schema = _mark(place)
    if schema != SCHEMA:
        raise UserError(
            f"the store {place.address} has schema {schema}, this version reads {SCHEMA}: "
            "use the version that wrote it, or choose another run folder"
        )


def covered(shards: Iterable[Shard], samples: int) -> int:
    """How many of the first samples are in shards, of shards by their first sample."""
    return samples - sum(stop - start for start, stop in _gaps(shards, samples))


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


def _parse(file: File) -> Shard:
    start, stop = PurePosixPath(file.name).stem.split("-")[-3:-1]
    return Shard(file, int(start), int(stop))


class _CheckedFiles:
    """Reads files whose names end with a hash of their content. Damaged ones, which do not match
    it, go to a folder of their own and count as missing."""

    def __init__(self, place: Place):
        self._place = place
        self._intact: set[File] = set()

    def read(self, file: File) -> bytes | None:
        """Content of an intact file; None for one that another process took away, and for a
        damaged one, which is moved aside."""
        content = self._place.read_listed(file)
        if content is None or is_intact(file.name, content):
            return content
        key, name = PurePosixPath(file.name).parts[-2:]
        aside = f"{_DAMAGED}/{key}-{name}"
        if self._place.move(file.name, aside):
            _log.warning(
                "%s/%s does not match its checksum: moved to %s, will be redone",
                self._place.address,
                file.name,
                aside,
            )
        return None

    def is_intact(self, file: File) -> bool:
        """Reads a file once per process, as long as it stays as it was."""
        if file not in self._intact and self.read(file) is not None:
            self._intact.add(file)
        return file in self._intact

    def set_aside(self, key: str) -> list[str]:
        """Names of the damaged files of a cell."""
        files = self._place.files(_DAMAGED, f"{key}-*")
        names = [file.base.removeprefix(f"{key}-") for file in files]
        return [name for name in names if not name.endswith(_SETTLED)]

    def settle(self, key: str) -> None:
        """Marks the damaged files of a cell as of no more concern."""
        for name in self.set_aside(key):
            path = f"{_DAMAGED}/{key}-{name}"
            self._place.move(path, path + _SETTLED)

    def newest(self, files: list[File]) -> bytes | None:
        """Content of the newest intact one of these."""
        contents = map(self.read, sorted(files, key=lambda file: -file.changed))
        return next((content for content in contents if content is not None), None)
