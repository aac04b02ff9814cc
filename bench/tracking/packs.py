"""Packs that MLflow keeps: among the files of a sweep's summary, and as versions of a model by a
name and an alias, so that a baseline has an address that stays while what it stands for moves on.
"""

import re
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.pack import Pack, pack_run
from denoisebench.bench.records.pack_file import SUFFIX, read_pack, write_pack
from denoisebench.bench.records.run import Run
from denoisebench.bench.tracking.client import cause, client_of, quiet

if TYPE_CHECKING:
    from mlflow import MlflowClient


def log_pack(client: "MlflowClient", run_id: str, run: Run, *, baseline: str | None) -> None:
    """Puts the run's pack among the files of an MLflow run. baseline NAME@ALIAS: makes it a version
    of that model, to which the alias moves."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{run.name}{SUFFIX}"
        write_pack(pack_run(run), path)
        client.log_artifact(run_id, str(path))
    if baseline:
        name, alias = baseline.split("@")
        _register(client, run_id, path.name, name=name, alias=alias)


def _register(client: "MlflowClient", run_id: str, file: str, *, name: str, alias: str) -> None:
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):  # there already
        client.create_registered_model(name)
    with suppress(MlflowException):  # no such alias yet
        if client.get_model_version_by_alias(name, alias).run_id == run_id:
            return
    source = f"{client.get_run(run_id).info.artifact_uri}/{file}"
    version = client.create_model_version(name, source, run_id)
    client.set_registered_model_alias(name, alias, version.version)


def fetch_pack(address: str, uri: str) -> Pack:
    """The pack of runs:/ID, models:/NAME@ALIAS or models:/NAME/VERSION in the MLflow at uri.

    Raises UserError when MLflow cannot be asked, or has none there.
    """
    try:
        with quiet(), TemporaryDirectory() as scratch:
            path = _download(address, uri, scratch)
            if path is not None:
                return read_pack(path)
    except UserError:
        raise
    except Exception as error:  # MLflow's, SQLAlchemy's, requests'
        raise UserError(
            f"{address}: MLflow at {uri}: {cause(error)}; --tracking=URI says where to ask"
        ) from error
    raise UserError(
        f"{address}: that MLflow run has no pack: publish it with one, "
        "denoisebench log RUN tracking.pack=true"
    )


def _download(address: str, uri: str, folder: str) -> Path | None:
    client = client_of(uri)
    run_id = _run_id(client, address)
    if not run_id:
        return None
    files = [file.path for file in client.list_artifacts(run_id) if file.path.endswith(SUFFIX)]
    return Path(client.download_artifacts(run_id, files[0], folder)) if files else None


def _run_id(client: "MlflowClient", address: str) -> str | None:
    """Raises UserError for an address of another form."""
    if match := re.fullmatch(r"runs:/+(\w+)", address):
        return match[1]
    if match := re.fullmatch(r"models:/+([^@/]+)@([^@/]+)", address):
        return client.get_model_version_by_alias(match[1], match[2]).run_id
    if match := re.fullmatch(r"models:/+([^@/]+)/(\d+)", address):
        return client.get_model_version(match[1], match[2]).run_id
    raise UserError(f"{address}: give runs:/ID, models:/NAME@ALIAS or models:/NAME/VERSION")
