"""What commands share: the terminal, versions."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


_PLAIN_WIDTH = 120  # characters of tables that go to a file


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


def print_cautions(cautions: Iterable[str]) -> None:
    """What to know before believing the numbers above, as the page says it."""
    for caution in cautions:
        terminal().print(f"caution: {caution}", style="yellow", highlight=False, soft_wrap=True)


def terminal() -> "Console":
    from rich.console import Console

    class Terminal(Console):
        """Leaves it to the door what a reader that has seen enough means; Rich's own exits by 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = Terminal()
    return console if console.is_terminal else Terminal(width=_PLAIN_WIDTH)
