"""`denoisebench log`: a run to MLflow, as a sweep does at its end."""

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
    help="tracking.uri=, .experiment=, .pack= or .baseline=, where the sweep said otherwise",
)
def log(folder: Path, changes: tuple[str, ...]) -> int:
    """Publishes a run to MLflow again.

    Where it was meant to go, or where tracking.uri=... says.
    """
    from denoisebench.bench.paths.guarded import read_yaml
    from denoisebench.bench.records.rows import rows
    from denoisebench.bench.records.run import load_run
    from denoisebench.bench.settings.job import tracking_settings
    from denoisebench.reports.current import is_current
    from denoisebench.reports.report import report_of
    from denoisebench.reports.rows.cautions import cautions
    from denoisebench.reports.rows.frame import frame_of

    run = load_run(folder)
    foreign = [c for c in changes if not c.startswith("tracking.") or "=" not in c]
    if foreign:
        raise UserError(
            f"{foreign[0]}: log takes tracking.uri=…, .experiment=…, .pack=… and .baseline=…"
        )
    path = run.folder / "config.yaml"
    try:
        recorded = read_yaml(path)["tracking"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: run the sweep again, its store is kept") from error
    changed = dict(change.removeprefix("tracking.").partition("=")[::2] for change in changes)
    settings = tracking_settings({**recorded, "kind": "mlflow", **changed})
    records = rows(run)
    frame = frame_of(run, records)
    if not is_current(run, frame):
        report_of(run, frame)  # what is published is whole
    return 0 if publish_run(run, settings, records, cautions=cautions(frame)) else 1


def publish_run(
    run: "Run",
    tracking: "TrackingSettings",
    records: list[dict[str, Any]],
    *,
    cautions: Sequence[str],
) -> bool:
    """True when MLflow has the run; a server that is down is said once and stops nothing. records:
    the run's rows."""
    from denoisebench.bench.tracking.publish import TrackingDown, publish

    try:
        where = publish(
            run,
            tracking.uri,
            tracking.experiment,
            pack=tracking.pack,
            baseline=tracking.baseline,
            cautions=cautions,
            records=records,
        )
    except TrackingDown as error:
        print(f"denoisebench: {error}", file=sys.stderr)
        return False
    terminal().print(f"mlflow: {where}", highlight=False, soft_wrap=True)
    return True
