"""Hydra called as a library: its flags, its errors in a line."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from denoisebench.bench.errors import UserError, suggestion
from denoisebench.bench.paths import conf_group
from denoisebench.bench.paths.guarded import Unreadable, read_yaml

if TYPE_CHECKING:
    from hydra.errors import MissingConfigException
    from pydantic import BaseModel

# Settings within a group, but for those that come with one experiment alone.
_WITHIN_A_GROUP = re.compile(r"(?!hydra\.(?!sweeper\.params\.)|claims\.)\w+\.[\w.]*=")
_RAISE = "HYDRA_FULL_ERROR"  # set: Hydra raises instead of printing and exiting
# Hydra's flags that take a value, in the next word unless an equals sign joins it.
_VALUE_FLAGS = (
    "--config-dir",
    "-cd",
    "--config-name",
    "-cn",
    "--config-path",
    "-cp",
    "--package",
    "-p",
    "--cfg",
    "-c",
)
HYDRA_FLAGS = (
    "--help",
    "-h",
    "--hydra-help",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--shell-completion",
    "-sc",
)


def open_setting(argument: str) -> str:
    """An override that Hydra takes whatever the chosen files hold: which settings there are is
    said by bench/settings, the same for every choice of a group, and by a scheduler's class."""
    return f"++{argument}" if _WITHIN_A_GROUP.match(argument) else argument


def refuse_other_launchers(arguments: list[str]) -> None:
    """Launchers that call the task once per cell would check and load everything each time."""
    for argument in arguments:
        name, _, launcher = argument.partition("=")
        if name == "hydra/launcher" and launcher != "warm":
            raise UserError(f"{argument}: only hydra/launcher=warm keeps a sweep in one process")


def without_unknown_choices(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What is wrong with names of config files, and the arguments that are left.

    Hydra stops at the first unknown name; so they are all found here, and the rest of the grid is
    checked without them. Config folders of the user's own are left to Hydra.
    """
    if any("config-dir" in a or a.startswith(("-cd", "hydra.searchpath")) for a in arguments):
        return [], arguments
    problems, kept = [], []
    for argument in arguments:
        group, _, choice = argument.partition("=")
        options = _options(group)
        names = choice.split(",") if options and re.fullmatch(r"[\w.,-]+", choice) else []
        unknown = [name for name in names if name not in options]
        problems += [f"{group}={name}: unknown; {suggestion(name, options)}" for name in unknown]
        if not unknown:
            kept.append(argument)
    return problems, kept


def _options(group: str) -> set[str]:
    """Names of the files of a config group; none when there is no such group."""
    folder = conf_group(group)
    if not re.fullmatch(r"\w+", group) or not folder.is_dir():
        return set()
    names = {file.name.removesuffix(".yaml") for file in folder.iterdir() if ".yaml" in file.name}
    return names | {"null"} if group == "experiment" else names


def call_hydra(
    task: Callable[[list[dict[str, Any]]], None], arguments: list[str], config_name: str = "sweep"
) -> None:
    """Runs Hydra's own main. Its errors become a UserError of one line with the nearest names.

    config_name: a config of the package, or the name of a command: its settings are suggested.
    """
    import hydra
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    _check_config_folders(arguments)
    composed: list[bool] = []

    def begin(configs: list[dict[str, Any]]) -> None:
        composed.append(True)
        task(configs)

    try:
        with _as_command_line(flags_first(arguments)):
            main = hydra.main("pkg://denoisebench.conf", config_name, version_base="1.3")
            main(begin)()
    except MissingConfigException as error:
        raise UserError(_unknown_choice(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_one_line(error, config_name)) from error
    except RecursionError as error:
        if composed:
            raise
        raise UserError("configs name each other in a circle: see their defaults") from error
    except Exception as error:
        if composed or isinstance(error, UserError):
            raise
        raise UserError(
            f"the configs cannot be composed: {_one_line(error, config_name)}"
        ) from error


def _check_config_folders(arguments: Iterable[str]) -> None:
    """Raises UserError for a config of the user's own that is no YAML: Hydra ends in a traceback,
    or in no time at all where aliases stand for each other many times over."""
    for folder in config_folders(arguments):
        for path in sorted(folder.rglob("*.yaml")):
            try:
                content = read_yaml(path)
            except Unreadable as error:
                raise UserError(
                    f"{path} cannot be read: {error}; mend it or take it away"
                ) from error
            if not isinstance(content, dict | NoneType):
                raise UserError(f"{path} holds no settings KEY: VALUE; mend it or take it away")


def config_folders(arguments: Iterable[str]) -> list[Path]:
    """Folders that hold configs of the user's own, where Hydra's flags or searchpath name some."""
    words = iter(arguments)
    folders = []
    for word in words:
        name, joined, value = word.partition("=")
        if name in ("--config-dir", "-cd"):
            folders.append(value if joined else next(words, ""))
        elif name.lstrip("+~").startswith("hydra.searchpath"):
            folders += re.findall(r"file://([^,\]\s'\"]+)", value)
    return [Path(folder) for folder in folders if Path(folder).is_dir()]


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


def flags_first(arguments: list[str]) -> list[str]:
    """Hydra's parser wants its flags before the overrides."""
    words = iter(arguments)
    flags: list[str] = []
    overrides: list[str] = []
    for word in words:
        (flags if word.startswith("-") else overrides).append(word)
        if word in _VALUE_FLAGS:
            flags.extend([next(words, "")])
    return [*flags, *overrides]


def _unknown_choice(error: "MissingConfigException") -> str:
    missing = str(error.missing_cfg_file)
    group, _, name = missing.rpartition("/")
    if not error.options:
        return f"{missing}: there is no such config"
    return f"{group}={name}: unknown; {suggestion(name, error.options)}"


def _one_line(error: Exception, config_name: str) -> str:
    from hydra.errors import OverrideParseException

    from denoisebench.bench.settings.unknown import unknown_setting

    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read as KEY=VALUE; quote lists and special characters"
    text = str(error) or str(error.__cause__ or type(error).__name__)
    unknown = re.search(r"Could not override '([\w.]+)'", text)
    if unknown:
        return unknown_setting(unknown.group(1), _settings_of(config_name))
    return " ".join(text.split())


def _settings_of(config_name: str) -> "type[BaseModel]":
    from denoisebench.bench.settings.job import Settings
    from denoisebench.bench.verify.settings import VerifySettings

    return VerifySettings if config_name == "verify" else Settings
