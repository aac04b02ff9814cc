"""`denoisebench sweep --show-config`: what a sweep would run with, as YAML."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_OWN = "call_of_files"  # of the launcher, no setting


def shown_config(configs: Sequence[Mapping[str, Any]]) -> str:
    """The settings of all jobs as one YAML text: one that differs among them has all its values in
    a list, and is named in the first line."""
    axes: list[str] = []
    merged = _merged(configs, "", axes)
    jobs = f"# {len(configs)} jobs" if len(configs) > 1 else "# one job"
    heading = f"{jobs}; a list of the values of: {', '.join(axes)}" if axes else jobs
    return f"{heading}\n{yaml.safe_dump(merged, sort_keys=False, allow_unicode=True)}"


def _merged(values: Sequence[Any], name: str, axes: list[str]) -> Any:
    """One value for all jobs; names of those that differ are added to axes."""
    if all(isinstance(value, Mapping) for value in values):
        keys = dict.fromkeys(key for value in values for key in value if key != _OWN)
        return {
            key: _merged([value.get(key) for value in values], f"{name}.{key}".lstrip("."), axes)
            for key in keys
        }
    distinct = [value for place, value in enumerate(values) if value not in values[:place]]
    if len(distinct) == 1:
        return distinct[0]
    axes.append(name)
    return distinct
