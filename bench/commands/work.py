"""`denoisebench work`: helps a sweep that was planned with workers."""

import re

from denoisebench.bench.commands.console import run_folder, terminal
from denoisebench.bench.errors import UserError

_OPTIONS = {"--wait": "[0-9]{1,9}", "--store": "s3://.*"}  # and what their values look like


def work(arguments: list[str]) -> int:
    """Works on a run until nothing is left, from any machine that sees its folder or bucket."""
    from denoisebench.bench.queue.worker import work as work_on

    folders = [argument for argument in arguments if not argument.startswith("-")]
    options = _options([argument for argument in arguments if argument.startswith("-")])
    folder, console = run_folder(folders), terminal()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    wait_s = float(options.get("--wait", 0))
    pieces = work_on(folder, say, bucket=options.get("--store"), wait_s=wait_s)
    say(f"nothing is left to do: {pieces} pieces were made here")
    return 0


def _options(arguments: list[str]) -> dict[str, str]:
    """Values by name."""
    options = dict(argument.partition("=")[::2] for argument in arguments)
    if len(options) < len(arguments) or not all(
        name in _OPTIONS and re.fullmatch(_OPTIONS[name], value) for name, value in options.items()
    ):
        raise UserError(
            f"{' '.join(arguments)}: work takes --wait=SECONDS, such as --wait=600, and "
            "--store=s3://BUCKET/PREFIX, where the sweep's store is a bucket"
        )
    return options
