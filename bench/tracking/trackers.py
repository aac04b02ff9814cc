"""The trackers that a run can be copied to, and a run brought to those that its settings choose."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from denoisebench.bench.errors import UserError, suggestion
from denoisebench.bench.records.run import Run
from denoisebench.bench.settings.job import TrackingSettings, tracking_settings
from denoisebench.bench.tracking.client import cause
from denoisebench.bench.tracking.down import TrackingDown
from denoisebench.bench.tracking.targets import Target, targets

TRACKERS = ("mlflow", "tensorboard", "wandb")  # settings, and modules that they need
_EXTRAS = ("tensorboard", "wandb")  # of this package, by the same names


@dataclass(frozen=True)
class Published:
    """What came of one tracker, in a line: where to look, or why it does not have the run."""

    tracker: str
    line: str
    has_run: bool


def with_changes(recorded: dict[str, Any], changes: dict[str, str]) -> TrackingSettings:
    """The settings of a run with some of them changed, by `tracking` and `tracking.NAME`; MLflow
    where no tracker is chosen. Raises UserError for a value or a name that there is not."""
    recorded = {name: value for name, value in recorded.items() if name != "kind"}  # once one alone
    changes = dict(changes)
    names = changes.pop("tracking", "").split(",")
    if names == [""]:
        names = [name for name in TRACKERS if recorded.get(name)] or ["mlflow"]
    for name in names:
        if name not in TRACKERS:
            raise UserError(f"tracking={name}: unknown; {suggestion(name, TRACKERS)}")
    return tracking_settings(
        {
            **recorded,
            **{name: name in names for name in TRACKERS},
            **{name.removeprefix("tracking."): value for name, value in changes.items()},
        }
    )


def chosen(settings: TrackingSettings) -> list[str]:
    """Names of the trackers that the settings switch on."""
    return [name for name in TRACKERS if getattr(settings, name)]


def check_installed(settings: TrackingSettings) -> None:
    """Raises UserError for a chosen tracker whose library is an extra that is not installed."""
    for name in chosen(settings):
        if name in _EXTRAS and find_spec(name) is None:
            raise UserError(
                f"tracking={name}: {name} is not installed; pip install 'denoisebench[{name}]'"
            )


def publish_run(
    run: Run,
    settings: TrackingSettings,
    records: Sequence[dict[str, Any]],
    *,
    cautions: Sequence[str],
) -> list[Published]:
    """Brings the run to each chosen tracker; one that does not take it stops nothing. records: the
    run's rows; cautions: what the page says of the numbers."""
    names = chosen(settings)
    try:
        wanted = targets(run, records, cautions) if names else []
    except Exception as error:  # of what the run holds: it may not cost a sweep its ending
        return [Published(name, _unprepared(name, error, run), has_run=False) for name in names]
    return [_published(name, run, wanted, settings=settings) for name in names]


def _published(
    name: str, run: Run, wanted: Sequence[Target], *, settings: TrackingSettings
) -> Published:
    try:
        return Published(name, _WRITERS[name](run, wanted, settings), has_run=True)
    except TrackingDown as error:
        return Published(name, str(error), has_run=False)


def _unprepared(name: str, error: Exception, run: Run) -> str:
    return str(TrackingDown(f"{name}: the run cannot be prepared: {cause(error)}", run.folder))


def _mlflow(run: Run, wanted: Sequence[Target], settings: TrackingSettings) -> str:
    from denoisebench.bench.tracking.publish import publish

    return publish(
        run,
        settings.uri,
        settings.experiment,
        pack=settings.pack,
        baseline=settings.baseline,
        wanted=wanted,
    )


def _tensorboard(run: Run, wanted: Sequence[Target], settings: TrackingSettings) -> str:
    from denoisebench.bench.tracking.event_files import write_event_files

    return write_event_files(run, wanted)


def _wandb(run: Run, wanted: Sequence[Target], settings: TrackingSettings) -> str:
    from denoisebench.bench.tracking.wandb_runs import write_wandb_runs

    return write_wandb_runs(run, wanted, project=settings.experiment)


_WRITERS = {"mlflow": _mlflow, "tensorboard": _tensorboard, "wandb": _wandb}
