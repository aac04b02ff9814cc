"""`denoisebench inspect`: what a sweep would know of a model."""

import re
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from denoisebench.bench.commands.completion import SETTING
from denoisebench.bench.commands.console import print_json, terminal
from denoisebench.bench.commands.hydra import choices_of, composed_as_typed
from denoisebench.bench.commands.parser import Command, Words, json_option, paths
from denoisebench.bench.commands.typed import PATHS
from denoisebench.bench.errors import UserError

if TYPE_CHECKING:
    from denoisebench.bench.plan.inspected import Inspected

_USUAL = ("ddim", "dpmpp_2m", "flow_euler", "flow_dpmpp_2m", "flow_unipc")  # of a first curve
_MODEL = Words(".+", "a model", offers=lambda word: [*_ready(word), *_paths(word)])


def _ready(word: str) -> list[str]:
    return [name for name in sorted(choices_of("model")) if name.startswith(word)]


def _paths(word: str) -> list[str]:
    return paths(word, PATHS["model.path"])


@click.command(
    cls=Command,
    wants="name a model of `denoisebench list models`, a folder, an id of the hub or a file",
    example="inspect ORG/NAME model.revision=main",
)
@click.argument(
    "model", metavar="MODEL", type=_MODEL, help="a name, a folder, an id of the hub or a file"
)
@click.argument(
    "settings", metavar="[KEY=VALUE ...]", nargs=-1, type=SETTING, help="as a sweep takes them"
)
@json_option
def inspect(model: str, settings: tuple[str, ...], *, as_json: bool) -> int:
    """Says what is read off a model, from which file.

    And which schedulers drive it. Nothing is loaded but configs and pieces of diffusers.
    """
    from denoisebench.bench.plan.inspected import inspected
    from denoisebench.bench.settings.job import check_settings, without_unset

    model = re.sub(r"^model(\.path)?=", "", model)  # as a sweep is told it
    chosen = f"model={model}" if model in choices_of("model") else f"model.path={model}"
    configs = composed_as_typed([chosen, *settings])
    if len(configs) != 1:
        raise UserError(f"inspect {model}: looks at one model at a time; give single values")
    config, _ = without_unset(configs[0])  # prompts, say, of which nothing is asked here
    checked, problems = check_settings(config)
    if checked is None:
        raise UserError("\n".join(problems))
    read = inspected(checked)
    if as_json:
        print_json(_record(read))
    else:
        _show(read, [chosen, *settings])
    return 0


def _record(model: "Inspected") -> dict[str, Any]:
    return {
        "name": model.name,
        "facts": [asdict(fact) for fact in model.facts],
        "schedulers": model.fitting,
        "unfit": [{"schedulers": names, "reason": why} for why, names in model.unfit.items()],
    }


def _show(model: "Inspected", chosen: list[str]) -> None:
    console, table = terminal(), Table("what", "value", "read in", title=model.name)
    for fact in model.facts:
        table.add_row(fact.name, fact.value, fact.source)
    console.print(table)
    lines = [f"schedulers that drive it: {', '.join(model.fitting) or 'none'}"]
    lines += [f"not {', '.join(names)}: {reason}" for reason, names in model.unfit.items()]
    if model.fitting:
        usual = [name for name in _USUAL if name in model.fitting]
        some = ",".join((usual or model.fitting)[:2])
        command = ["denoisebench", "sweep", *chosen, f"scheduler={some}", "steps=4,8,16,32"]
        lines.append(f"its curve: {shlex.join(command)}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
