"""`denoisebench completion`: what a shell offers while a line is typed."""

import re
import shlex
from collections.abc import Iterable, Iterator

import click
from click.shell_completion import ShellComplete

from denoisebench.bench.commands.flags import FOLDERS
from denoisebench.bench.commands.parser import Command, Words, folders, paths
from denoisebench.bench.commands.typed import PATHS

# Each asks for the words that the line may go on with; a word that is finished ends with a space.
SCRIPTS = {
    "bash": r"""_denoisebench() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n' breaks word kept=""
    COMPREPLY=($(denoisebench completion bash --line "$line" 2>/dev/null))
    # Bash takes a word to begin behind = and :, so what stands before is not repeated.
    breaks="${COMP_WORDBREAKS//[^=:]/}"
    word="${line//\\ /__}" word="${word##* }"
    [ -n "$breaks" ] && kept="${word%"${word##*[$breaks]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}
complete -o nospace -F _denoisebench denoisebench
""",
    "zsh": r"""#compdef denoisebench
_denoisebench() {
    local -a offers
    offers=("${(@f)$(denoisebench completion zsh --line "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    compadd -- "${(@)${(@M)offers:#* }% }"
    compadd -S '' -- "${(@)offers:#* }"
}
compdef _denoisebench denoisebench
""",
    "fish": r"""function __denoisebench
    set -l line (commandline -cp | string collect)
    denoisebench completion fish --line "$line" 2>/dev/null | string trim -r
end
complete -c denoisebench -f -a '(__denoisebench)'
""",
}
_SPECIAL = re.compile(r"([^\w./~:=,+@%\[\]-])")  # signs that mean something to a shell


@click.command(
    cls=Command,
    wants=f"name a shell, one of {', '.join(SCRIPTS)}",
    example="completion bash >> ~/.bashrc",
)
@click.argument("shell", type=click.Choice([*SCRIPTS]), metavar="SHELL", help=", ".join(SCRIPTS))
@click.option("--line", metavar="TEXT", help="Print what this line may go on with, a word a line.")
def completion(shell: str, line: str | None) -> int:
    """Prints what makes a shell complete our commands.

    Commands, options, config groups and their choices, settings, runs and paths; for bash, zsh and
    fish. Put it into the shell's start-up file.
    """
    if line is None:
        click.echo(SCRIPTS[shell], nl=False)
        return 0
    for offer in offers(line):
        click.echo(_escaped(offer) if shell == "bash" else offer)
    return 0


def offers(line: str) -> list[str]:
    """Words that may stand in place of the last one of a line, each whole, in order."""
    from denoisebench.bench.commands.program import COMMANDS, PROGRAM
    from denoisebench.bench.errors import UserError

    *before, word = _words(line)
    if before[1:] and before[1] not in (*COMMANDS, "help"):
        return []
    option, given, value = word.partition("=")
    if given and option in FOLDERS:
        return [f"{option}={folder}" for folder in folders(value)]
    shell = ShellComplete(PROGRAM, {}, "denoisebench", "")
    try:
        items = shell.get_completions(before[1:], word)
    except (UserError, click.UsageError):  # of a line that is wrong already
        return []
    before_value = f"{option}=" if given and word.startswith("-") else ""
    values = dict.fromkeys(before_value + item.value for item in items)
    return [*map(_ended, values)]


def _words(line: str) -> list[str]:
    """The words of a line that is being typed: a quote may still be open."""
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        is_open = not line or line[-1].isspace()
        return [*words, ""] if is_open and not closing else words
    return [""]


def _escaped(offer: str) -> str:
    """The word as bash takes it into its line; zsh and fish do this by themselves."""
    word = offer.rstrip(" ")
    return _SPECIAL.sub(r"\\\1", word) + offer[len(word) :]


def _ended(word: str) -> str:
    """A word with a space behind it unless it may go on: a setting, a list of values, a folder."""
    return word if "=" in word or word.endswith("/") else f"{word} "


def of_settings(config: str, word: str) -> Iterator[str]:
    """Settings of a config, or of one of them its values, that begin as a word does."""
    from denoisebench.bench.commands.settings_help import grouped

    name, is_given, values = word.partition("=")
    if is_given:
        before, comma, last = values.rpartition(",")
        given = f"{name}={before}{comma}"
        offers = paths(last, PATHS[name]) if name in PATHS else _values_of(config, name)
        yield from _beginning(word, (given + value for value in offers))
        return
    groups = grouped(config)
    shown = groups["common"] if not word else [s for group in groups.values() for s in group]
    yield from _beginning(word, (f"{setting.name}=" for setting in shown if setting.default))


SETTING = Words(".*", "KEY=VALUE", offers=lambda word: of_settings("sweep", word))


def _values_of(config: str, name: str) -> Iterable[str]:
    """Names of a config group's files; of another setting the values that its type lists."""
    from denoisebench.bench.commands.hydra import choices_of
    from denoisebench.bench.commands.settings_help import settings_of
    from denoisebench.bench.settings.job import Settings
    from denoisebench.bench.settings.unknown import literals_at

    defaults = {setting.name: setting.default for setting in settings_of(config)}
    if names := choices_of(name):
        return sorted(names)
    return (
        ("true", "false")
        if defaults.get(name) in ("true", "false")
        else literals_at(name, Settings)
    )


def _beginning(word: str, offers: Iterable[str]) -> Iterator[str]:
    return (offer for offer in offers if offer.startswith(word))
