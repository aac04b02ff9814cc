"""Where weights lie: `embedded:NAME` is shipped with the package, anything else is a path."""

import hashlib
from functools import cache
from pathlib import Path

from bench.errors import UserError

EMBEDDED = Path(__file__).parent / "shapes" / "weights"
_PREFIX = "embedded:"
CLOSED_FORM = "closed_form:"  # prefix of models that are computed, and of their exact statistics
LOCAL_FOLDER = "local-dir:"  # open_clip's prefix for a folder with config and weights
_DOCUMENTS = {".md", ".png"}  # beside the weights, no part of them


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
def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder with their names; 16 hex digits."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        inner = file.relative_to(path)
        if file.suffix not in _DOCUMENTS and not any(part.startswith(".") for part in inner.parts):
            digest.update(str(file.relative_to(path)).encode())
            with file.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()[:16]
