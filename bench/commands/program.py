"""The program: its commands by name, and where each is. A command's module is loaded when it is
called or when all are listed; heavy libraries are imported within the functions."""

from collections.abc import Sequence
from importlib import import_module

import click

from denoisebench.bench.commands.parser import CONTEXT
from denoisebench.bench.errors import UserError, suggestion

# Name of a command: its module in bench/commands, and its object there.
COMMANDS = {
    "demo": "sweep:demo",
    "sweep": "sweep:sweep",
    "verify": "verify:verify",
    "inspect": "inspect:inspect",
    "fetch": "fetch:fetch",
    "score": "score:score",
    "report": "report:report",
    "open": "open:open_page",
    "watch": "watch:watch",
    "compare": "report:compare",
    "pack": "check:pack",
    "check": "check:check",
    "power": "check:power",
    "history": "check:history",
    "log": "log:log",
    "work": "work:work",
    "list": "listing:show",
    "doctor": "doctor:doctor",
    "completion": "completion:completion",
}
EXIT_CODES = (
    "Exit codes: 0 done, 1 a cell failed or a scheduler deviates or something got worse or doctor "
    "found a fault, 2 usage error, 3 a check is undecided, 130 stopped."
)


class Program(click.Group):
    """The commands in their order, each loaded when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(f"denoisebench.bench.commands.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            raise UserError(f"unknown command {name!r}; {suggestion(name, COMMANDS)}")
        return name, command, args[1:]


def call(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code. Raises UserError for what the user can mend."""
    words = [*arguments]
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    elif words and _is_of_a_sweep(words[0]):  # denoisebench -m model=… is Hydra's own way to call
        words = ["sweep", *words]
    try:
        with PROGRAM.make_context("denoisebench", words or ["--help"]) as context:
            return int(PROGRAM.invoke(context))
    except click.exceptions.Exit as end:
        return end.exit_code if arguments else 2


def _is_of_a_sweep(word: str) -> bool:
    """Whether the command is left out before a setting or a flag of `sweep`."""
    is_ours = word in ("--version", "-h", "--help")
    return word not in COMMANDS and not is_ours and ("=" in word or word.startswith("-"))


def _print_versions(context: click.Context, option: click.Parameter, is_wanted: bool) -> None:
    from denoisebench.bench.commands.console import versions

    if is_wanted and not context.resilient_parsing:
        click.echo(versions())
        context.exit()


PROGRAM = Program(
    "denoisebench",
    help="Sweeps diffusion models x schedulers x steps x guidance, scores each cell, decides.\n\n"
    "`denoisebench COMMAND --help` has the options and an example of a command.",
    epilog=EXIT_CODES,
    context_settings=CONTEXT,
    subcommand_metavar="COMMAND ...",
    options_metavar="",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_versions,
            help="Versions of denoisebench, Python, torch and diffusers, and the devices.",
        )
    ],
)
