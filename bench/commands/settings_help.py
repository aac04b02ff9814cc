"""Settings as the help of `sweep` and `verify` shows them: read off the config files with their
comments, in groups, and without composing anything."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import click

from denoisebench.bench.paths import conf_group, group_files

_LINE = re.compile(r"( *)(?:- )?(\w+):(?: +(?!#)(.*?))?(?: +# (.*))?")
_FEW = 8  # choices of a group that a line of help has room for
_REST = "advanced"
_IS_CHOICE, _NAMES = re.compile(r"\.(name|kind)$"), ("model.name", "prompts.name")
# Settings by the group that shows them: a name, or how names begin; what no group has is advanced.
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "sweep": {
        "common": (
            "model",
            "scheduler",
            "steps",
            "guidance",
            "samples",
            "prompts",
            "metrics",
            "margins",
            "sampling",
            "task",
            "strength",
            "negative_prompt",
            "seed",
            "experiment",
            "run",
            "device",
            "dry_run",
        ),
        "model": (
            "model.",
            "scheduler.",
            "prompts.",
            "task.",
            "precision",
            "compile",
            "cache",
            "cache.",
            "guidance_",
            "grid",
            "latents",
        ),
        "metrics": (
            "metrics.",
            "margins.gating.",
            "sampling.",
            "latency",
            "latency.",
            "claims",
            "world",
        ),
    },
    "verify": {"common": ("scheduler", "cache", "out", "own")},
}


@dataclass(frozen=True)
class Setting:
    name: str  # in full, with dots
    default: str  # as YAML has it; "" of the settings below a name
    comment: str


def write_settings(config: str, formatter: click.HelpFormatter) -> None:
    """Writes the settings of a config of the package, sweep or verify, group by group."""
    for group, settings in grouped(config).items():
        with formatter.section(f"{group.capitalize()} settings"):
            formatter.write_dl([(_as_given(setting), setting.comment) for setting in settings])


def _as_given(setting: Setting) -> str:
    """`steps=20`; `slurm.…` of the settings below a name."""
    return f"{setting.name}={setting.default}" if setting.default else f"{setting.name}.…"


def grouped(config: str) -> dict[str, list[Setting]]:
    """Settings by the group that shows them, in the order of GROUPS and of the files."""
    groups = GROUPS[config]
    members: dict[str, list[Setting]] = {group: [] for group in (*groups, _REST)}
    for setting in settings_of(config):
        members[_group_of(setting.name, groups)].append(setting)
    for group, names in groups.items():
        members[group].sort(key=lambda setting: _place(setting.name, names))
    return {group: settings for group, settings in members.items() if settings}


def _group_of(name: str, groups: Mapping[str, Sequence[str]]) -> str:
    for group, names in groups.items():
        if _place(name, names) < len(names):
            return group
    return _REST


def _place(name: str, names: Sequence[str]) -> int:
    """Position of the entry that holds a setting; their number where none does."""
    for place, entry in enumerate(names):
        if name == entry or (not entry[-1].isalnum() and name.startswith(entry)):
            return place
    return len(names)


def settings_of(config: str) -> list[Setting]:
    """All settings: of the config's own file, and of the file of each group that it chooses, whose
    values win."""
    text = conf_group(f"{config}.yaml").read_text(encoding="utf-8")
    chosen, own = text.partition("\nhydra:\n")[0].split("\n\n", 1)
    choices = [choice for choice in _settings_in(chosen) if choice.name != "defaults"]
    named: dict[str, Setting] = {}
    for setting in (*map(_as_choice, choices), *_settings_in(own), *_of_groups(choices)):
        before = named.get(setting.name, setting)
        default, comment = setting.default or before.default, before.comment or setting.comment
        named[setting.name] = Setting(setting.name, default, comment)
    return [*named.values()]


def _of_groups(choices: Sequence[Setting]) -> Iterator[Setting]:
    """Settings of the chosen files, but for the name, which is the choice itself unless it can be
    given another."""
    for choice in choices:
        file = conf_group(choice.name).joinpath(f"{choice.default}.yaml")
        if choice.default != "null":
            settings = _settings_in(file.read_text(encoding="utf-8"), f"{choice.name}.")
            yield from (s for s in settings if s.name in _NAMES or not _IS_CHOICE.search(s.name))


def _as_choice(choice: Setting) -> Setting:
    """The choice of a file, with the names to choose from."""
    names = sorted(group_files(choice.name))
    known = (
        ", ".join(names)
        if len(names) <= _FEW
        else f"see `denoisebench list {choice.name.rstrip('s')}s`"
    )
    return replace(choice, comment=known)


def _settings_in(text: str, prefix: str = "") -> Iterator[Setting]:
    """Settings of a YAML file of ours: a line each, those of a mapping below it, indented."""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if not match or " override " in line:
            continue
        indent, name, value, comment = len(match[1]), match[2], match[3] or "", match[4] or ""
        while above and above[-1][0] >= indent:
            above.pop()
        above.append((indent, name))
        full = prefix + ".".join(part for _, part in above if part != "defaults")
        if value or comment:
            yield Setting(full, value, comment)
