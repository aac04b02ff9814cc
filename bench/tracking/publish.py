"""Copies a run to MLflow: one flat run per curve, with step = num_inference_steps, and a summary.

Idempotent: a curve's run is found again by a hash of what its cells share and by when they were
measured, and a metric's timestamp is its cell's finish time, so MLflow recognises every value it
has. MLflow stays a copy: whatever is wrong with it becomes one TrackingDown, and publishing again
completes what is missing. For the driver alone; workers know nothing of MLflow.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.bench.errors import without_passwords
from denoisebench.bench.records.rows import rows
from denoisebench.bench.records.run import Run
from denoisebench.bench.tracking.client import cause, client_of, quiet
from denoisebench.bench.tracking.database import (
    SQLITE,
    alone,
    default_uri,
    remove_stray_folder,
    sqlite_path,
)
from denoisebench.bench.tracking.down import TrackingDown
from denoisebench.bench.tracking.packs import log_pack
from denoisebench.bench.tracking.targets import FILES, Target, targets
from denoisebench.bench.tracking.values import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.entities import Run as MlflowRun

_NOTE = "mlflow.note.content"
# Page of an experiment; what MLflow 3 opens without it is about language models.
_CHARTS = "runs?workflowType=machine_learning&compareRunsMode=CHART"
# Of curves, in their order: MLflow draws by chance, and two in one colour. By Okabe and Ito.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
_ABOUT = (  # of an experiment
    "Sweeps of denoisebench: diffusion models x schedulers x steps x guidance.\n\n"
    "A run of kind `curve` holds the cells that differ in steps alone; `step` is their number of "
    "inference steps. `quality/NAME_lo` and `_hi` are the ends of the 95 % interval of "
    "`quality/NAME`. Under `by_nfe/` step is the number of denoiser evaluations, under `by_ms/` "
    "milliseconds per image, rounded.\n\n"
    "A run of kind `summary` holds the report and the proven defaults: search for "
    "`tags.kind = 'summary' and params.default_scheduler = 'ddim'`, sort by "
    "`metrics.default_latency_p50_s`."
)
_METRICS, _PARAMS = 800, 100  # in one call; MLflow takes 1000 of metrics, params and tags together
_TAG_CHARACTERS = 5000  # that every MLflow server takes


def trouble_with(uri: str) -> str:
    """Why the MLflow at uri cannot be used, in a line; empty where it answers."""
    try:
        with quiet():
            client_of(uri).search_experiments(max_results=1)
    except Exception as error:  # of many libraries, as in publish
        return f"{without_passwords(uri)}: {cause(error)}"
    return ""


def publish(
    run: Run,
    uri: str | None,
    experiment: str,
    *,
    pack: bool = False,
    baseline: str | None = None,
    wanted: Sequence[Target] | None = None,
) -> str:
    """Brings the run to an MLflow experiment; uri None means default_uri. Returns where to look.

    pack: with what a later check needs; baseline NAME@ALIAS: under that address too. wanted: the
    run's targets where they were made before.

    Raises TrackingDown when MLflow is absent, cannot be reached or refuses.
    """
    uri = uri or default_uri(run.folder.parent)
    wanted = targets(run, rows(run)) if wanted is None else wanted
    try:
        with quiet(), alone(uri, run):
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
            f"MLflow at {without_passwords(uri)}: {cause(error)}", run.folder
        ) from error


def _publish(
    run: Run,
    wanted: Sequence[Target],
    uri: str,
    *,
    experiment: str,
    pack: bool,
    baseline: str | None,
) -> str:
    client = client_of(uri)
    remove_stray_folder(uri)
    experiment_id = _experiment_id(client, uri, experiment)
    for number, target in enumerate(wanted):
        colour = _COLOURS[number % len(_COLOURS)]
        run_id = _bring(client, experiment_id, target, colour=colour)
        if target.is_summary:
            _retire_others(client, experiment_id, target, run_id=run_id)
            _log_files(client, run_id, run.folder)
            if pack:
                log_pack(client, run_id, run, baseline=baseline)
    return _where(uri, f"#/experiments/{experiment_id}/{_CHARTS}")


def _where(uri: str, page: str) -> str:
    """Where to look, in a line of a terminal: a server's page, or the command that starts one."""
    uri = without_passwords(uri)
    if uri.startswith("http"):
        return f"{uri.rstrip('/')}/{page}"
    path = Path(uri.removeprefix(SQLITE))
    if uri.startswith(SQLITE) and path.is_relative_to(Path.cwd()):
        uri = f"{SQLITE}{path.relative_to(Path.cwd())}"
    return f"`mlflow server --backend-store-uri {uri}`, then http://127.0.0.1:5000/{page}"


def _bring(client: "MlflowClient", experiment_id: str, target: Target, *, colour: str) -> str:
    """Makes the target's run, or adds to it what it lacks. Returns its id."""
    from mlflow.entities import Param, RunTag

    metrics = _metrics(target.points)
    tags = {
        **target.tags,
        "identity": target.identity,
        "mlflow.runName": target.name,
        "mlflow.runColor": colour,
        "mlflow.source.name": "denoisebench",
        **({_NOTE: target.note} if target.note else {}),
    }
    tags = {_sanitised(name): text[:_TAG_CHARACTERS] for name, text in tags.items()}
    mlflow_run = _find(client, experiment_id, target, metrics=metrics)
    if mlflow_run and mlflow_run.data.tags.get("content") == target.content:
        return str(mlflow_run.info.run_id)
    mlflow_run = mlflow_run or client.create_run(experiment_id, target.span_ms[0], tags)
    run_id: str = mlflow_run.info.run_id
    params = [Param(_sanitised(name), text) for name, text in target.params.items()]
    run_tags = [RunTag(*tag) for tag in tags.items()]
    client.log_batch(run_id, metrics[:_METRICS], params[:_PARAMS], run_tags)
    for start in range(_METRICS, len(metrics), _METRICS):
        client.log_batch(run_id, metrics[start : start + _METRICS])
    for start in range(_PARAMS, len(params), _PARAMS):
        client.log_batch(run_id, params=params[start : start + _PARAMS])
    status = "FINISHED" if target.complete else "FAILED"
    client.set_terminated(run_id, status, target.span_ms[1])
    client.set_tag(run_id, "content", target.content)  # last: it says that the rest is there
    return run_id


def _find(
    client: "MlflowClient", experiment_id: str, target: Target, *, metrics: list["Metric"]
) -> "MlflowRun | None":
    """The run to add to: of that identity, with no other param and no other value at a step of
    ours.

    So a cell measured anew, by someone else under the same name, or another default starts another
    run instead of putting a second value at the same step.
    """
    params = {_sanitised(name): text for name, text in target.params.items()}
    for candidate in _runs_of(client, experiment_id, target):
        if candidate.data.tags.get("content") == target.content:
            return candidate
        theirs = candidate.data.params
        if any(theirs[name] != params[name] for name in theirs.keys() & params.keys()):
            continue
        if _agree(client, candidate, metrics):
            return candidate
    return None


def _runs_of(client: "MlflowClient", experiment_id: str, target: Target) -> list["MlflowRun"]:
    return list(client.search_runs([experiment_id], f"tags.identity = '{target.identity}'"))


def _agree(client: "MlflowClient", candidate: "MlflowRun", metrics: Sequence["Metric"]) -> bool:
    """Whether a run has no value but ours at the steps of ours, and some of ours or none at all."""
    ours: dict[tuple[str, int], set[tuple[float, int]]] = defaultdict(set)
    for m in metrics:  # several at a step are of cells that take as long, to a millisecond
        ours[m.key, m.step].add((m.value, m.timestamp))
    names = candidate.data.metrics.keys() & {m.key for m in metrics}
    theirs = [m for name in names for m in client.get_metric_history(candidate.info.run_id, name)]
    shared = [m for m in theirs if (m.key, m.step) in ours]
    agree = all((m.value, m.timestamp) in ours[m.key, m.step] for m in shared)
    return agree and bool(shared or not theirs)


def _retire_others(
    client: "MlflowClient", experiment_id: str, target: Target, *, run_id: str
) -> None:
    """Names summaries with defaults that are no more: params of MLflow cannot be changed."""
    for other in _runs_of(client, experiment_id, target):
        if other.info.run_id != run_id and other.data.tags.get("kind") == "summary":
            client.set_tag(other.info.run_id, "content", "")  # so that it can come back
            client.set_tag(other.info.run_id, "kind", "earlier summary")
            client.set_tag(other.info.run_id, "mlflow.runName", f"{target.name}, earlier")


def _metrics(points: Sequence[Point]) -> list["Metric"]:
    from mlflow.entities import Metric

    return [
        Metric(_sanitised(name), value, point.time_ms, round(point.along(name)))
        for point in points
        for name, value in point.values.items()
    ]


def _sanitised(name: str) -> str:
    """MLflow's keys: letters, digits and _ - . space : /"""
    return re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII)


def _log_files(client: "MlflowClient", run_id: str, folder: Path) -> None:
    for name in FILES:
        if (folder / name).is_file():
            client.log_artifact(run_id, str(folder / name))
    if (folder / "figures").is_dir():
        client.log_artifacts(run_id, str(folder / "figures"), "figures")


def _experiment_id(client: "MlflowClient", uri: str, name: str) -> str:
    """Makes the experiment if need be; with a SQLite file its artifacts lie beside that file. One
    without a description gets ours."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        database = sqlite_path(uri)
        artifacts = (database.parent / "mlflow-artifacts").as_uri() if database else None
        with suppress(MlflowException):  # another publisher was first
            return client.create_experiment(name, artifacts, {_NOTE: _ABOUT})
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        raise ValueError(f"experiment {name!r} is deleted: restore it or set tracking.experiment")
    if not experiment.tags.get(_NOTE):
        client.set_experiment_tag(experiment.experiment_id, _NOTE, _ABOUT)
    return experiment.experiment_id
