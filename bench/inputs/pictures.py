"""Image files of the user: which are in a folder, and what is in one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import file_hash, hash_of

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def pictures_in(folder: Path) -> list[Path]:
    """Image files at any depth, by their paths."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)


@cache
def pictures_hash(paths: Sequence[Path]) -> str:
    """SHA-256 of what the files hold, in their order; 16 hex digits."""
    return hash_of(map(file_hash, paths))


def read_picture(path: Path, label: str) -> Image.Image:
    """The decoded image as it is in the file. Raises UserError when it cannot be read."""
    with _opened(path, label) as picture:
        picture.load()
        return picture


def size_of(path: Path, label: str) -> tuple[int, int]:
    """Width and height that the head of a file tells. Raises UserError like read_picture."""
    with _opened(path, label) as picture:
        return picture.size


@contextmanager
def _opened(path: Path, label: str) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as picture:
            yield picture
    except FileNotFoundError as error:
        raise UserError(f"{label}: nothing at {path}; place it there") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{label} {path} cannot be read: mend or remove it") from error
