"""Config files of installed packages, on Hydra's search path."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from denoisebench.bench.plugins.entry_points import config_folders


class AddedConfigs(SearchPathPlugin):
    """Lets model=NAME and prompts=NAME choose files of packages that add some."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in config_folders():
            search_path.append(provider="denoisebench", path=f"file://{folder}")
