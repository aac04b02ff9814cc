"""Hydra called as a library: its overrides, its errors in a line."""

import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from denoisebench.bench.commands.typed import (
    as_meant,
    meant_by_choice,
    quoted,
    refuse_split,
    refuse_strays,
)
from denoisebench.bench.errors import UserError, suggestion
from denoisebench.bench.paths import conf_group, group_files
from denoisebench.bench.paths.guarded import Unreadable, read_yaml
from denoisebench.bench.plugins.entry_points import added_choices

if TYPE_CHECKING:
    from hydra.errors import MissingConfigException
    from pydantic import BaseModel

# Settings within a group, but for those that come with one experiment alone.
_WITHIN_A_GROUP = re.compile(r"(?!hydra\.(?!sweeper\.params\.)|claims\.)\w+\.[\w.]*=")
_RAISE = "HYDRA_FULL_ERROR"  # set: Hydra raises instead of printing and exiting
# Folders in the value of hydra.searchpath, in quotation marks or without.
_SEARCHED = re.compile(r"""(["'])file://(.+?)\1|file://([^,\]\s]+)""")
# Of Hydra's own settings, those that hold others.
_GROUPS_OF_HYDRA = ("hydra", "hydra.launcher", "hydra.sweeper")
_ONLY = {"hydra/launcher": "warm", "hydra/sweeper": "warm", "hydra.mode": "MULTIRUN"}
_USED_OF_HYDRA = (
    "a sweep reads hydra.sweeper.params.KEY=VALUES and hydra.sweeper.grids=[{KEY:VALUES}]"
)


def open_setting(argument: str) -> str:
    """An override that Hydra takes whatever the chosen files hold: which settings there are is
    said by bench/settings, the same for every choice of a group, and by a scheduler's class."""
    argument = as_meant(argument)
    return f"++{argument}" if _WITHIN_A_GROUP.match(argument) else argument


def refuse_malformed(overrides: Iterable[str]) -> None:
    """Raises UserError for a word that blanks have split, one that names nothing, and for plugins
    of Hydra that would not run a sweep: other launchers call the task once per cell, which would
    check and load everything each time; other sweepers know no grids."""
    refuse_split([*overrides])
    for override in overrides:
        name, _, value = override.partition("=")
        setting = name.lstrip("+~")
        if not setting:
            raise UserError(f"{override!r}: there is no name before a value; give KEY=VALUE")
        if setting in _GROUPS_OF_HYDRA:
            raise UserError(f"{override}: holds many settings; {_USED_OF_HYDRA}")
        only = _ONLY.get(setting, value)
        if value != only:
            raise UserError(f"{override}: only {setting}={only} keeps all in one process")


def without_unknown_choices(
    overrides: list[str], flags: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """What is wrong with names of config files, and the overrides that are left.

    Hydra stops at the first unknown name; so they are all found here, and the rest of the grid is
    checked without them. Config folders of the user's own are left to Hydra.
    """
    if "--config-dir" in flags or any(a.startswith("hydra.searchpath") for a in overrides):
        return [], overrides
    problems, kept = [], []
    for override in overrides:
        group, _, choice = override.partition("=")
        options = choices_of(group)
        listed = choice.removeprefix("[").removesuffix("]")
        is_plain = options and re.fullmatch(r"[\w.,+ /~:-]+", listed)
        names = [name.strip() for name in listed.split(",")] if is_plain else []
        unknown = [name for name in names if name not in options]
        problems += [_unknown_choice(group, name, options) for name in unknown]
        if not unknown:
            kept.append(override)
    return problems, kept


def choices_of(group: str) -> set[str]:
    """Names of the files of a config group; none when there is no such group."""
    if not re.fullmatch(r"\w+", group) or not conf_group(group).is_dir():
        return set()
    names = {*group_files(group), *added_choices(group)}
    return names | {"null"} if group in ("experiment", "world") else names


def composed(
    flags: Mapping[str, str], overrides: Sequence[str], *, config_name: str = "sweep"
) -> list[dict[str, Any]]:
    """The configs of all jobs, by Hydra's own main; none where it answers a question instead.

    Its errors become a UserError of one line with the nearest names.
    config_name: a config of the package, or the name of a command: its settings are suggested.
    """
    import hydra

    _refuse_query(flags, overrides)
    check_config_folders(config_folders(flags, overrides))
    configs: list[dict[str, Any]] = []
    with errors_in_a_line(config_name), _as_command_line([*flag_words(flags), *overrides]):
        main = hydra.main("pkg://denoisebench.conf", config_name, version_base="1.3")
        main(lambda jobs: configs.extend(jobs))()  # a function, whose module Hydra reads
    return configs


def composed_as_typed(words: Sequence[str]) -> list[dict[str, Any]]:
    """The configs of words that a sweep would take, of a command that runs none. Raises UserError
    for words that are no settings, and as `composed` does."""
    refuse_malformed(words)
    refuse_strays(words)
    return composed({"--multirun": ""}, [*map(open_setting, words)])


@contextmanager
def errors_in_a_line(config_name: str = "sweep") -> Iterator[None]:
    """Turns Hydra's errors into a UserError of one line with the nearest names.

    config_name: of the config or command whose settings are suggested.
    """
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except MissingConfigException as error:
        raise UserError(_missing_config(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_one_line(error, config_name)) from error
    except RecursionError as error:
        raise UserError("configs name each other in a circle: see their defaults") from error
    except (UserError, BrokenPipeError):  # of the latter, nobody reads what Hydra prints
        raise
    except Exception as error:
        raise UserError(
            f"the configs cannot be composed: {_one_line(error, config_name)}"
        ) from error


def flag_words(flags: Mapping[str, str]) -> list[str]:
    """The flags as Hydra's parser takes them, no value of which can be taken for another word."""
    return [f"{name}={value}" if value else name for name, value in flags.items()]


def _refuse_query(flags: Mapping[str, str], overrides: Iterable[str]) -> None:
    """Raises UserError for a question of completion that no shell asks."""
    queries = [override for override in overrides if override.startswith("query=")]
    if "--shell-completion" in flags and queries and "COMP_LINE" not in os.environ:
        raise UserError(
            f"--shell-completion {queries[0]}: is asked by the shell while a line is typed; "
            f"give {queries[0].replace('query', 'install')} to print what sets this up"
        )


def check_config_folders(folders: Iterable[Path]) -> None:
    """Raises UserError for a folder that is not there, which Hydra searches in silence, and for a
    config of the user's own that is no YAML: Hydra ends in a traceback, or in no time at all where
    aliases stand for each other many times over."""
    for folder in folders:
        if not folder.is_dir():
            raise UserError(
                f"{folder}: there is no such folder of configs; give one that holds GROUP/NAME.yaml"
            )
        for path in sorted(folder.rglob("*.yaml")):
            try:
                content = read_yaml(path)
            except Unreadable as error:
                raise UserError(
                    f"{path} cannot be read: {error}; mend it or take it away"
                ) from error
            if not isinstance(content, dict | NoneType):
                raise UserError(f"{path} holds no settings KEY: VALUE; mend it or take it away")


def config_folders(flags: Mapping[str, str], overrides: Iterable[str]) -> list[Path]:
    """Folders with configs of the user's own, where the flag or Hydra's searchpath names some."""
    folders = [flags["--config-dir"]] if "--config-dir" in flags else []
    for override in overrides:
        name, _, value = override.partition("=")
        if name.lstrip("+~").startswith("hydra.searchpath"):
            folders += [quoted or bare for _, quoted, bare in _SEARCHED.findall(value)]
    return [*map(Path, folders)]


@contextmanager
def _as_command_line(arguments: list[str]) -> Iterator[None]:
    """Hydra's main reads the process's arguments and environment: both are as before afterwards."""
    argv, environment = sys.argv, os.environ.get(_RAISE)
    sys.argv, os.environ[_RAISE] = [argv[0], *arguments], "1"
    try:
        yield
    finally:
        sys.argv = argv
        del os.environ[_RAISE]
        if environment is not None:
            os.environ[_RAISE] = environment


def _missing_config(error: "MissingConfigException") -> str:
    missing = str(error.missing_cfg_file)
    group, _, name = missing.rpartition("/")
    if not error.options:
        return f"{missing}: there is no such config"
    return _unknown_choice(group, name, error.options)


def _unknown_choice(group: str, name: str, options: Iterable[str]) -> str:
    from denoisebench.bench.schedulers.other_names import unknown_scheduler

    if meant := meant_by_choice(group, name):
        return f"{group}={name}: no ready-made one is called so; {meant}"
    cure = (unknown_scheduler if group == "scheduler" else suggestion)(name, options)
    own = f"; one of your own is given as {group}.path=…" if group in ("model", "prompts") else ""
    return f"{group}={name}: unknown; {cure}{own}"


def _one_line(error: Exception, config_name: str) -> str:
    from hydra.errors import OverrideParseException

    from denoisebench.bench.settings.unknown import unknown_setting

    if isinstance(error, OverrideParseException):
        name, _, value = str(error.override).lstrip("+").partition("=")
        whole = shlex.quote(f"{name}={quoted(value)}")
        cure = f"; text with special signs takes two kinds of quotes: {whole}" if value else ""
        return f"{error.override}: cannot be read as KEY=VALUE{cure}"
    text = str(error) or str(error.__cause__ or type(error).__name__)
    unknown = re.search(r"Could not override '([\w./]+)'", text)
    if unknown and re.match(r"hydra\b", unknown.group(1)):
        return f"{unknown.group(1)}: Hydra has no such setting; {_USED_OF_HYDRA}"
    if unknown:
        return unknown_setting(unknown.group(1), _settings_of(config_name))
    unfit = re.match("Error merging override (.+)", text)
    if unfit:
        override = unfit.group(1).lstrip("+")  # which open_setting may have put there
        return f"{override}: is not of the kind that this setting takes; quote a list of names"
    return " ".join(text.split())


def _settings_of(config_name: str) -> "type[BaseModel]":
    from denoisebench.bench.settings.job import Settings
    from denoisebench.bench.verify.settings import VerifySettings

    return VerifySettings if config_name == "verify" else Settings
