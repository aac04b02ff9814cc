"""The place that an address names: of a folder, or of a bucket."""

from pathlib import Path

from denoisebench.bench.paths.bucket import open_bucket
from denoisebench.bench.paths.folder import Folder
from denoisebench.bench.paths.place import Address, Place, is_remote


def place_of(address: Address) -> Place:
    """Raises UserError for a bucket that there is not, or that is closed to us."""
    return open_bucket(str(address)) if is_remote(address) else Folder(Path(address))
