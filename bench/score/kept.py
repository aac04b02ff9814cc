"""What is made of reference images, once.

It is kept in the run's store and in a cache that all runs of a user share, and some is shipped with
the package. All is found by the images and weights that it was made of, whatever device made it.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import EMBEDDED, cache_folder, hash_of, write_atomically
from denoisebench.bench.records.store import Store

SHIPPED = EMBEDDED / "references"  # made by zoo/references.py
Arrays = dict[str, npt.NDArray[Any]]


def kept(
    store: Store, key: str, kind: str, *, make: Callable[[], Arrays], everywhere: bool = True
) -> Arrays:
    """Arrays of a reference from the store; where they are not there, from elsewhere, or made.

    everywhere: whether key and kind say all that the arrays depend on, in every project.
    """
    with store.lock(key):
        arrays: Arrays | None = store.read_arrays(key, kind)
        if arrays is None:
            arrays = _shared(key, kind, make=make) if everywhere else make()
            store.write_arrays(key, kind, arrays)
    return arrays


def _shared(key: str, kind: str, *, make: Callable[[], Arrays]) -> Arrays:
    """Shipped, from the user's cache, or made and put there. One that cannot be written is none."""
    arrays = read_kept(SHIPPED, key, kind)
    if arrays is not None:
        return arrays
    cache = cache_folder() / "references"
    arrays = read_kept(cache, key, kind)
    if arrays is None:
        arrays = make()
        with suppress(UserError, OSError):
            write_kept(cache, key, kind, arrays=arrays)
    return arrays


def read_kept(folder: Path, key: str, kind: str) -> Arrays | None:
    """Arrays of the kind that `write_kept` put there; None for none and for damaged ones."""
    with suppress(OSError, SafetensorError):
        for path in (folder / key).glob(f"{kind}-*.safetensors"):
            content = path.read_bytes()
            if path.stem == f"{kind}-{hash_of([content])}":
                return load(content)
    return None


def write_kept(folder: Path, key: str, kind: str, *, arrays: Arrays) -> None:
    """Writes <folder>/<key>/<kind>-<SHA-256 of the content>.safetensors. Raises UserError where it
    cannot be written."""
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    write_atomically(folder / key / f"{kind}-{hash_of([content])}.safetensors", content)
