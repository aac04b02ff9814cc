"""`denoisebench list`: what there is to choose from."""

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.errors import UserError, suggestion


def show(arguments: list[str]) -> int:
    """Lists what there is to choose from."""
    from denoisebench.bench.commands.tables import LISTINGS

    if len(arguments) != 1 or arguments[0] not in LISTINGS:
        wanted = arguments[0] if arguments else ""
        raise UserError(f"list {wanted}: {suggestion(wanted, LISTINGS)}")
    terminal().print(LISTINGS[arguments[0]]())
    return 0
