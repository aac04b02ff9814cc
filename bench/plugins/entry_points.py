"""What installed packages add, by entry points of the groups denoisebench.metrics, .schedulers,
.models and .prompts. No package is imported to be listed."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from denoisebench.bench.errors import UserError, suggestion

KINDS = ("metrics", "schedulers", "models", "prompts")
_CONFIGS = {"model": "models", "prompts": "prompts"}  # kinds by the config group that they add to


def added(kind: str) -> dict[str, EntryPoint]:
    """Entry points of a kind, by name."""
    return {point.name: point for point in entry_points(group=f"denoisebench.{kind}")}


def dotted_of(kind: str, name: str, called: str = "") -> str:
    """`package.module:object` as it is, or of the entry point of that name. Raises UserError where
    no package adds it. called: the setting that names it, for the error."""
    if ":" in name:
        return name
    points = added(kind)
    if name not in points:
        known = f", or a name that a package adds: {suggestion(name, points)}" if points else ""
        raise UserError(f"{f'{called}={name}: ' if called else ''}give package.module:name{known}")
    return points[name].value


def config_folders() -> Iterator[Path]:
    """Folders of the packages that add models or prompt sets: each holds config files in `model` or
    `prompts`."""
    for kind in _CONFIGS.values():
        for point in added(kind).values():
            spec = find_spec(point.module)
            yield from map(Path, (spec and spec.submodule_search_locations) or ())


def added_choices(group: str) -> dict[str, Path]:
    """Config files that packages add to a group, by the name of the choice."""
    files = (path for folder in config_folders() for path in (folder / group).glob("*.yaml"))
    return {path.stem: path for path in files} if group in _CONFIGS else {}
