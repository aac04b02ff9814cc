"""`denoisebench list`: what there is to choose from."""

import click

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.parser import Command, Words, one_of
from denoisebench.bench.errors import UserError, suggestion

WHAT = (
    "models",
    "schedulers",
    "metrics",
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
def show(subject: str) -> int:
    """Lists what a sweep can name, and the runs."""
    if subject not in WHAT:
        raise UserError(f"list has no {subject!r}; {suggestion(subject, WHAT)}")
    from denoisebench.bench.commands.tables import LISTINGS

    terminal().print(LISTINGS[subject]())
    return 0
