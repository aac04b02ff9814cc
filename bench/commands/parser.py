"""Click as our commands use it: help that ends with an example, errors in a line with their cure.

It knows no command; bench/commands/program.py names them all.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from denoisebench.bench.commands.flags import LONG, MEANINGS, VALUES, cure_of, split_flags
from denoisebench.bench.errors import UserError, suggestion

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
WANTS_A_RUN = "name one run folder, such as runs/demo; `denoisebench list runs` names the runs"
WANTS_RUNS = (
    "name a run folder, such as runs/demo, or several for one page of them; `denoisebench list "
    "runs` names the runs"
)
_SHORT_WITH_VALUE = re.compile(r"-\w=")


def _nearest(name: str, _: str, known: Sequence[str]) -> str:
    return suggestion(name, known)


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
            name, known = error.option_name, [*self._options(ctx)]
            following = next((after for word, after in pairwise(args) if word == name), "")
            mend = cure_of if self._takes_settings else _nearest
            raise UserError(f"{name}: unknown option; {mend(name, following, known)}") from error
        except click.BadOptionUsage as error:
            name, option = error.option_name, self._options(ctx)[error.option_name]
            cure = "takes no value; give it alone" if option.is_flag else "give it a value"
            raise UserError(f"{name}: {cure}") from error
        except click.UsageError as error:
            help_text = f"`denoisebench {ctx.info_name} --help` says what it takes"
            raise UserError(f"{given}: {self.wants or help_text}") from error

    @property
    def _takes_settings(self) -> bool:
        return any("KEY=VALUE" in str(part.metavar) for part in self.params)

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
        if ctx.resilient_parsing:  # of a line that is being typed
            return []
        flags, overrides = split_flags(args, own=[*self.switches])
        if "--help" in flags:
            click.echo(ctx.get_help())
            ctx.exit()
        ctx.params = {"flags": flags, "overrides": overrides}
        return []

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        from denoisebench.bench.commands.completion import of_settings

        flags = one_of((*self.switches, *MEANINGS))(incomplete)
        settings = () if incomplete.startswith("-") else of_settings(self.config, incomplete)
        return [CompletionItem(word) for word in (*(flags if incomplete else ()), *settings)]

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
    """Text of a pattern, read by a function.

    wants: what to give, as an error says it. offers: what begins as a word that is being typed.
    """

    name = "text"

    def __init__(
        self,
        pattern: str,
        wants: str,
        *,
        read: Callable[[str], Any] = str,
        offers: Callable[[str], Iterable[str]] = lambda word: (),
    ):
        self._pattern, self._wants, self._read = re.compile(pattern), wants, read
        self._offers = offers

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):  # a default
            return value
        if not self._pattern.fullmatch(value):
            option = f"{param.opts[-1]}=" if isinstance(param, click.Option) else ""
            raise UserError(f"{option}{value}: give {self._wants}")
        return self._read(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        given = ctx.params.get(param.name or "")  # those before it, of an argument that repeats
        before = {str(value) for value in given} if isinstance(given, tuple) else set()
        return [CompletionItem(word) for word in self._offers(incomplete) if word not in before]


def one_of(names: Iterable[str]) -> Callable[[str], Iterable[str]]:
    """The offers of a text that is one of some names."""
    return lambda word: [name for name in names if name.startswith(word)]


def paths(word: str, suffixes: tuple[str, ...] = ()) -> list[str]:
    """Folders, and files of these suffixes, that begin as the word does; hidden ones where it
    does."""
    folder, slash, name = word.rpartition("/")
    place = Path((folder or "/") if slash else ".").expanduser()
    try:
        inside = sorted(place.iterdir())
    except OSError:
        return []
    return [
        f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}"
        for path in inside
        if path.name.startswith(name)
        and (name or not path.name.startswith("."))
        and (path.is_dir() or path.name.lower().endswith(suffixes))
    ]


def folders(word: str) -> list[str]:
    """Folders on the way to what is being typed."""
    return paths(word)


def files(word: str) -> list[str]:
    """Folders and packs on the way to what is being typed."""
    return paths(word, (".dbpack",))


def runs(word: str) -> list[str]:
    """Runs in the usual folder that begin so; folders where there are none."""
    here = sorted(str(marker.parent) for marker in Path("runs").glob("*/sweep.json"))
    return [name for name in here if name.startswith(word)] or folders(word)


FOLDER = Words(".+", "a folder", read=Path, offers=folders)
FILE = Words(".+", "a file", read=Path, offers=files)
RUN = Words(".+", "a folder", read=Path, offers=runs)
Function = Callable[..., int]  # of a command


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, a program's to read, in place of tables."
)


def run_argument(function: Function) -> Function:
    """The argument RUN of a command, as `folder`."""
    return click.argument(
        "folder", metavar="RUN", type=RUN, help="folder of a run, such as runs/demo"
    )(function)


def runs_argument(function: Function) -> Function:
    """The argument RUN... of a command, one or more, as `folders`."""
    return click.argument(
        "folders",
        metavar="RUN...",
        nargs=-1,
        required=True,
        type=RUN,
        help="folders of runs, such as runs/demo",
    )(function)
