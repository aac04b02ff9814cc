"""What commands share: the terminal, versions."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


_UNBOUNDED = 100_000  # characters of a line that a program reads


def versions() -> str:
    """What a report of a fault should say: versions and devices, a line each."""
    from importlib.metadata import version
    from platform import python_version

    from denoisebench.bench.machine import devices

    lines = [f"denoisebench {version('denoisebench')}", f"Python {python_version()}"]
    lines += [f"{name} {version(name)}" for name in ("torch", "diffusers")]
    return "\n".join([*lines, *(f"device {device}" for device in devices())])


def measuring_bar(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True)


def print_json(value: Any) -> None:
    """Prints plain values as JSON; numbers that are not finite are null there."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_json_line(value: Any) -> None:
    """Prints plain values as JSON in one line, at once."""
    click.echo(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_finite, value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_cautions(cautions: Iterable[str]) -> None:
    """What to know before believing the numbers above, as the page says it."""
    for caution in cautions:
        terminal().print(f"caution: {caution}", style="yellow", highlight=False, soft_wrap=True)


def terminal() -> "Console":
    """The terminal, as wide as COLUMNS says where it is set. Where the output is read by a program
    tables have no frames, and a line each row unless COLUMNS bounds it."""
    from rich.console import Console

    class Terminal(Console):
        """Leaves it to the door what a reader that has seen enough means; Rich's own exits by 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

        def print(self, *objects: Any, **options: Any) -> None:
            shown = objects if self.is_terminal else map(_plain, objects)
            super().print(*shown, **options)

    console = Terminal()
    if console.is_terminal or os.environ.get("COLUMNS", "").isdigit():
        return console
    return Terminal(width=_UNBOUNDED)


def _plain(renderable: Any) -> Any:
    """The same without the frames of tables."""
    from rich.console import Group
    from rich.table import Table

    if isinstance(renderable, Group):
        return Group(*map(_plain, renderable.renderables))
    if isinstance(renderable, Table):
        renderable.box, renderable.pad_edge = None, False
        renderable.title_justify = renderable.caption_justify = "left"
    return renderable
