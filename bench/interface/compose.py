"""The grid of a sweep composed by Hydra as a library: neither arguments nor environment of the
process are read or changed."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from denoisebench.bench.commands.hydra import (
    check_config_folders,
    config_folders,
    errors_in_a_line,
    open_setting,
    refuse_malformed,
    without_unknown_choices,
)
from denoisebench.bench.errors import UserError

# Hydra finds launchers only under a package named hydra_plugins; ours is a portion of it.
_PLUGINS = Path(__file__).parents[1] / "_plugins"
_WARM = "hydra_plugins.denoisebench.warm_launcher"


def grid_of(overrides: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The configs of all jobs, and what is wrong with names of config files, which the plan adds
    to what else is wrong. Raises UserError for what the command line refuses, in its words."""
    refuse_malformed(overrides)
    unknown, known = without_unknown_choices(list(map(open_setting, overrides)), {})
    check_config_folders(config_folders({}, known))
    try:
        return _composed(known), unknown
    except UserError as error:
        others = [problem for problem in unknown if problem not in str(error)]
        raise UserError("\n".join([*others, str(error)])) from error


def _composed(overrides: Sequence[str]) -> list[dict[str, Any]]:
    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

    configs: list[dict[str, Any]] = []
    with (
        errors_in_a_line(),
        _plugins(),
        TemporaryDirectory() as scratch,  # for Hydra's record of a sweep; ours is the run folder
        initialize_config_module("denoisebench.conf", version_base="1.3"),
    ):
        hydra: Any = GlobalHydra.instance().hydra
        words = [*overrides, f"hydra.sweep.dir={scratch}"]
        hydra.multirun("sweep", configs.extend, words, with_log_configuration=False)
    return configs


@contextmanager
def _plugins() -> Iterator[None]:
    """Lets Hydra find our launcher and sweeper, also where it looked for plugins before."""
    from hydra.core.plugins import Plugins

    path = [*sys.path]
    sys.path.append(str(_PLUGINS))
    try:
        warm = import_module(_WARM)
        for plugin in (warm.WarmLauncher, warm.WarmSweeper):
            Plugins.instance().register(plugin)
        yield
    finally:
        sys.path[:] = path
