"""Copies a run to MLflow: one flat run per curve, with step = num_inference_steps, and a summary.

Idempotent: a curve's run is found again by a hash of what its cells share and by when they were
measured, and a metric's timestamp is its cell's finish time, so MLflow recognises every value it
has. MLflow stays a copy: whatever is wrong with it becomes one TrackingDown, and publishing again
completes what is missing. For the driver alone; workers know nothing of MLflow.
"""

import fcntl
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from denoisebench.bench.records.rows import rows
from denoisebench.bench.records.run import Run
from denoisebench.bench.tracking.client import _without_password, cause, client_of, quiet
from denoisebench.bench.tracking.packs import log_pack
from denoisebench.bench.tracking.targets import Measured, Target, targets

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.entities import Run as MlflowRun

_FILES = (
    "report.html",
    "claims.html",
    "results.csv",
    "results.parquet",
    "defaults.yaml",
    "config.yaml",
    "sweep.json",
)
_BATCH = 800  # metrics in one call; MLflow takes 1000 of metrics, params and tags together
_SQLITE = "sqlite:///"
_TAG_CHARACTERS = 5000  # that every MLflow server takes


class TrackingDown(Exception):
    """MLflow did not take the run. The message is one line and says how to publish it later."""


def default_uri(runs: Path) -> str:
    """The tracking URI of the SQLite file in the folder that holds the run folders."""
    path = str(runs.resolve() / "mlflow.db")
    return f"{_SQLITE}{re.sub(r'[%?#]', lambda sign: quote(sign[0]), path)}"


def trouble_with(uri: str) -> str:
    """Why the MLflow at uri cannot be used, in a line; empty where it answers."""
    try:
        with quiet():
            client_of(uri).search_experiments(max_results=1)
    except Exception as error:  # of many libraries, as in publish
        return f"{_without_password(uri)}: {cause(error)}"
    return ""


def publish(
    run: Run,
    uri: str | None,
    experiment: str,
    *,
    pack: bool = False,
    baseline: str | None = None,
    cautions: Sequence[str] = (),
    records: Sequence[dict[str, Any]] | None = None,
) -> str:
    """Brings the run to an MLflow experiment; uri None means default_uri. Returns where to look.

    pack: with what a later check needs; baseline NAME@ALIAS: under that address too. cautions: what
    the page says of the numbers, a tag of each run. records: the run's rows where they were read
    before.

    Raises TrackingDown when MLflow is absent, cannot be reached or refuses.
    """
    uri = uri or default_uri(run.folder.parent)
    wanted = targets(run, rows(run) if records is None else records, cautions)
    try:
        with quiet(), _alone(uri, run):
            return _publish(
                run,
                wanted,
                uri,
                experiment=experiment,
                pack=pack or bool(baseline),
                baseline=baseline,
            )
    except Exception as error:  # MLflow's, SQLAlchemy's, requests': none may cost a sweep
        raise TrackingDown(
            f"MLflow at {_without_password(uri)}: {cause(error)}; nothing is lost, "
            f"publish later with `denoisebench log {run.folder}`"
        ) from error


def _publish(
    run: Run, wanted: list[Target], uri: str, *, experiment: str, pack: bool, baseline: str | None
) -> str:
    client = client_of(uri)
    _remove_stray_folder(uri)
    experiment_id = _experiment_id(client, uri, experiment)
    for target in wanted:
        run_id = _bring(client, experiment_id, target)
        if target is wanted[-1]:
            _log_files(client, run_id, run.folder)
            if pack:
                log_pack(client, run_id, run, baseline=baseline)
    return _where(uri, f"#/experiments/{experiment_id}")


def _where(uri: str, page: str) -> str:
    """Where to look, in a line of a terminal: a server's page, or the command that starts one."""
    uri = _without_password(uri)
    if uri.startswith("http"):
        return f"{uri.rstrip('/')}/{page}"
    path = Path(uri.removeprefix(_SQLITE))
    if uri.startswith(_SQLITE) and path.is_relative_to(Path.cwd()):
        uri = f"{_SQLITE}{path.relative_to(Path.cwd())}"
    return f"`mlflow server --backend-store-uri {uri}`, then http://127.0.0.1:5000/{page}"


def _bring(client: "MlflowClient", experiment_id: str, target: Target) -> str:
    """Makes the target's run, or adds to it what it lacks. Returns its id."""
    from mlflow.entities import Param, RunTag

    times = [point.time_ms for point in target.points]
    metrics = _metrics(target.points)
    tags = {
        **target.tags,
        "identity": target.identity,
        "mlflow.runName": target.name,
        "mlflow.source.name": "denoisebench",
    }
    tags = {_sanitised(name): text[:_TAG_CHARACTERS] for name, text in tags.items()}
    mlflow_run = _find(client, experiment_id, target, metrics=metrics)
    if mlflow_run and mlflow_run.data.tags.get("content") == target.content:
        return str(mlflow_run.info.run_id)
    mlflow_run = mlflow_run or client.create_run(experiment_id, min(times, default=None), tags)
    run_id: str = mlflow_run.info.run_id
    params = [Param(name, text) for name, text in target.params.items()]
    client.log_batch(run_id, metrics[:_BATCH], params, [RunTag(*tag) for tag in tags.items()])
    for start in range(_BATCH, len(metrics), _BATCH):
        client.log_batch(run_id, metrics[start : start + _BATCH])
    status = "FINISHED" if target.complete else "FAILED"
    client.set_terminated(run_id, status, max(times, default=None))
    client.set_tag(run_id, "content", target.content)  # last: it says that the rest is there
    return run_id


def _find(
    client: "MlflowClient", experiment_id: str, target: Target, *, metrics: list["Metric"]
) -> "MlflowRun | None":
    """The run to add to: of that identity, and with no other value at a step of ours.

    So a cell measured anew, or by someone else under the same name, starts another run instead of
    putting a second value at the same step.
    """
    for candidate in client.search_runs([experiment_id], f"tags.identity = '{target.identity}'"):
        if candidate.data.tags.get("content") == target.content:
            return candidate
        ours = {(m.key, m.step): (m.value, m.timestamp) for m in metrics}
        names = candidate.data.metrics.keys() & {m.key for m in metrics}
        theirs = [
            m for name in names for m in client.get_metric_history(candidate.info.run_id, name)
        ]
        shared = [m for m in theirs if (m.key, m.step) in ours]
        agree = all(ours[m.key, m.step] == (m.value, m.timestamp) for m in shared)
        if agree and (shared or not theirs):
            return candidate
    return None


def _metrics(points: Sequence[Measured]) -> list["Metric"]:
    from mlflow.entities import Metric

    return [
        Metric(_sanitised(name), value, point.time_ms, point.entry.cell.steps)
        for point in points
        for name, value in point.values.items()
    ]


def _sanitised(name: str) -> str:
    """MLflow's keys: letters, digits and _ - . space : /"""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)


def _log_files(client: "MlflowClient", run_id: str, folder: Path) -> None:
    for name in _FILES:
        if (folder / name).is_file():
            client.log_artifact(run_id, str(folder / name))
    if (folder / "figures").is_dir():
        client.log_artifacts(run_id, str(folder / "figures"), "figures")


def _experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """Makes the experiment if need be; with a SQLite file its artifacts lie beside that file."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        database = _sqlite_path(uri)
        artifacts = (database.parent / "mlflow-artifacts").as_uri() if database else None
        with suppress(MlflowException):  # another publisher was first
            return client.create_experiment(name, artifacts)
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        raise ValueError(f"experiment {name!r} is deleted: restore it or set tracking.experiment")
    return experiment.experiment_id


@contextmanager
def _alone(uri: str, run: Run) -> Iterator[None]:
    """One publisher at a time: per SQLite file, whose creation two would corrupt, else per run."""
    database = _sqlite_path(uri)
    lock = database.with_name(f"{database.name}.lock") if database else run.folder / "tracking.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # the system releases it when the process dies
        if database:
            _use_write_ahead_log(database)
        yield


def _use_write_ahead_log(database: Path) -> None:
    """Halves the time of a write and lets a server read meanwhile; some network disks cannot."""
    connection = sqlite3.connect(database)
    try:
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def _remove_stray_folder(uri: str) -> None:
    """MLflow makes the folder of the address as it is written, then uses the one that is meant."""
    database = _sqlite_path(uri)
    if database and "%" in uri:
        with suppress(OSError):  # not empty, or not there
            Path(uri.partition(":///")[2]).parent.rmdir()


def _sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite:/// URI, else None."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(unquote(match[1])).resolve() if match and match[1] != ":memory:" else None
