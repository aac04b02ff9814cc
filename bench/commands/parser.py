"""Click as our commands use it: help that ends with an example, errors in a line with their cure.

It knows no command; bench/commands/program.py names them all.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from denoisebench.bench.commands.flags import LONG, MEANINGS, VALUES, split_flags
from denoisebench.bench.errors import UserError, suggestion

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
WANTS_A_RUN = "name one run folder, such as runs/demo; `denoisebench list runs` names the runs"
_SHORT_WITH_VALUE = re.compile(r"-\w=")


class Command(click.Command):
    """A command whose help ends with an example, and whose errors are UserErrors.

    wants: what to give, said where arguments are missing or too many.
    """

    def __init__(self, name: str | None, *, example: str, wants: str = "", **options: Any):
        super().__init__(name, context_settings=CONTEXT, **options)
        self.example, self.wants = f"denoisebench {example}", wants

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = " ".join([str(ctx.info_name), *args])
        # Click would take the value of -o=FILE to be =FILE.
        parts = [word.split("=", 1) if _SHORT_WITH_VALUE.match(word) else [word] for word in args]
        try:
            return super().parse_args(ctx, [part for word in parts for part in word])
        except click.NoSuchOption as error:
            name, known = error.option_name, self._options(ctx)
            raise UserError(f"{name}: unknown option; {suggestion(name, known)}") from error
        except click.BadOptionUsage as error:
            name, option = error.option_name, self._options(ctx)[error.option_name]
            cure = "takes no value; give it alone" if option.is_flag else "give it a value"
            raise UserError(f"{name}: {cure}") from error
        except click.UsageError as error:
            raise UserError(f"{given}: {self.wants}") from error

    def _options(self, ctx: click.Context) -> dict[str, click.Option]:
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        return {name: option for option in options for name in option.opts}

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            for line in self.example.splitlines():
                formatter.write(f"  {line}\n")


class Overrides(Command):
    """A command that takes KEY=VALUE for Hydra, and the flags of bench/commands/flags.py.

    config: the config of the package that holds its settings. switches: its own flags, which take
    no value, and what each does.
    """

    def __init__(
        self, name: str | None, *, config: str, switches: Mapping[str, str], **options: Any
    ):
        super().__init__(name, options_metavar="[KEY=VALUE ...] [FLAGS]", **options)
        self.config, self.switches = config, switches

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags, overrides = split_flags(args, own=[*self.switches])
        if "--help" in flags:
            click.echo(ctx.get_help())
            ctx.exit()
        ctx.params = {"flags": flags, "overrides": overrides}
        return []

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from denoisebench.bench.commands.settings_help import write_settings

        write_settings(self.config, formatter)
        with formatter.section("Flags"):
            rows = {**self.switches, **MEANINGS}
            formatter.write_dl([(_with_value(name), meaning) for name, meaning in rows.items()])


def _with_value(flag: str) -> str:
    """`-c, --cfg job|hydra|all`"""
    names = ", ".join([*(short for short, name in LONG.items() if name == flag), flag])
    return " ".join([names, "|".join(VALUES[flag]) or "VALUE"]) if flag in VALUES else names


class Words(click.ParamType[Any]):
    """Text of a pattern, read by a function. wants: what to give, as an error says it."""

    name = "text"

    def __init__(self, pattern: str, wants: str, *, read: Callable[[str], Any] = str):
        self._pattern, self._wants, self._read = re.compile(pattern), wants, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):  # a default
            return value
        if not self._pattern.fullmatch(value):
            option = f"{param.opts[-1]}=" if isinstance(param, click.Option) else ""
            raise UserError(f"{option}{value}: give {self._wants}")
        return self._read(value)


FOLDER = Words(".+", "a folder", read=Path)
FILE = Words(".+", "a file", read=Path)


Function = Callable[..., int]  # of a command


def run_argument(function: Function) -> Function:
    """The argument RUN of a command, as `folder`."""
    return click.argument(
        "folder", metavar="RUN", type=FOLDER, help="folder of a run, such as runs/demo"
    )(function)
