"""`denoisebench inspect`: what a sweep would know of a model."""

import re
import shlex
from typing import TYPE_CHECKING

import click
from rich.table import Table

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.hydra import composed, open_setting
from denoisebench.bench.commands.parser import Command
from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import conf_group

if TYPE_CHECKING:
    from denoisebench.bench.plan.inspected import Inspected

_USUAL = ("ddim", "dpmpp_2m", "flow_euler", "flow_dpmpp_2m", "flow_unipc")  # of a first curve


@click.command(
    cls=Command,
    wants="name a model of `denoisebench list models`, a folder, an id of the hub or a file",
    example="inspect ORG/NAME model.revision=main",
)
@click.argument("model", metavar="MODEL", help="a name, a folder, an id of the hub or a file")
@click.argument("settings", metavar="[KEY=VALUE ...]", nargs=-1, help="as a sweep takes them")
def inspect(model: str, settings: tuple[str, ...]) -> int:
    """Says what is read off a model, from which file.

    And which schedulers drive it. Nothing is loaded but configs and pieces of diffusers.
    """
    from denoisebench.bench.plan.inspected import inspected
    from denoisebench.bench.settings.job import check_settings

    ready = {file.name.removesuffix(".yaml") for file in conf_group("model").iterdir()}
    model = re.sub(r"^model(\.path)?=", "", model)  # as a sweep is told it
    chosen = f"model={model}" if model in ready else f"model.path={model}"
    configs = _configs([chosen, *settings])
    if len(configs) != 1:
        raise UserError(f"inspect {model}: looks at one model at a time; give single values")
    checked, problems = check_settings(configs[0])
    if checked is None:
        raise UserError("\n".join(problems))
    _show(inspected(checked), [chosen, *settings])
    return 0


def _configs(overrides: list[str]) -> list[dict[str, object]]:
    return composed({"--multirun": ""}, [open_setting(override) for override in overrides])


def _show(model: "Inspected", chosen: list[str]) -> None:
    console, table = terminal(), Table("what", "value", "read in", title=model.name)
    for fact in model.facts:
        table.add_row(fact.name, fact.value, fact.source)
    console.print(table)
    lines = [f"schedulers that drive it: {', '.join(model.fitting) or 'none'}"]
    lines += [f"not {name}: {reason}" for name, reason in model.unfit.items()]
    if model.fitting:
        usual = [name for name in _USUAL if name in model.fitting]
        some = ",".join((usual or model.fitting)[:2])
        command = ["denoisebench", "sweep", *chosen, f"scheduler={some}", "steps=4,8,16,32"]
        lines.append(f"its curve: {shlex.join(command)}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
