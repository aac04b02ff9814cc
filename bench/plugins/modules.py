"""Modules of the user's own: imported as they are now, and known by the hash of their source.

Standard library alone: it runs in interpreters that have nothing of denoisebench's.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

# Known by the versions that cells and runs record.
_VERSIONED = {"denoisebench", "diffusers", "torch", *getattr(sys, "stdlib_module_names", ())}
_INSTALLED = {"site-packages", "dist-packages"}
_imported: dict[str, str] = {}  # hashes of sources as they were imported, by module
_here: set[str] = set()  # the current folder, where it was put on the path


def _started_ns() -> int:
    """When this process started, to a second below, as files have their times; where the system
    does not tell, now."""
    try:
        ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        lines = Path("/proc/stat").read_text().splitlines()
        boot = dict(line.split()[:2] for line in lines)["btime"]
    except (OSError, LookupError, ValueError):  # sandboxes show less
        return time.time_ns()
    return (int(boot) * os.sysconf("SC_CLK_TCK") + int(ticks)) * 10**9 // os.sysconf("SC_CLK_TCK")


_STARTED_NS = _started_ns()


def imported(dotted: str) -> Any:
    """The object that `package.module:name` or `package.module.name` names, of the source as it is
    now. Modules of the current folder are found, too. Raises whatever the module raises, and
    ImportError for one whose source lies in no file."""
    name, _, attribute = dotted.rpartition(":" if ":" in dotted else ".")
    _find_modules_here()
    importlib.invalidate_caches()
    with _without_bytecode():
        if name in sys.modules and _is_another_now(name):
            _forget(name, sources_of(sys.modules[name]))
        module = importlib.import_module(name)
    sources = sources_of(module)
    if not sources and name.partition(".")[0] not in _VERSIONED:
        raise ImportError(f"the source of {name} lies in no file, so that no change of it is seen")
    _imported[name] = source_hash(sources)
    return getattr(module, attribute)


def _is_another_now(name: str) -> bool:
    """Whether an imported module has another source, or lies elsewhere, than when it was."""
    top = name.partition(".")[0]
    spec, file = PathFinder.find_spec(top), getattr(sys.modules.get(top), "__file__", None)
    if spec and spec.origin and file and Path(spec.origin) != Path(file):
        return True
    sources = sources_of(sys.modules[name])
    if name in _imported:
        return _imported[name] != source_hash(sources)
    # Others imported it, nobody knows when: what was written since then may not be what runs.
    return any(path.stat().st_mtime_ns >= _STARTED_NS for path in sources.values())


def _forget(name: str, sources: Iterable[str]) -> None:
    """Lets a module be imported anew, with all that it is made of."""
    top = name.partition(".")[0]
    beside = [module for module in sys.modules if module.startswith((f"{top}.", f"{name}."))]
    for old in {*sources, *beside, top}:
        sys.modules.pop(old, None)


def sources_of_name(module: str) -> dict[str, Path]:
    """Files of an imported module's source, see sources_of."""
    return sources_of(sys.modules[module])


def class_hash(cls: type) -> str:
    """Hash of the sources of a class and of its bases, 16 hex digits."""
    modules = [sys.modules[base.__module__] for base in cls.__mro__]
    return source_hash({k: v for module in modules for k, v in sources_of(module).items()})


def source_hash(sources: dict[str, Path]) -> str:
    """Hash of files with their names, 16 hex digits."""
    digest = hashlib.sha256()
    for name, path in sorted(sources.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def sources_of(module: ModuleType) -> dict[str, Path]:
    """Files by module: that of a module, and of those in its package, or beside it, that it imports
    anywhere. Other installed packages are known by their versions instead."""
    root, sources = _root_of(module), {}
    waiting = [module.__name__]
    while waiting:
        name = waiting.pop()
        file = _file_of(name)
        if name not in sources and file and _is_own(name, file, root):
            sources[name] = file
            is_package = file.name == "__init__.py"
            package = name if is_package else name.rpartition(".")[0]
            waiting += _imports(file, package, file.stat().st_mtime_ns)
    return sources


def _root_of(module: ModuleType) -> Path:
    """The folder of a module's package, or the one that it lies in."""
    top = sys.modules[module.__name__.partition(".")[0]]
    file = getattr(top, "__file__", None)
    folders = [*getattr(top, "__path__", [])]
    return Path(file).parent if file else Path(folders[0] if folders else "/nonexistent")


def _file_of(name: str) -> Path | None:
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return None
        file = spec.origin if spec and spec.has_location else None
    return Path(file) if file else None


def _is_own(name: str, file: Path, root: Path) -> bool:
    if name.partition(".")[0] in _VERSIONED or not file.is_relative_to(root) or not file.is_file():
        return False
    return _INSTALLED.isdisjoint(file.relative_to(root).parts)


@lru_cache(maxsize=1024)  # asked for with every cell of a grid
def _imports(file: Path, package: str, mtime_ns: int) -> tuple[str, ...]:
    """Names that a source file of that time may import, and the packages that they lie in."""
    return tuple(dict.fromkeys(_names_imported(file, package))) if file.suffix == ".py" else ()


def _names_imported(file: Path, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (start, node.module) if part)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _find_modules_here() -> None:
    """Modules of the current folder are found, which `python -m` finds by itself; for good, since
    other processes import them again. Those of a folder that was current before are not."""
    here = str(Path.cwd())
    for before in _here - {here}:
        _here.discard(before)
        if before in sys.path:
            sys.path.remove(before)
    if here not in sys.path:
        sys.path.append(here)
        _here.add(here)


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Writes no bytecode: one of the same second and size would be taken for a later source's."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
