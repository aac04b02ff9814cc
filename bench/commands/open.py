"""`denoisebench open`: the page of a run in the browser."""

from pathlib import Path

import click

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.parser import WANTS_A_RUN, Command, run_argument
from denoisebench.bench.errors import UserError

_PAGES = ("report.html", "verify.html")  # of a sweep, of a verification


@click.command("open", cls=Command, wants=WANTS_A_RUN, example="open runs/demo")
@run_argument
def open_page(folder: Path) -> int:
    """Opens the report of a run in the browser.

    Or the page of a verification, such as runs/verify.
    """
    import webbrowser

    pages = [folder / name for name in _PAGES if (folder / name).is_file()]
    if not pages:
        raise UserError(f"{folder} has no page; `denoisebench report {folder}` makes that of a run")
    if not webbrowser.open(pages[0].resolve().as_uri()):
        raise UserError(f"no browser can be started here: open {pages[0]} in one")
    terminal().print(f"opened: {pages[0]}", highlight=False, soft_wrap=True)
    return 0
