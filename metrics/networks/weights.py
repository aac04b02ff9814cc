"""Weights files on this machine: found, named by their content, and read with clear errors.

Nothing is downloaded: an error names a missing file and its place.
"""

import hashlib
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

_LOAD_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    pickle.UnpicklingError,
    SafetensorError,
)


class UnusableExtractor(Exception):
    """An extractor cannot be built from what was given; the message holds the cure."""


class MissingWeights(UnusableExtractor):
    """A file is not there; the message says which file to place where."""


def in_hub_cache(repository: str, file: str) -> Path | None:
    """A file that was downloaded before; None where it was not, or where the name is not that of a
    repository."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(repository, file)
    except HFValidationError:
        return None
    return Path(path) if isinstance(path, str) else None


def weights_folders() -> list[Path]:
    """Where weights and statistics are looked for: the folder $DENOISEBENCH_WEIGHTS, then torch
    hub's checkpoints."""
    import torch

    own = os.environ.get("DENOISEBENCH_WEIGHTS")
    return [*([Path(own)] if own else []), Path(torch.hub.get_dir()) / "checkpoints"]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns a library's errors about a file into UnusableExtractor, a line that names the file."""
    try:
        yield
    except _LOAD_ERRORS as error:
        reason = " ".join(str(error).split())[:300]
        raise UnusableExtractor(f"{path} cannot be used: {reason}") from error


def digest_of(path: Path) -> str:
    """First 16 hex digits of a file's sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
