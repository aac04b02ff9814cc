"""A place that is read alone, while others write there: it changes nothing, whoever asks."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from denoisebench.bench.paths.place import Address, File, Place

_LOOKS = 3  # at files that others replace between a list and a read


@dataclass(frozen=True)
class Watched:
    """A place as another: what would write there does nothing and says so."""

    place: Place

    @property
    def address(self) -> Address:
        return self.place.address

    def under(self, folder: str) -> "Watched":
        return Watched(self.place.under(folder))

    def prepare(self, *folders: str) -> None:
        """Makes no folder."""

    def holds(self, folder: str) -> bool:
        return self.place.holds(folder)

    def files(self, folder: str, pattern: str) -> list[File]:
        return self.place.files(folder, pattern)

    def looks(self) -> Iterable[object]:
        """A few, at once: who watches looks again anyway."""
        return range(_LOOKS)

    def mark(self, name: str) -> str:
        return self.place.mark(name)

    def read(self, name: str) -> bytes | None:
        return self.place.read(name)

    def read_listed(self, file: File) -> bytes | None:
        return self.place.read_listed(file)

    def write(self, name: str, content: bytes) -> None:
        """Writes nothing."""

    def create(self, name: str, content: bytes) -> bool:
        return False

    def replace(self, name: str, old: bytes, new: bytes) -> bool:
        return False

    def move(self, name: str, to: str) -> bool:
        return False

    def delete(self, name: str) -> None:
        """Removes nothing."""

    def lock(self, folder: str, *, wait: bool, shared: bool) -> AbstractContextManager[bool]:
        return nullcontext(False)
