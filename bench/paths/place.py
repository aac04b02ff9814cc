"""What a store needs of where it lies: a folder (folder.py), or a bucket (bucket.py).

Names have slashes and begin at the place: `cells/<key>/cell-<sha>.json`. Files appear whole or not
at all. A name that ends with a hash of its content always has that content, or is damaged.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path, PurePosixPath
from typing import Protocol

from denoisebench.bench.paths import hash_of

HASH_DIGITS = 16  # at the end of a name
Address = Path | str  # of a place: a folder, or the address of a bucket


@dataclass(frozen=True)
class File:
    """A file as it was listed. What is written anew is another one."""

    name: str
    size: int  # bytes
    changed: float  # the later, the larger
    tag: str  # of the content, or of the moment it was written

    @property
    def base(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.name).name


class Place(Protocol):
    """Raises UserError for what a user can mend: a full disk, a server that does not answer."""

    @property
    def address(self) -> Address: ...

    def under(self, folder: str) -> "Place":
        """Returns the place that a folder of this one is."""

    def prepare(self, *folders: str) -> None:
        """Makes folders, in which `create` puts files."""

    def holds(self, folder: str) -> bool:
        """Whether there is such a folder."""

    def files(self, folder: str, pattern: str) -> list[File]:
        """Files below a folder whose names, from there on, match a pattern as the shell's.

        Those of a bucket may lack what was just written, and have what was just taken away.
        """

    def looks(self) -> Iterable[object]:
        """Gives an item for each look at names that is worth it: more where lists may lack some."""

    def mark(self, name: str) -> str:
        """Returns what changes whenever the file is replaced; empty when there is none."""

    def read(self, name: str) -> bytes | None:
        """The content, as it is now; None when there is none."""

    def read_listed(self, file: File) -> bytes | None:
        """The content, which may come from a copy where the name says what the content is."""

    def write(self, name: str, content: bytes) -> None:
        """Writes a file in place of one of that name."""

    def create(self, name: str, content: bytes) -> bool:
        """Writes a file, of many who try one; False where one of that name is there."""

    def replace(self, name: str, old: bytes, new: bytes) -> bool:
        """Writes a file in place of one with the old content; False where it has another."""

    def move(self, name: str, to: str) -> bool:
        """Gives a file another name; False where it is not there."""

    def delete(self, name: str) -> None:
        """Removes a file, if it is there, or all below a folder whose name ends with a slash."""

    def lock(self, folder: str, *, wait: bool, shared: bool) -> AbstractContextManager[bool]:
        """Holds a folder; yields whether it is held. Where there are no locks, all hold it."""


def is_remote(address: Address) -> bool:
    return isinstance(address, str) and "://" in address


def seen_from(folder: Path, address: Address) -> str:
    """How a folder's record names a place: one that is moved along with it is found again."""
    return str(address) if is_remote(address) else relpath(address, folder)


def named_from(folder: Path, name: str) -> Address:
    """The address that `seen_from` names so."""
    return name if is_remote(name) else folder / name


def name_of(stem: str, suffix: str, content: bytes) -> str:
    """What a file of that content is called."""
    return f"{stem}-{hash_of([content], HASH_DIGITS)}{suffix}"


def is_intact(name: str, content: bytes) -> bool:
    """Whether a file whose name ends with a hash has the content that it says."""
    return PurePosixPath(name).stem.endswith(hash_of([content], HASH_DIGITS))
