"""`denoisebench list`: what there is to choose from."""

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.errors import UserError, suggestion


def show(arguments: list[str]) -> int:
    """Lists what there is to choose from."""
    from denoisebench.bench.commands.tables import LISTINGS

    if len(arguments) != 1:
        given = " ".join(["list", *arguments])
        raise UserError(f"{given}: name one thing to list, of {', '.join(sorted(LISTINGS))}")
    (name,) = arguments
    if name not in LISTINGS:
        raise UserError(f"list has no {name!r}; {suggestion(name, LISTINGS)}")
    terminal().print(LISTINGS[name]())
    return 0
