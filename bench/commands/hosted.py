"""`denoisebench sweep` of models that a service runs. Heavy libraries are imported inside."""

import re
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from denoisebench.bench.commands.console import measuring_bar, terminal
from denoisebench.bench.errors import UserError
from denoisebench.bench.records.names import counted

if TYPE_CHECKING:
    from denoisebench.bench.hosted.plan import HostedCell
    from denoisebench.bench.hosted.run import Need
    from denoisebench.bench.imported.plan import Given

# Settings that mean something where a service makes the images, whole groups by their name.
_TAKEN = (
    *("model", "hosted", "prompts", "metrics", "margins", "tracking", "samples", "seed"),
    *("device", "threads", "batch_size", "images", "runs", "run", "store", "dry_run", "hydra"),
)


def are_hosted(configs: Sequence[dict[str, Any]]) -> bool:
    """Whether composed configs are of models that a service runs, or some of them."""
    return any((config["model"].get("hosted") or {}).get("service") for config in configs)


def sweep_hosted(configs: list[dict[str, Any]], command: str) -> int:
    """Asks services for what is missing, within the budget, then scores and reports it as a sweep
    does. command: as typed. 1 when a cell failed.

    Raises UserError for what cannot be asked, is not to be spent, or stops the asking.
    """
    _refuse_vain(shlex.split(command)[2:])
    from denoisebench.bench.hosted.plan import hosted_cells
    from denoisebench.bench.hosted.run import check_budget, needs_of

    console = terminal()
    cells = hosted_cells(configs)
    needs = needs_of(cells)
    for need in filter(lambda need: need.numbers, needs):
        console.print(need.words, markup=False, highlight=False, soft_wrap=True)
    check_budget(needs)
    is_whole = not any(need.numbers for need in needs)
    if is_whole:
        console.print("every image is here: no service is asked", highlight=False)
    if configs[0]["dry_run"]:
        return 0
    if not is_whole:
        _confirm(needs)
        _get(needs)
    return _scored(cells, command)


def _refuse_vain(words: Sequence[str]) -> None:
    for word in (word for word in words if not word.startswith("-")):
        name = re.split("[.=]", word.lstrip("+~"))[0]
        if name not in _TAKEN:
            raise UserError(
                f"{word}: means nothing for a hosted model, whose service decides it; leave it out"
            )


def _confirm(needs: Sequence["Need"]) -> None:
    """Raises UserError where nobody has said yes."""
    usd = sum(need.usd for need in needs)
    if not usd or needs[0].cell.settings.hosted.confirm:
        return
    question = f"Prompts go to {', '.join(dict.fromkeys(n.cell.host for n in needs))}. Spend ${usd}"
    question += f", and with what is sent again at most ${needs[0].cell.settings.hosted.max_usd:g}"
    if not sys.stdin.isatty():
        raise UserError(f"{question}? Nobody is here to say yes: give hosted.confirm=true")
    try:
        is_yes = click.confirm(question, default=False)
    except click.Abort:
        is_yes = False
    if not is_yes:
        raise UserError("nothing was sent")


def _get(needs: Sequence["Need"]) -> None:
    """Gets the images, and says how many came."""
    from denoisebench.bench.hosted.run import get_images, spent_in

    console = terminal()
    with measuring_bar(console) as bar:
        task = bar.add_task("images", total=sum(len(need.numbers) for need in needs))
        get_images(needs, seen=lambda: bar.advance(task))
    spent = spent_in(needs[0].cell.root)
    images = counted(spent.images, "image")
    console.print(f"spent so far: ${spent.usd} on {images}", highlight=False)


def _scored(cells: list["HostedCell"], command: str) -> int:
    from denoisebench.bench.commands.sweep import finish
    from denoisebench.bench.hosted.plan import scored_plan
    from denoisebench.bench.imported.store import import_pictures
    from denoisebench.bench.records.store import Store
    from denoisebench.bench.sweep.account import accounted
    from denoisebench.bench.sweep.sweep import run_sweep

    console = terminal()
    given: Given = scored_plan(cells)
    for warning in given.plan.warnings:
        line = f"warning: {warning}"
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    import_pictures(given, Store.make(given.plan.store_root), begin=lambda images: None)
    with accounted(given.plan.run_folder, command) as account:
        outcome = run_sweep(given.plan, console, account=account)
        finish(outcome, given.plan)
    return 1 if outcome.lost else 0
