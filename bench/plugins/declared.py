"""The decorator that says what a metric of one's own means: `from denoisebench import metric`.

Standard library alone: it runs in interpreters that have nothing of denoisebench's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

BETTER = ("higher", "lower")
_MARK = "denoisebench_metric"
F = TypeVar("F", bound=Callable[..., Any])


def metric(
    *function: Any,
    better: str,
    label: str = "",
    unit: str = "",
    name: str = "",
    files: Iterable[str] = (),
) -> Callable[[F], F]:
    """Declares a function that gives each image a number as a metric.

    The function takes images [N, 3, H, W] uint8 and their N prompts, and returns N finite numbers.
    better: "higher" or "lower"; label: of charts and tables; name: of the column, the function's
    own where it is empty; files: weights and other data that the numbers depend on, by path.

    Raises ValueError for another direction, and for arguments of another kind.
    """
    if better not in BETTER:
        raise ValueError(f"@metric(better={better!r}): give {' or '.join(map(repr, BETTER))}")
    for called, value in {"label": label, "unit": unit, "name": name}.items():
        if not isinstance(value, str):
            raise ValueError(f"@metric({called}={value!r}): give a text")
    if isinstance(files, (str, bytes)) or not isinstance(files, Iterable):
        raise ValueError(f"@metric(files={files!r}): give a list of paths")
    if function:
        raise ValueError(f"@metric({function[0]!r}): put @metric(better=…) above the function")

    def declare(function: F) -> F:
        if not callable(function):
            raise ValueError(f"@metric(…): {function!r} is no function; put it above one")
        column = name or getattr(function, "__name__", "")
        if not column:
            raise ValueError(f"@metric(…): {function!r} has no name; give it one: name=…")
        lines = (function.__doc__ or "").strip().splitlines()
        facts = {
            "name": column,
            "better": better,
            "label": label or column.replace("_", " ").capitalize(),
            "unit": unit,
            "meaning": lines[0] if lines else "a metric of the user's own",
            "files": [str(file) for file in files],
        }
        setattr(function, _MARK, facts)
        return function

    return declare


def declared(function: Any) -> dict[str, Any] | None:
    """What the decorator was given of a function, by name; None where it has none."""
    facts: dict[str, Any] | None = getattr(function, _MARK, None)
    return facts
