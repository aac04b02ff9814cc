"""`denoisebench log`: a run to its trackers, as a sweep does at its end."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.bench.commands.completion import of_settings
from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.parser import WANTS_A_RUN, Command, Words, run_argument
from denoisebench.bench.errors import UserError

if TYPE_CHECKING:
    from denoisebench.bench.records.run import Run
    from denoisebench.bench.settings.job import TrackingSettings


_CHANGE = Words(
    ".*", "tracking.KEY=VALUE", offers=lambda word: of_settings("sweep", word or "tracking.")
)


@click.command(
    cls=Command, wants=WANTS_A_RUN, example="log runs/demo tracking.uri=http://localhost:5000"
)
@run_argument
@click.argument(
    "changes",
    metavar="[KEY=VALUE]...",
    nargs=-1,
    type=_CHANGE,
    help="tracking=, tracking.uri=, .experiment=, .pack= or .baseline=, in place of the sweep's",
)
def log(folder: Path, changes: tuple[str, ...]) -> int:
    """Publishes a run to its trackers again.

    Where it was meant to go, or where tracking.uri=... says; to MLflow where it had no tracker.
    """
    from denoisebench.bench.paths.guarded import read_yaml
    from denoisebench.bench.records.rows import rows
    from denoisebench.bench.records.run import load_run
    from denoisebench.bench.tracking.trackers import check_installed, with_changes
    from denoisebench.reports.current import is_current
    from denoisebench.reports.report import report_of
    from denoisebench.reports.rows.cautions import cautions
    from denoisebench.reports.rows.frame import frame_of

    run = load_run(folder)
    foreign = [c for c in changes if not c.startswith(("tracking.", "tracking=")) or "=" not in c]
    if foreign:
        raise UserError(
            f"{foreign[0]}: log takes tracking.uri=…, .experiment=…, .pack=…, .baseline=… and "
            "tracking=mlflow,tensorboard,wandb"
        )
    path = run.folder / "config.yaml"
    try:
        recorded = dict(read_yaml(path)["tracking"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: run the sweep again, its store is kept") from error
    settings = with_changes(recorded, dict(change.partition("=")[::2] for change in changes))
    check_installed(settings)
    records = rows(run)
    frame = frame_of(run, records)
    if not is_current(run, frame):
        report_of(run, frame)  # what is published is whole
    return 0 if publish(run, settings, records, cautions=cautions(frame)) else 1


def publish(
    run: "Run",
    tracking: "TrackingSettings",
    records: list[dict[str, Any]],
    *,
    cautions: Sequence[str],
) -> bool:
    """True when every tracker has the run; one that is down is said once and stops nothing.
    records: the run's rows."""
    from denoisebench.bench.tracking.trackers import publish_run

    outcomes = publish_run(run, tracking, records, cautions=cautions)
    for outcome in outcomes:
        if outcome.has_run:
            line = f"{outcome.tracker}: {outcome.line}"
            terminal().print(line, highlight=False, soft_wrap=True)
        else:
            print(f"denoisebench: {outcome.line}", file=sys.stderr)
    return all(outcome.has_run for outcome in outcomes)
