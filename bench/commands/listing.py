"""`denoisebench list`: what there is to choose from."""

import click

from denoisebench.bench.commands.console import print_json, terminal
from denoisebench.bench.commands.parser import Command, Words, json_option, one_of
from denoisebench.bench.errors import UserError, suggestion

WHAT = (
    "models",
    "schedulers",
    "metrics",
    "references",
    "margins",
    "tasks",
    "prompts",
    "experiments",
    "columns",
    "plugins",
    "runs",
)

_ANY = Words(".*", "", offers=one_of(WHAT))  # whether there is such a listing is said below


@click.command(
    "list",
    cls=Command,
    wants=f"name one thing to list, of {', '.join(sorted(WHAT))}",
    example="list schedulers",
)
@click.argument("subject", metavar="WHAT", type=_ANY, help=f"one of {', '.join(WHAT)}")
@json_option
def show(subject: str, as_json: bool) -> int:
    """Lists what a sweep can name, and the runs."""
    if subject not in WHAT:
        raise UserError(f"list has no {subject!r}; {suggestion(subject, WHAT)}")
    from denoisebench.bench.commands.tables import LISTINGS, records_of

    if as_json:
        print_json(records_of(subject))
        return 0
    terminal().print(LISTINGS[subject]())
    return 0
