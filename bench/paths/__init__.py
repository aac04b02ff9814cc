"""Files: where those of a config lie, what they hold as one hash, and how one is written whole.

`embedded:NAME` and `bundled:NAME`, a prompt file, are shipped with denoisebench,
`package:NAME/FILE` with another installed package, anything else is a path.
"""

import errno
import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from denoisebench.bench.errors import UserError, wrong_kind

EMBEDDED = Path(__file__).parents[1] / "weights"
_PREFIX, _BUNDLED, _PACKAGE = "embedded:", "bundled:", "package:"
CLOSED_FORM = "closed_form:"  # prefix of models that are computed, and of their exact statistics
LOCAL_FOLDER = "local-dir:"  # open_clip's prefix for a folder with config and weights
_DOCUMENTS = {".md", ".png"}  # beside the weights, no part of them
_LARGE = 2**26  # bytes, from which a file takes noticeably long to hash
_A_DAY_S = 86_400
FULL = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (
    errno.EACCES,
    errno.EROFS,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENOENT,  # below /proc
)


def path_of(value: object, called: str) -> Path:
    """The path that a caller gives as a text or a path. Raises UserError for another kind of value.

    called: the argument.
    """
    if not isinstance(value, str | Path):
        raise wrong_kind(called, value, "a path")
    return Path(value)


def conf_group(group: str) -> Traversable:
    """The folder of a config group that ships with the package."""
    return files("denoisebench.conf").joinpath(group)


def group_files(group: str) -> dict[str, Traversable]:
    """Config files of a group that ships with the package, by their names, those of a folder in it
    as `paper/NAME`; none where there is no such group."""
    return dict(_files_below(conf_group(group))) if conf_group(group).is_dir() else {}


def _files_below(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for file in folder.iterdir():
        if file.is_dir():
            yield from _files_below(file, f"{prefix}{file.name}/")
        elif file.name.endswith(".yaml"):
            yield prefix + file.name.removesuffix(".yaml"), file


def resolve(path: str) -> Path:
    """The file or folder a config names."""
    if path.startswith(_PREFIX):
        return EMBEDDED / path.removeprefix(_PREFIX)
    if path.startswith(_BUNDLED):
        return Path(__file__).parents[1] / "inputs" / "bundled" / path.removeprefix(_BUNDLED)
    if path.startswith(_PACKAGE):
        return _in_package(path.removeprefix(_PACKAGE))
    return Path(path).expanduser()


def _in_package(path: str) -> Path:
    """The place of NAME/FILE, which an installed package holds."""
    name, _, inner = path.partition("/")
    spec = find_spec(name) if name.isidentifier() else None
    folders = [*((spec and spec.submodule_search_locations) or ())]
    if not folders:
        raise UserError(f"{_PACKAGE}{path}: no package {name} is installed")
    return Path(folders[0]) / inner


def file_name(path: str) -> str:
    """What a model, LoRA or other file may be called after the path or hub id that a config gives.

    A snapshot in the hub's cache lies in a folder that is named after its commit; its repository's
    folder is models--ORG--NAME.
    """
    place = Path(os.path.normpath(Path(path.removeprefix(CLOSED_FORM)).expanduser().absolute()))
    if place.parent.name == "snapshots":
        place = place.parents[1]
    name = place.name.rpartition(":")[2].rpartition("--")[2]
    name = name.removesuffix(".safetensors").removesuffix(".onnx")
    return re.sub(r"[^\w.\-+]", "-", name).lstrip(".-+") or "model"


def existing(path: str, label: str) -> Path:
    """The place that `resolve` finds. Raises UserError when nothing is there."""
    place = resolve(path)
    if not place.exists():
        raise UserError(f"{label}: nothing at {place}; place it there or give another path")
    return place


def hash_of(parts: Iterable[bytes], digits: int = 16) -> str:
    """SHA-256 of bytes one after the other, in so many hex digits.

    Keys are made of it: another function, order or number of digits is another key.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:digits]


@cache
def content_hash(path: Path, files: tuple[Path, ...] | None = None) -> str:
    """SHA-256 of a file, or of all files of a folder with their names, or of those given; 16 hex
    digits."""
    if files is None:
        files = (path,) if path.is_file() else tuple(p for p in path.rglob("*") if p.is_file())
    return hash_of(part for file in sorted(files) for part in _named_hash(file, path))


def _named_hash(file: Path, folder: Path) -> tuple[bytes, ...]:
    """The name within the folder and the hash; nothing of documents and hidden files."""
    inner = file.relative_to(folder)
    if file.suffix in _DOCUMENTS or any(part.startswith(".") for part in inner.parts):
        return ()
    return str(inner).encode(), file_hash(file)


def file_hash(file: Path) -> bytes:
    """SHA-256 of a file. That of a large one is remembered until its size or time changes."""
    stat = file.stat()
    if stat.st_size < _LARGE:
        return _sha256(file)
    name = f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    memory = cache_folder() / "hashes.json"
    known = _read_memory(memory)
    if name not in known:
        known[name] = _sha256(file).hex()
        _write_memory(memory, {**_read_memory(memory), name: known[name]})
    return bytes.fromhex(known[name])


def _sha256(file: Path) -> bytes:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").digest()


def cache_folder() -> Path:
    """Where what can be made again is kept for all runs of a user; of one without a home, as
    containers may have, until the process ends."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "denoisebench"
    except RuntimeError:
        return Path(_homeless().name)


@cache
def _homeless() -> TemporaryDirectory[str]:
    """A folder that is removed with the process."""
    return TemporaryDirectory(prefix="denoisebench-")


def _read_memory(path: Path) -> dict[str, str]:
    try:
        memory: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return memory


def _write_memory(path: Path, memory: dict[str, str]) -> None:
    """A cache: where it cannot be written, the next run hashes again."""
    with suppress(OSError, UserError):
        write_atomically(path, json.dumps(memory).encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, and its folder. Raises UserError like writing."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{process_space()}-{os.getpid()}.partial")
        try:
            with partial.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        _remove_leftovers(path)


def _remove_leftovers(path: Path) -> None:
    """Removes what writers of the file left that were killed at it."""
    for partial in path.parent.glob(f"{escape(path.name)}.*.partial"):
        if is_abandoned(partial):
            partial.unlink(missing_ok=True)


def is_abandoned(draft: Path) -> bool:
    """Whether the process that was writing a `.partial` or `.new` file is gone. Of one on another
    machine it is not known: it is taken for gone after a day, which clocks hardly differ by."""
    space, _, process = draft.name.split(".")[-2].rpartition("-")
    if process.isdecimal() and space in ("", process_space()):
        return not is_running(int(process))
    try:
        return time.time() - draft.stat().st_mtime > _A_DAY_S
    except FileNotFoundError:
        return False


def is_running(process: int) -> bool:
    """Whether this machine has a process of that number."""
    try:
        os.kill(process, 0)  # only asks
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # someone else's
        return True
    return True


def may_be_paused(process: int) -> bool:
    """Whether a process of this machine is stopped, as by SIGSTOP; where the system does not say,
    as macOS, it may be."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()
    except (OSError, IndexError):
        return True
    return state in ("T", "t")


@cache
def process_space() -> str:
    """What process numbers count in: a short name of this boot of this machine and, in a container,
    of its own numbering."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hash_of([boot.encode(), str(Path("/proc/self/ns/pid").readlink()).encode()], 8)
    except OSError:
        return hash_of([platform.node().encode()], 8)


def disk_full(path: Path) -> UserError:
    """The error for a file that finds no room, as FULL says."""
    return UserError(
        f"disk full while writing {path}: free some space and run the same command again, "
        "finished shards are kept"
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises UserError when what is done within finds the disk full or the place closed."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(path) from error
        if error.errno in _UNWRITABLE:
            raise UserError(
                f"cannot write {path}: {error.strerror}; choose another run folder"
            ) from error
        raise
