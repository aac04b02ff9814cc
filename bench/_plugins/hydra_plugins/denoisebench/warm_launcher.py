"""A Hydra launcher that composes the whole grid first and hands it to one warm process."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict


@dataclass
class WarmLauncherConfig:
    _target_: str = "hydra_plugins.denoisebench.warm_launcher.WarmLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="warm", node=WarmLauncherConfig)


class WarmLauncher(Launcher):
    """Calls the task once with the list of all jobs' configs."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        configs = [self._compose(list(overrides)) for overrides in job_overrides]
        result = self._task([OmegaConf.to_container(config, resolve=True) for config in configs])
        return [
            JobReturn(
                overrides=overrides, cfg=config, _return_value=result, status=JobStatus.COMPLETED
            )
            for overrides, config in zip(job_overrides, configs, strict=True)
        ]

    def _compose(self, overrides: list[str]) -> DictConfig:
        config = self._context.config_loader.load_sweep_config(self._config, overrides)
        with open_dict(config):
            del config["hydra"]
        return config
