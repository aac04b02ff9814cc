"""A Hydra launcher that composes the whole grid first and hands it to one warm process."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, reduce
from itertools import chain
from operator import getitem
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

_HERE = "hydra_plugins.denoisebench.warm_launcher"
_USUAL_MODEL, _USUAL_PROMPTS = "shapes-ddpm", "shapes"  # of conf/sweep.yaml
_OTHER_WEIGHTS = {"model.path", "model.lora"}  # which make another model than a file's name says
_INTERPOLATED = re.compile(r"\$\{([^}]*)\}")  # the names of which others are made
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")  # in full, without a resolver
_SCALARS = (str, int, float, bool, type(None))


@dataclass
class WarmLauncherConfig:
    _target_: str = f"{_HERE}.WarmLauncher"


@dataclass
class WarmSweeperConfig:
    _target_: str = f"{_HERE}.WarmSweeper"
    params: dict[str, str] | None = field(default_factory=dict)  # axes of the whole sweep
    grids: list[Any] | None = None  # of axes of its own each, {key: values}, under those


ConfigStore.instance().store(group="hydra/launcher", name="warm", node=WarmLauncherConfig)
ConfigStore.instance().store(group="hydra/sweeper", name="warm", node=WarmSweeperConfig)


class WarmSweeper(BasicSweeper):
    """Hydra's own sweeper for several products in one sweep, and without its trial composition of
    every job: the launcher composes all before anything runs, so a bad name is found as early.

    The jobs are the union of the products of `grids`, each with `params` and then the command
    line's arguments laid over it: a later value of a key wins. A grid with an axis that is null is
    left out.
    """

    def __init__(
        self, params: dict[str, str] | None = None, grids: Sequence[Mapping[str, Any]] | None = None
    ):
        super().__init__(max_batch_size=None, params=params)  # a sweep is one list of jobs
        self._grids = grids or [{}]

    def split_arguments(  # type: ignore[override]  # static there, where grids are not known
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        _check_grids(self._grids)
        parser = OverridesParser.create()
        grids = [
            [f"{key}={value}" for key, value in grid.items()]
            for grid in self._grids
            if not _has_nothing(grid)
        ]
        laid = [[*parser.parse_overrides(grid), *map(_as_value, overrides)] for grid in grids]
        for axes in laid:
            _refuse_empty(axes)
        products = [BasicSweeper.split_arguments(axes, max_batch_size) for axes in laid]
        return [[job for batch in chain.from_iterable(products) for job in batch]]

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        pass


def _check_grids(grids: Any) -> None:
    if not all(isinstance(grid, Mapping) for grid in grids):
        raise HydraException(
            "hydra.sweeper.grids: give a list of grids, [{scheduler:'ddim,euler',steps:'2,4'},…]"
        )


def _has_nothing(grid: Mapping[str, Any]) -> bool:
    """Whether an axis is made of a setting that is null, alone or as one of several values."""
    return any("None" in str(value).split(",") for value in grid.values())


def _refuse_empty(axes: Sequence[Override]) -> None:
    """An axis without values would make the whole product empty; a later value of its key wins."""
    for axis in {override.get_key_element(): override for override in axes}.values():
        if axis.is_discrete_sweep() and not any(True for _ in axis.sweep_string_iterator()):
            raise HydraException(
                f"{axis.input_line}: gives no values; glob matches names of config files, and "
                "range(START,STOP) ends before STOP"
            )


def _refuse_lists(choices: Sequence[Override]) -> None:
    """Hydra would lay the files of a list over one another, and the last would be all that runs.
    Trackers are meant so."""
    for choice in choices:
        names = choice.value()
        if isinstance(names, list) and choice.key_or_group != "tracking":
            key, several = choice.key_or_group, ",".join(map(str, names))
            raise HydraException(
                f"{key}=[{several}]: names of config files are no list; give {key}={several}"
            )


def _as_value(override: Override) -> Override:
    """The override as an axis of that key, which a grid may have too: `++a=1` is laid over `a`."""
    if override.type is not OverrideType.FORCE_ADD:
        return override
    return replace(override, type=OverrideType.CHANGE)


class WarmLauncher(Launcher):
    """Calls the task once with the list of all jobs' configs."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self._loader = cast(ConfigLoaderImpl, hydra_context.config_loader)
        self._task, self._config = task_function, config
        self._composed: dict[tuple[str, ...], _Files] = {}
        self._groups: dict[str, bool] = {}

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        configs = [self._compose([*self._own_files(o), *o]) for o in job_overrides]
        result = self._task(configs)
        return [
            JobReturn(overrides=overrides, _return_value=result, status=JobStatus.COMPLETED)
            for overrides in job_overrides
        ]

    def _own_files(self, overrides: Sequence[str]) -> list[str]:
        """What to lay under overrides that bring weights or prompts of their own: the name of a
        file of conf/model is not theirs, nor is the rest of a file that nobody chose."""
        keys = {_parsed(override).key_or_group for override in overrides}
        choices = self._config.hydra.runtime.choices
        usual = choices.get("prompts") == _USUAL_PROMPTS and "prompts" not in keys
        own = ["prompts=file"] if usual and "prompts.path" in keys else []
        return [*own, *self._own_model(keys)]

    def _own_model(self, keys: set[str]) -> list[str]:
        if not keys & _OTHER_WEIGHTS:
            return []
        usual = self._config.hydra.runtime.choices.get("model") == _USUAL_MODEL
        is_chosen = "model" in keys or not usual or "model.path" not in keys
        return [*([] if is_chosen else ["model=local"]), "++model.name=null", "++model.sha256=null"]

    def _compose(self, overrides: Sequence[str]) -> dict[str, Any]:
        """One job's config. Hydra merges the chosen files, then sets values; the files are merged
        once for each choice, since that takes a tenth of a second and setting values does not."""
        parsed = list(map(_parsed, overrides))
        values = [o for o in parsed if not self._is_group(o.key_or_group)]
        choices = [o for o in parsed if self._is_group(o.key_or_group)]
        _refuse_lists(choices)
        files = self._merged(choices)
        if files.has_prompts and any(value.key_or_group == "prompts.path" for value in values):
            values = [_parsed("++prompts.name=null"), *values]  # what they are called is not theirs
        config = files.with_values(values)
        if isinstance(config.get("model"), dict):  # verify has none
            config["model"]["call_of_files"] = self._call_of_model(choices)
        return config

    def _is_group(self, name: str) -> bool:
        if name not in self._groups:
            self._groups[name] = bool(self._loader.repository.group_exists(name))
        return self._groups[name]

    def _call_of_model(self, choices: Sequence[Override]) -> object:
        """What the model's own file gives to its call, whatever an experiment sets over it."""
        files = [o for o in choices if o.key_or_group != "experiment"]
        return self._merged(files).with_values([])["model"].get("call")

    def _merged(self, choices: Sequence[Override]) -> "_Files":
        """The files that are chosen, merged."""
        chosen = tuple(str(choice.input_line) for choice in choices)
        if chosen not in self._composed:
            config = self._loader.load_sweep_config(self._config, list(chosen))
            OmegaConf.set_struct(config, False)  # types say which settings there are
            del config["hydra"]
            self._composed[chosen] = _Files(config)
        return self._composed[chosen]


@cache
def _parsed(override: str) -> Override:
    """Jobs of a grid share most of their overrides, and the parser takes a millisecond for each."""
    (parsed,) = OverridesParser.create().parse_overrides([override])
    return parsed


class _Files:
    """Config files merged. Values are laid over them by OmegaConf, or where that comes to the same
    in a plain copy, which is twenty times as fast."""

    def __init__(self, config: DictConfig):
        self._config = config
        self._given = set(_INTERPOLATED.findall(OmegaConf.to_yaml(config, resolve=False)))

    @property
    def has_prompts(self) -> bool:
        """Whether the files say which prompts there are, and do not wait for a path."""
        return bool(OmegaConf.select(self._config, "prompts.path", default="???") != "???")

    def with_values(self, values: Sequence[Override]) -> dict[str, Any]:
        """The settings under these values, with all interpolations resolved."""
        if self._are_plain(values):
            config: dict[str, Any] = _copied(self._resolved)
            for override in values:
                *groups, name = override.key_or_group.split(".")
                reduce(getitem, groups, config)[name] = override.value()
            return config
        laid = deepcopy(self._config)
        ConfigLoaderImpl._apply_overrides_to_config(list(values), laid)
        return cast(dict[str, Any], OmegaConf.to_container(laid, resolve=True))

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        return cast(dict[str, Any], OmegaConf.to_container(self._config, resolve=True))

    def _are_plain(self, values: Sequence[Override]) -> bool:
        """Whether each value is one of its own in the place of one, of which no other is made."""
        is_known = all(map(_NAME.fullmatch, self._given))  # of what others are made
        return is_known and all(map(self._is_plain, values))

    def _is_plain(self, override: Override) -> bool:
        if override.type not in (OverrideType.CHANGE, OverrideType.FORCE_ADD) or override.package:
            return False
        *groups, name = override.key_or_group.split(".")
        place: Any = self._resolved if self._resolves else None
        for group in groups:
            place = place.get(group) if isinstance(place, dict) else None
        if not isinstance(place, dict) or isinstance(place.get(name), dict | list):
            return False
        if name not in place and override.type is not OverrideType.FORCE_ADD:
            return False
        value = override.value()
        if isinstance(value, str) and ("${" in value or value == "???"):
            return False
        return isinstance(value, _SCALARS) and not any(
            _overlap(override.key_or_group, given) for given in self._given
        )

    @cached_property
    def _resolves(self) -> bool:
        """Whether every interpolation has a value before any is set on the command line."""
        try:
            return isinstance(self._resolved, dict)
        except OmegaConfBaseException:
            return False


def _overlap(one: str, other: str) -> bool:
    """Whether a key is the other or lies within it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _copied(config: Any) -> Any:
    """Mappings and lists anew, their values as they are."""
    if isinstance(config, dict):
        return {name: _copied(value) for name, value in config.items()}
    return [_copied(value) for value in config] if isinstance(config, list) else config
