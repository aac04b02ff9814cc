"""`denoisebench fetch`: gets from the hub what a sweep needs."""

from typing import TYPE_CHECKING

import click
from rich.table import Table

from denoisebench.bench.commands.completion import SETTING
from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.hydra import composed_as_typed
from denoisebench.bench.commands.parser import Command
from denoisebench.bench.errors import UserError
from denoisebench.bench.models.files import size_words

if TYPE_CHECKING:
    from denoisebench.bench.plan.wanted import Wanted


@click.command(
    cls=Command,
    wants="give what `denoisebench sweep` would be given, such as model=sdxl",
    example="fetch model=sdxl metrics=clip --dry-run",
)
@click.argument("settings", metavar="KEY=VALUE ...", nargs=-1, required=True, type=SETTING)
@click.option("--dry-run", is_flag=True, help="Say what is missing and its size, and get nothing.")
def fetch(settings: tuple[str, ...], dry_run: bool) -> int:
    """Gets from the hub what a sweep needs.

    Those are weights of models and metrics, and prompts. Sizes are said first. What is here already
    is not asked for again; what no hub has is said, with the place where to put it.
    """
    from denoisebench.bench.plan.wanted import by_hand, wanted
    from denoisebench.bench.settings.job import check_settings, without_unset

    console = terminal()
    parts: dict[tuple[str, str], Wanted] = {}
    to_give: dict[str, None] = {}
    to_place: dict[str, None] = {}
    for config in composed_as_typed(settings):
        filled, unset = without_unset(config)
        to_give |= dict.fromkeys(unset)
        checked, problems = check_settings(filled)
        if checked is None:
            raise UserError("\n".join(problems))
        parts |= {(part.repository, part.title): part for part in wanted(checked)}
        to_place |= dict.fromkeys(by_hand(checked))
    if parts:
        console.print(_table([*parts.values()]))
    for part in () if dry_run else parts.values():
        part.fetch()
        console.print(f"{part.title}: here", markup=False, highlight=False, soft_wrap=True)
    if not parts:
        console.print("nothing is missing that the hub has", highlight=False)
    for line in to_place:
        console.print(f"by hand: {line}", markup=False, highlight=False, soft_wrap=True)
    for line in to_give:
        console.print(f"a sweep waits for {line}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _table(parts: list["Wanted"]) -> Table:
    table = Table("what", "from", "files", "size")
    for part in parts:
        table.add_row(part.title, part.repository, str(len(part.files)), size_words(part.size))
    table.caption = f"{size_words(sum(part.size for part in parts))} in all"
    return table
