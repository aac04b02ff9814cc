"""Figures of the source's structure, and whether imports keep the order of rooms: `make rooms`.

A room is a sub-folder of a package, with all that is below it, or a single file directly in the
package's folder. The order of rooms is data, below. Everything is read from the source: nothing of
the project is imported, so that it works on a checkout that does not run.
"""

import ast
import math
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

NAME = "denoisebench"  # the one import name, a folder of symlinks to the packages
PACKAGES = ("bench", "reports", "metrics")
OUTSIDE = (NAME, "zoo", "benchmarks")  # source that belongs to no room
ALL = "all"  # packages together

# A room may import the rooms to its right.
ORDER: dict[str, tuple[str, ...]] = {
    "bench": (
        "interface",
        "commands",
        "apply",
        "watch",
        "queue",
        "sweep",
        "hosted",
        "imported",
        "plan",
        "verify",
        "score",
        "timing",
        "generate",
        "inputs",
        "caches",
        "models",
        "schedulers",
        "tracking",
        "records",
        "settings",
        "plugins",
        "noise",
        "remembered",
        "machine",
        "paths",
        "shapes",
        "fashion",
        "errors",
    ),
    "reports": (
        "report",
        "current",
        "several",
        "check",
        "claims",
        "verify",
        "paper",
        "page",
        "decide",
        "rows",
        "charts",
        "formats",
        "theme",
    ),
    "metrics": (
        "modules",
        "decide",
        "features",
        "images",
        "estimate",
        "specs",
        "built_in",
        "networks",
    ),
}
# What is called from outside stands left of all rooms: Hydra's plugins, pytest's, the command line.
DOORS: dict[str, tuple[str, ...]] = {"bench": ("_plugins", "__main__")}
# Between packages: the rooms that may import, and the rooms that they may see; None is any room.
# A pair that is not here may not import at all.
BETWEEN: dict[tuple[str, str], tuple[tuple[str, ...] | None, tuple[str, ...] | None]] = {
    ("bench", "metrics"): (None, None),
    ("bench", "reports"): ((*DOORS["bench"], "interface", "commands"), None),
    ("reports", "bench"): (None, ("records", "paths", "errors")),
    ("reports", "metrics"): (None, ("decide", "estimate", "specs", "built_in")),
}

# Figures of the plan for the rooms, and of the flat folders before it, where a file was a room.
BEFORE: dict[str, dict[str, int]] = {
    "bench": {"rooms": 64, "levels": 15, "arrows": 277, "against the order": 1, "circles": 1},
    "reports": {"rooms": 40, "arrows": 101, "against the order": 0, "circles": 0},
    "metrics": {"rooms": 28, "arrows": 46, "against the order": 0, "circles": 0},
}
PLAN: dict[str, dict[str, int]] = {
    "bench": {"rooms": 22, "arrows": 80, "against the order": 0, "circles": 0},
    "reports": {"rooms": 10, "arrows": 27, "against the order": 0, "circles": 0},
    "metrics": {"rooms": 8, "arrows": 10, "against the order": 0, "circles": 0},
}

LONGEST_FUNCTION, LONGEST_CLASS, LONGEST_FILE = 60, 150, 400  # lines
Arrow = tuple[str, str]  # from the one that imports to the one that is imported
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, eq=False)
class Source:
    """A file of the project, parsed."""

    file: str  # from the root of the checkout: bench/records/cell.py
    lines: int
    tree: ast.Module


@dataclass(frozen=True)
class Import:
    """An import of one file of the project by another."""

    source: str  # file
    line: int
    target: str  # file; __init__.py for a folder

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


@dataclass(frozen=True)
class Sized:
    """A function, class or file with its length."""

    name: str
    lines: int

    def __str__(self) -> str:
        return f"{self.name} has {self.lines} lines"


def main() -> int:
    """Prints all figures; 1 when an import runs against the order or rooms import in a circle."""
    root = Path(__file__).parents[1]
    sources, links = read_sources(root), imports(root)
    wrong, rings = against_the_order(links), circles(room_arrows(links))
    print(table({scope: figures(scope, sources, links) for scope in (*PACKAGES, ALL)}))
    lists: dict[str, Iterable[object]] = {
        "imports against the order": wrong,
        "circles of rooms": map(" ".join, rings),
        "circles of files": map(" ".join, circles(file_arrows(links))),
        "rooms not in the order": not_in_the_order(sources),
        f"functions over {LONGEST_FUNCTION} lines": over(LONGEST_FUNCTION, functions(sources)),
        f"classes over {LONGEST_CLASS} lines": over(LONGEST_CLASS, classes(sources)),
        f"files over {LONGEST_FILE} lines": over(LONGEST_FILE, files(sources)),
    }
    for title, items in lists.items():
        print(listing(title, items))
    return 1 if wrong or rings else 0


def read_sources(root: Path, folders: Iterable[str] = PACKAGES) -> list[Source]:
    """All files of the folders, sorted by name; links are not followed."""
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    return [_parsed(path, path.relative_to(root).as_posix()) for path in paths]


def _parsed(path: Path, file: str) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(file, len(text.splitlines()), ast.parse(text))


def imports(root: Path) -> list[Import]:
    """Imports of the packages' files by each other, inside functions too, once a line and target.

    A package's own __init__.py belongs to no room; imports by it and of it are left out.
    """
    return [
        Import(source.file, line, target)
        for source in read_sources(root)
        for line, target in _targets(root, source)
        if room_of(source.file) and room_of(target)
    ]


def _targets(root: Path, source: Source) -> list[tuple[int, str]]:
    """Line and file of each import."""
    pairs = {
        (node.lineno, resolve(root, name))
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
        for name in _names(node, source.file)
    }
    return sorted((line, target) for line, target in pairs if target)


def _names(node: ast.Import | ast.ImportFrom | ast.Call, file: str) -> list[str]:
    """Full dotted names: `from a.b import c` is a.b.c, whether c is a module or not."""
    if isinstance(node, ast.Call):
        return [name] if (name := named_by_call(node)) else []
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    start = file.split("/")[: -node.level] if node.level else []
    module = [*start, *([node.module] if node.module else [])]
    return [".".join([*module, alias.name]) for alias in node.names]


def named_by_call(node: ast.Call) -> str:
    """The module of `import_module("a.b")` or `__import__("a.b")`; "" of other calls."""
    called = ast.unparse(node.func).rpartition(".")[2]
    first = node.args[0] if node.args else None
    if called not in ("import_module", "__import__") or not isinstance(first, ast.Constant):
        return ""
    return str(first.value)


def resolve(root: Path, name: str) -> str:
    """The file that a dotted name is in, by the longest part of it that is a file or a folder.

    "" for what is not of the packages.
    """
    parts = name.removeprefix(f"{NAME}.").split(".")
    if parts[0] not in PACKAGES:
        return ""
    for end in range(len(parts), 0, -1):
        path = "/".join(parts[:end])
        if (root / f"{path}.py").is_file():
            return f"{path}.py"
        if (root / path).is_dir():
            return f"{path}/__init__.py"
    return ""


def room_of(file: str) -> str:
    """`bench/records` of bench/records/cell.py; "" of a package's own __init__.py."""
    package, inner = file.split("/")[:2]
    return "" if inner == "__init__.py" else f"{package}/{inner.removesuffix('.py')}"


def against_the_order(links: Iterable[Import]) -> list[Import]:
    """Imports that the order does not allow."""
    return [link for link in links if not may_import(room_of(link.source), room_of(link.target))]


def may_import(source: str, target: str) -> bool:
    """Whether a room may import another; a room that is not in the order may within its package."""
    package, name = source.split("/")
    other, wanted = target.split("/")
    if package == other:
        row = (*DOORS.get(package, ()), *ORDER[package])
        known = name in row and wanted in row
        return not known or row.index(name) <= row.index(wanted)
    if (package, other) not in BETWEEN:
        return False
    importing, seen = BETWEEN[package, other]
    return (importing is None or name in importing) and (seen is None or wanted in seen)


def not_in_the_order(sources: Iterable[Source]) -> list[str]:
    """Rooms that have no place in the order."""
    known = {
        f"{package}/{name}"
        for package in PACKAGES
        for name in (*DOORS.get(package, ()), *ORDER[package])
    }
    return sorted(rooms(sources) - known)


def rooms(sources: Iterable[Source]) -> set[str]:
    return {room_of(source.file) for source in sources} - {""}


def file_arrows(links: Iterable[Import]) -> set[Arrow]:
    return {(link.source, link.target) for link in links if link.source != link.target}


def room_arrows(links: Iterable[Import]) -> set[Arrow]:
    pairs = {(room_of(link.source), room_of(link.target)) for link in links}
    return {(source, target) for source, target in pairs if source != target}


def circles(arrows: Iterable[Arrow]) -> list[list[str]]:
    """Strongly connected components of more than one node."""
    return sorted(sorted(ring) for ring in set(_components(arrows).values()) if len(ring) > 1)


def levels(arrows: Collection[Arrow]) -> int:
    """Nodes on the longest chain of imports, a circle counted as one node."""
    component = _components(arrows)
    graph: dict[frozenset[str], set[frozenset[str]]] = defaultdict(set)
    for source, target in arrows:
        graph[component[source]] |= {component[target]} - {component[source]}
    heights: dict[frozenset[str], int] = {}
    for node in TopologicalSorter(graph).static_order():  # the imported ones first
        heights[node] = 1 + max((heights[below] for below in graph.get(node, ())), default=0)
    return max(heights.values(), default=1)


def _components(arrows: Iterable[Arrow]) -> dict[str, frozenset[str]]:
    """The strongly connected component of each node: those that reach each other."""
    graph: dict[str, set[str]] = {}
    for source, target in arrows:
        graph.setdefault(source, set()).add(target)
        graph.setdefault(target, set())
    reached = {node: _reached(graph, node) for node in graph}
    return {
        node: frozenset(other for other in reached[node] if node in reached[other])
        for node in graph
    }


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """All nodes that imports lead to, the start included."""
    reached, ahead = {start}, [start]
    while ahead:
        new = graph[ahead.pop()] - reached
        reached |= new
        ahead.extend(new)
    return reached


def functions(sources: Iterable[Source]) -> list[Sized]:
    """Functions and methods, nested ones too, in lines without docstring."""
    return [
        Sized(f"{source.file}:{node.lineno} {node.name}", _lines(node) - _docstring_lines(node))
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def classes(sources: Iterable[Source]) -> list[Sized]:
    return [
        Sized(f"{source.file}:{node.lineno} {node.name}", _lines(node))
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
    ]


def files(sources: Iterable[Source]) -> list[Sized]:
    """All but the __init__.py files."""
    return [
        Sized(source.file, source.lines)
        for source in sources
        if not source.file.endswith("/__init__.py")
    ]


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _docstring_lines(node: Definition) -> int:
    first = node.body[0]
    has_docstring = ast.get_docstring(node) is not None and isinstance(first, ast.Expr)
    return _lines(first) if has_docstring else 0


def over(limit: int, items: Iterable[Sized]) -> list[Sized]:
    """The longest first."""
    return sorted((s for s in items if s.lines > limit), key=lambda s: s.lines, reverse=True)


def spread(items: Iterable[Sized]) -> str:
    """Median, ninth decile (nearest rank) and longest: `5 / 14 / 58`."""
    lines = sorted(item.lines for item in items)
    if not lines:
        return "none"
    ninth_decile = lines[math.ceil(0.9 * len(lines)) - 1]
    return f"{median(lines):g} / {ninth_decile} / {lines[-1]}"


def figures(scope: str, sources: list[Source], links: list[Import]) -> dict[str, int | str]:
    """Figures of one package, of imports within it; of all packages together, those between too."""
    if scope != ALL:
        start = f"{scope}/"
        sources = [source for source in sources if source.file.startswith(start)]
        links = [link for link in links if link.source.startswith(start)]
        links = [link for link in links if link.target.startswith(start)]
    between_rooms, between_files = room_arrows(links), file_arrows(links)
    return {
        "files": len(files(sources)),
        "rooms": len(rooms(sources)),
        "levels": levels(between_rooms),
        "arrows": len(between_rooms),
        "against the order": len(room_arrows(against_the_order(links))),
        "circles": len(circles(between_rooms)),
        "levels of files": levels(between_files),
        "arrows of files": len(between_files),
        "circles of files": len(circles(between_files)),
        "functions": len(functions(sources)),
        "lines a function": spread(functions(sources)),
        "lines a file": spread(files(sources)),
    }


def table(columns: dict[str, dict[str, int | str]]) -> str:
    """One row a figure, one column a package: `22 (64, 22)` is now, before and as planned."""
    # Before the rooms every file was one: what is "before" counts files and imports between them.
    heads = ["now (before: of files, plan)", *columns]
    names = next(iter(columns.values()))
    rows = [
        [name, *(_beside_baseline(scope, name, column[name]) for scope, column in columns.items())]
        for name in names
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [heads, *rows]
    )


def _beside_baseline(scope: str, name: str, value: int | str) -> str:
    if name not in BEFORE.get(scope, {}):
        return str(value)
    return f"{value} ({BEFORE[scope][name]}, {PLAN[scope].get(name, '-')})"


def listing(title: str, items: Iterable[object]) -> str:
    """A blank line, the title with the number of items, and an item a line."""
    lines = [f"  {item}" for item in items]
    return "\n".join(["", f"{title}: {len(lines) or 'none'}", *lines])


if __name__ == "__main__":
    sys.exit(main())
