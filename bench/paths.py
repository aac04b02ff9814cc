"""Where weights lie: `embedded:NAME` is shipped with the package, anything else is a path."""

import hashlib
import json
import os
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from denoisebench.bench.errors import UserError

EMBEDDED = Path(__file__).parent / "shapes" / "weights"
_PREFIX = "embedded:"
CLOSED_FORM = "closed_form:"  # prefix of models that are computed, and of their exact statistics
LOCAL_FOLDER = "local-dir:"  # open_clip's prefix for a folder with config and weights
_DOCUMENTS = {".md", ".png"}  # beside the weights, no part of them
_LARGE = 2**26  # bytes, from which a file takes noticeably long to hash


def conf_group(group: str) -> Traversable:
    """The folder of a config group that ships with the package."""
    return files("denoisebench.conf").joinpath(group)


def resolve(path: str) -> Path:
    """The file or folder a config names."""
    if path.startswith(_PREFIX):
        return EMBEDDED / path.removeprefix(_PREFIX)
    return Path(path).expanduser()


def existing(path: str, what: str) -> Path:
    """Like resolve. Raises UserError when nothing is there."""
    found = resolve(path)
    if not found.exists():
        raise UserError(f"{what}: nothing at {found}; place it there or give another path")
    return found


@cache
def content_hash(path: Path, files: tuple[Path, ...] | None = None) -> str:
    """SHA-256 of a file, or of all files of a folder with their names, or of those given; 16 hex
    digits."""
    if files is None:
        files = (path,) if path.is_file() else tuple(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in sorted(files):
        inner = file.relative_to(path)
        if file.suffix not in _DOCUMENTS and not any(part.startswith(".") for part in inner.parts):
            digest.update(str(inner).encode())
            digest.update(_file_hash(file))
    return digest.hexdigest()[:16]


def _file_hash(file: Path) -> bytes:
    """SHA-256 of a file. That of a large one is remembered until its size or time changes."""
    found = file.resolve().stat()
    if found.st_size < _LARGE:
        return _sha256(file)
    name = f"{file.resolve()} {found.st_size} {found.st_mtime_ns}"
    memory = _cache_folder() / "hashes.json"
    known = _read_memory(memory)
    if name not in known:
        known[name] = _sha256(file).hex()
        _write_memory(memory, {**_read_memory(memory), name: known[name]})
    return bytes.fromhex(known[name])


def _sha256(file: Path) -> bytes:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").digest()


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "denoisebench"


def _read_memory(path: Path) -> dict[str, str]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _write_memory(path: Path, memory: dict[str, str]) -> None:
    """A cache: where it cannot be written, the next run hashes again."""
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(memory))
        partial.replace(path)
    except OSError:
        return
