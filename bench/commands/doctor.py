"""`denoisebench doctor`: what stands in the way of a sweep on this machine."""

from pathlib import Path

import click

from denoisebench.bench.commands.console import terminal
from denoisebench.bench.commands.parser import FOLDER, Command, Words

_STYLES = {"fault": "red", "note": "yellow", "ok": "green"}


@click.command(cls=Command, example="doctor --tracking http://localhost:5000")
@click.option(
    "--runs",
    metavar="FOLDER",
    default=Path("runs"),
    show_default=True,
    type=FOLDER,
    help="Folder of all runs, as runs=FOLDER of a sweep.",
)
@click.option(
    "--tracking",
    metavar="URI",
    type=Words(".+", "the address of an MLflow"),
    help="MLflow to reach, as tracking.uri=URI of a sweep.  [default: mlflow.db in the folder]",
)
def doctor(runs: Path, tracking: str | None) -> int:
    """Looks for what stands in the way of a sweep here.

    Versions, clashes of libraries, devices, memory, disk, the hub's cache, weights, MLflow; each
    with its cure. The exit code is 1 when sweeps would fail.
    """
    from denoisebench.bench.commands.checkup import findings
    from denoisebench.bench.tracking.database import default_uri

    console, faults = terminal(), 0
    for finding in findings(runs, tracking or default_uri(runs)):
        state = "fault" if finding.is_fault else "note" if finding.cure else "ok"
        console.print(f"{state:<6}", style=_STYLES[state], end="")
        lines = [f"{finding.subject}: {finding.text}"]
        lines += [f"      cure: {finding.cure}"] if finding.cure else []
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
        faults += finding.is_fault
    return 1 if faults else 0
