"""Data sets of the Hugging Face hub as prompts: which files of one are read."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from denoisebench.bench.errors import UserError
from denoisebench.bench.models.hub import DATASET, cached, download

HUB = "hf:"  # before the id of a data set
_SPLIT = "train"
_CONVERTED = "refs/convert/parquet"  # the hub's own copy of a data set, on a branch of this name


@dataclass(frozen=True)
class DataSet:
    """A split of a data set."""

    repository: str
    split: str
    revision: str

    def choose(self, files: Iterable[str]) -> list[str]:
        """Names of the files of the split, among those of the repository."""
        patterns = self._patterns()
        return sorted(file for file in files if any(fnmatch(file, p) for p in patterns))

    def parquet_files(self) -> list[Path]:
        """The files of the split, downloaded where they are not here. Raises UserError where they
        cannot be, and for a split that is nowhere or in several folders."""
        setting = f"prompts.path={HUB}{self.repository}"
        folder = cached(self.repository, self.revision, self._patterns(), kind=DATASET)
        if folder is None or not self._inside(folder):
            folder = download(
                setting, self.repository, self.revision, choose=self.choose, kind=DATASET
            )
        files = self._inside(folder)
        if not files:
            raise UserError(
                f"{setting}: has no .parquet file of a split {self.split}; set prompts.split"
            )
        subsets = sorted({str(Path(file).parent) for file in files})
        if len(subsets) > 1:
            raise UserError(
                f"{setting}: has {self.split} in several folders ({', '.join(subsets)}); download "
                "one and give its file as prompts.path"
            )
        return [folder / file for file in files]

    def _inside(self, folder: Path) -> list[str]:
        return self.choose(p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet"))

    def _patterns(self) -> list[str]:
        """Names of the files of a split, as data sets have them."""
        in_folders = [f"{self.split}/*.parquet", f"*/{self.split}/*.parquet"]
        return [*in_folders, f"{self.split}-*.parquet", f"*/{self.split}-*.parquet"]


def data_set(path: str | None, split: str | None, revision: str | None) -> DataSet | None:
    """The data set that a path of prompts names; None for prompts that lie elsewhere. Without a
    revision its files are of the hub's own copy in parquet, which it keeps of every data set."""
    if not (path or "").startswith(HUB):
        return None
    return DataSet(str(path).removeprefix(HUB), split or _SPLIT, revision or _CONVERTED)
