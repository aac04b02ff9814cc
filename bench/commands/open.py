"""`denoisebench open`: the page of a run, or that of several together, in the browser."""

from pathlib import Path

import click

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.parser import WANTS_RUNS, Command, runs_argument
from denoisebench.bench.errors import UserError

_PAGES = ("report.html", "verify.html", "caches.html")  # of a sweep, of verifications


@click.command(
    "open",
    cls=Command,
    wants=WANTS_RUNS,
    example="open runs/demo\ndenoisebench open runs/monday runs/tuesday",
)
@runs_argument
def open_page(folders: tuple[Path, ...]) -> int:
    """Opens the report of a run in the browser.

    Of several runs the page that `denoisebench report` made of them together. Or the page of a
    verification, such as runs/verify.
    """
    import webbrowser

    page = _page_of(folders)
    if not webbrowser.open(page.resolve().as_uri()):
        raise UserError(f"no browser can be started here: open {page} in one")
    terminal().print(f"opened: {page}", highlight=False, soft_wrap=True)
    return 0


def _page_of(folders: tuple[Path, ...]) -> Path:
    """Raises UserError where there is none, with the command that makes it, and for no run."""
    from denoisebench.reports.several.place import joint_folder

    folder = folders[0] if len(folders) == 1 else joint_folder(folders)
    for name in _PAGES:
        if (folder / name).is_file():
            return folder / name
    for one in folders:
        if not one.is_dir():
            raise UserError(f"{one}: there is no such run; `denoisebench list runs` names the runs")
    command = f"denoisebench report {' '.join(map(str, folders))}"
    if len(folders) > 1:
        raise UserError(f"there is no page of these runs together; `{command}` makes it")
    raise UserError(f"{folder} has no page; `{command}` makes that of a run")
