"""Flags of `sweep` and `verify`: those of Hydra that work here.

They are read before Hydra sees them: its parser answers a wrong flag with the usage of all flags,
and takes whatever word comes next for the value of a flag.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from denoisebench.bench.errors import UserError, suggestion

# Flags that take a value, and which; none named: any.
VALUES: dict[str, tuple[str, ...]] = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--config-dir": (),
    "--config-name": (),
    "--config-path": (),
    "--package": (),
}
FOLDERS = ("--config-dir", "--config-path")  # flags whose value is one
SWITCHES = ("--help", "--hydra-help", "--resolve", "--multirun", "--shell-completion")
MEANINGS = {
    "--help": "Show this message and exit.",
    "--config-dir": "A folder of configs of your own, one folder a group: scheduler/NAME.yaml.",
    "--config-name": "A config to begin with, instead of the command's own.",
    "--config-path": "The folder of that config.",
    "--cfg": "Print Hydra's configs as composed: job, hydra or all; axes have no list there.",
    "--package": "With --cfg: this part of the config alone.",
    "--resolve": "With --cfg: values in place of references to others.",
    "--info": "Print how Hydra composes a config.",
    "--multirun": "Nothing more: a sweep is one always.",
    "--hydra-help": "Hydra's own help.",
    "--shell-completion": "Hydra's own completion; `denoisebench completion` knows all commands.",
}
LONG = {
    "-h": "--help",
    "-m": "--multirun",
    "-sc": "--shell-completion",
    "-c": "--cfg",
    "-i": "--info",
    "-cd": "--config-dir",
    "-cn": "--config-name",
    "-cp": "--config-path",
    "-p": "--package",
}
_CLOSE = 0.75  # likeness of a flag to the one that was meant
_ASK = {"--help", "--hydra-help", "--cfg", "--info", "--shell-completion"}


def asks_hydra(flags: Collection[str]) -> bool:
    """Whether Hydra answers a question instead of running anything."""
    return not _ASK.isdisjoint(flags)


def split_flags(
    arguments: Sequence[str], own: Sequence[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """Flags by their long names with their values, those without one as "", and the other words.

    own: flags of the command itself, without values.
    """
    known = (*VALUES, *SWITCHES, *own)
    words, flags, overrides = deque(arguments), {}, []
    while words:
        word = words.popleft()
        if not word.startswith("-"):
            overrides.append(word)
            continue
        name, joined, value = word.partition("=")
        name = LONG.get(name, name)
        if name not in known:
            following = _next_value(name, words)
            raise UserError(f"{word}: there is no such flag; {cure_of(word, following, known)}")
        if name in VALUES:
            flags[name] = _value_of(name, value if joined else _next_value(name, words))
        elif joined:
            raise UserError(f"{word}: {name} takes no value; give it alone or leave it out")
        else:
            flags[name] = ""
    _check_together(flags)
    return flags, overrides


def _check_together(flags: Mapping[str, str]) -> None:
    asking = [name for name in flags if name in _ASK]
    if len(asking) > 1 or (asking and "--multirun" in flags):
        raise UserError(f"{' '.join(flags)}: give one of these at a time")
    if "--resolve" in flags and "--cfg" not in asking:
        raise UserError("--resolve: give it with --cfg=job, whose values it resolves")


def cure_of(word: str, following: str, known: Sequence[str]) -> str:
    """What to write instead: `steps=2` of --steps=2 and --steps 2, a flag or a setting that is
    spelt so."""
    from denoisebench.bench.settings.job import Settings
    from denoisebench.bench.settings.unknown import meant_setting

    name, _, value = word.lstrip("-").partition("=")
    setting = name.replace("-", "_")
    if setting.split(".")[0] in Settings.model_fields:
        return f"write {setting}={value or following or 'VALUE'}"
    if get_close_matches(f"--{name}", known, n=1, cutoff=_CLOSE):
        return suggestion(f"--{name}", known)
    if meant := meant_setting(setting, cutoff=_CLOSE):
        return f"did you mean {meant}={value or following or 'VALUE'}?"
    return suggestion(word, known)


def _next_value(name: str, words: deque[str]) -> str:
    """The next word, where it can be a value: a flag or a setting is none."""
    if name == "--info" and (not words or words[0] not in VALUES[name]):
        return "all"
    is_value = words and not words[0].startswith("-") and "=" not in words[0]
    return words.popleft() if is_value else ""


def _value_of(name: str, value: str) -> str:
    choices = VALUES[name]
    if not value:
        example = f"{name}={'|'.join(choices) or 'VALUE'}"
        raise UserError(f"{name}: give it a value: {example}")
    if choices and value not in choices:
        raise UserError(f"{name}={value}: unknown; {suggestion(value, choices)}")
    return value
