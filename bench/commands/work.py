"""`denoisebench work`: helps a sweep that was planned with workers."""

import re

from denoisebench.bench.commands.console import run_folder, terminal
from denoisebench.bench.errors import UserError


def work(arguments: list[str]) -> int:
    """Works on a run until nothing is left, from any machine that sees its folder."""
    from denoisebench.bench.queue.worker import work as work_on

    folders = [argument for argument in arguments if not argument.startswith("-")]
    options = [argument for argument in arguments if argument.startswith("-")]
    wait_s = _wait_of(options)
    folder, console = run_folder(folders), terminal()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    pieces = work_on(folder, say, wait_s=wait_s)
    say(f"nothing is left to do: {pieces} pieces were made here")
    return 0


def _wait_of(options: list[str]) -> float:
    """Seconds."""
    if not options:
        return 0.0
    name, _, value = options[-1].partition("=")
    if len(options) > 1 or name != "--wait" or not re.fullmatch("[0-9]{1,9}", value):
        raise UserError(f"{' '.join(options)}: work takes --wait=SECONDS alone, such as --wait=600")
    return float(value)
