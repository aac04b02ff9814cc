"""Commands on a run that is there: report, compare, log, list."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.bench.commands.console import run_folder, terminal
from denoisebench.bench.errors import UserError, suggestion

if TYPE_CHECKING:
    from denoisebench.bench.records.run import Run
    from denoisebench.bench.settings.job import TrackingSettings


def report(arguments: list[str]) -> int:
    """Results, figures and page of a run, from its store alone."""
    from denoisebench.reports.report import write_report

    terminal().print(
        f"report: {write_report(run_folder(arguments))}", highlight=False, soft_wrap=True
    )
    return 0


def compare(arguments: list[str]) -> int:
    """Two cells by every metric they share: RUN A B, or RUN A RUN B; a cell by its settings."""
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.rows.compare import comparison_table, find_cell

    folders = [a for a in arguments if "=" not in a]
    chosen = [a for a in arguments if "=" in a]
    if len(chosen) != 2 or len(folders) not in (1, 2):
        raise UserError(
            "give a run and two of its cells by their settings: denoisebench compare runs/demo "
            "scheduler=ddim,steps=8,guidance=4 scheduler=ddim,steps=32,guidance=4; a second run "
            "before the second cell compares across runs"
        )
    runs = [load_run(Path(folder)) for folder in folders]
    wanted = [dict(_setting(part) for part in choice.split(",")) for choice in chosen]
    a, b = (find_cell(run, want) for run, want in zip([runs[0], runs[-1]], wanted, strict=True))
    terminal().print(comparison_table(a, b))
    return 0


def _setting(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name, value


def log(arguments: list[str]) -> int:
    """Publishes a run to MLflow again, where it was meant to go or where tracking.uri=… says."""
    import yaml

    from denoisebench.bench.records.run import load_run
    from denoisebench.bench.settings.job import tracking_settings

    run, changes = load_run(run_folder(arguments[:1])), arguments[1:]
    foreign = [c for c in changes if not c.startswith("tracking.") or "=" not in c]
    if foreign:
        raise UserError(
            f"{foreign[0]}: log takes tracking.uri=…, .experiment=…, .pack=… and .baseline=…"
        )
    path = run.folder / "config.yaml"
    try:
        recorded = yaml.safe_load(path.read_text())["tracking"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: run the sweep again, its store is kept") from error
    changed = dict(change.removeprefix("tracking.").partition("=")[::2] for change in changes)
    settings = tracking_settings({**recorded, "kind": "mlflow", **changed})
    return 0 if publish_run(run, settings) else 1


def show(arguments: list[str]) -> int:
    """Lists what there is to choose from."""
    from denoisebench.bench.commands.listing import LISTINGS

    if len(arguments) != 1 or arguments[0] not in LISTINGS:
        wanted = arguments[0] if arguments else ""
        raise UserError(f"list {wanted}: {suggestion(wanted, LISTINGS)}")
    terminal().print(LISTINGS[arguments[0]]())
    return 0


def publish_run(run: "Run", tracking: "TrackingSettings") -> bool:
    """True when MLflow has the run; a server that is down is said once and stops nothing."""
    from denoisebench.bench.tracking.publish import TrackingDown, publish

    try:
        asked = tracking.uri, tracking.experiment, tracking.pack, tracking.baseline
        where = publish(run, *asked)
    except TrackingDown as error:
        print(f"denoisebench: {error}", file=sys.stderr)
        return False
    terminal().print(f"mlflow: {where}", highlight=False, soft_wrap=True)
    return True
