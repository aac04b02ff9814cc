"""Files of the Hugging Face hub: from the local cache, else downloaded where there is a network."""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError
from denoisebench.bench.settings.job import ModelSettings

MODEL, DATASET = "model", "dataset"
_PATIENCE = 10  # seconds until the hub counts as out of reach
_failed: dict[tuple[str, str | None, str], Exception] = {}  # by repository, revision and kind
Choose = Callable[[list[str]], list[str]]  # of the names of a repository's files, those needed


class NotHere(UserError):
    """Files of the hub that are neither in the cache nor can be downloaded now."""

    def __init__(self, lack: str, command: str):
        super().__init__(f"{lack}: run `{command}` where there is a network, or name a folder")
        self.lack = lack

    def cured_by(self, command: str) -> "NotHere":
        """The same lack with a command that gets all that is wanted, not these files alone."""
        return NotHere(self.lack, command)


def cache_folder() -> Path:
    """The folder of the local cache; it may not be there yet."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def cached(
    repo: str, revision: str | None, patterns: Sequence[str], *, kind: str = MODEL
) -> Path | None:
    """Folder of a repository in the local cache; None where files of these patterns are missing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = snapshot_download(
            repo,
            repo_type=kind,
            revision=revision,
            allow_patterns=list(patterns),
            local_files_only=True,
        )
    except (OSError, HFValidationError):
        return None
    return Path(folder)


def download(
    label: str,
    repo: str,
    revision: str | None,
    *,
    choose: Choose,
    kind: str = MODEL,
    command: str = "",
) -> Path:
    """Folder with the files chosen. Raises UserError that says how else to get them. command: what
    downloads them, where it is not that of a model's own path.

    A download that failed is not tried again: each try waits until the hub counts as out of reach.
    """
    from huggingface_hub import HfApi, snapshot_download

    key = (repo, revision, kind)
    try:
        if key in _failed:
            raise _failed[key]
        info: Any = HfApi().repo_info(repo, repo_type=kind, revision=revision, timeout=_PATIENCE)
        patterns = [_literal(name) for name in choose([file.rfilename for file in info.siblings])]
        folder = snapshot_download(repo, repo_type=kind, revision=revision, allow_patterns=patterns)
    except UserError:  # of the choice
        raise
    except Exception as error:  # of many kinds: no network, no such name, no licence accepted
        _failed[key] = error
        raise _not_there(label, repo, revision, kind=kind, error=error, command=command) from error
    return Path(folder)


def missing_files(
    label: str,
    repo: str,
    revision: str | None,
    *,
    choose: Choose,
    kind: str = MODEL,
    command: str = "",
) -> dict[str, int]:
    """Bytes of the files chosen that the cache lacks, by name, as the hub tells them. Raises
    UserError as `download` does."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    try:
        info: Any = HfApi().repo_info(
            repo, repo_type=kind, revision=revision, timeout=_PATIENCE, files_metadata=True
        )
    except Exception as error:  # as above
        raise _not_there(label, repo, revision, kind=kind, error=error, command=command) from error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings}
    return {
        name: sizes[name]
        for name in choose([*sizes])
        if not isinstance(
            try_to_load_from_cache(repo, name, revision=info.sha, repo_type=kind), str
        )
    }


def fetch_of_model(**settings: str | None) -> str:
    """The command that gets what settings of a model name; usual values are left out."""
    usual = {name: field.default for name, field in ModelSettings.model_fields.items()}
    given = {name: value for name, value in settings.items() if value != usual[name]}
    words = (f"model.{name}={value}" for name, value in given.items())
    return shlex.join(["denoisebench", "fetch", *words])


def _literal(name: str) -> str:
    """The pattern that matches this name alone."""
    return re.sub(r"([\[*?])", r"[\1]", name)


def _not_there(
    label: str, repo: str, revision: str | None, *, kind: str, error: Exception, command: str
) -> UserError:
    from huggingface_hub.errors import GatedRepoError

    if isinstance(error, GatedRepoError):
        return UserError(
            f"{label}: {repo} wants its licence accepted: do so at https://huggingface.co/{repo} "
            "and log in with `hf auth login`"
        )
    if kind == DATASET:
        words = ["hf download", repo, "--repo-type dataset"]
        words += [f"--revision {revision}"] if revision else []
    else:
        words = [fetch_of_model(path=repo, revision=revision)]
    lack = (
        f"{label}: {repo} at revision {revision or 'main'} is neither here nor in the Hugging Face "
        f"cache and cannot be downloaded ({type(error).__name__})"
    )
    return NotHere(lack, command or " ".join(words))
