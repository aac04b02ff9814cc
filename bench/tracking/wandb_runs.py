"""Copies a run to Weights & Biases: a run per curve and a summary, in the group of the sweep.

Offline, in the folder wandb beside the run folders, unless WANDB_MODE says otherwise: nothing
leaves the machine unasked. A run of theirs cannot be changed afterwards, so a curve whose content
changed is another run; one that was published as it is leaves a mark in wandb/published, and is not
published again.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from denoisebench.bench.records.cell import digest
from denoisebench.bench.records.run import Run
from denoisebench.bench.tracking.client import cause, quiet
from denoisebench.bench.tracking.down import TrackingDown
from denoisebench.bench.tracking.targets import FILES, Target
from denoisebench.bench.tracking.values import AXES, STEPS, Point, axis_of

if TYPE_CHECKING:
    import wandb

_MODE = "WANDB_MODE"
_START_S = 15  # that a server may take to answer


def write_wandb_runs(run: Run, wanted: Sequence[Target], *, project: str) -> str:
    """Writes what is missing or has changed. Returns where to look.

    Raises TrackingDown when wandb cannot be imported, or its server cannot be reached or refuses.
    """
    folder = run.folder.parent / "wandb"
    mode = os.environ.get(_MODE, "offline")
    marks = folder / "published"
    try:
        marks.mkdir(parents=True, exist_ok=True)
        for target in wanted:
            mark = marks / digest([target.identity, target.content, project, mode], 20)
            if not mark.exists():
                with quiet():
                    _write(run, target, mode=mode, run_id=mark.name, project=project)
                mark.touch()
    except Exception as error:  # wandb's, requests', the disk's: none may cost a sweep
        raise TrackingDown(f"Weights & Biases ({mode}): {cause(error)}", run.folder) from error
    if mode == "offline":
        return f"`wandb sync {folder}/offline-run-*` sends them; {_MODE}=online sends them at once"
    return f"project {project}, group {run.name}"


def _write(run: Run, target: Target, *, mode: str, run_id: str, project: str) -> None:
    import wandb

    settings = wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        x_disable_stats=True,
        init_timeout=_START_S,
        login_timeout=_START_S,
    )
    started: Any = wandb.init(
        project=project,
        id=run_id,
        name=target.name,
        group=run.name,
        job_type=target.tags["kind"],
        notes=target.note or None,
        config={**target.params, "tags": target.tags},
        dir=run.folder.parent,
        mode=mode,  # of the user's environment: wandb refuses others
        reinit="create_new",  # beside a run that the caller may have begun
        settings=settings,
    )
    with started:
        _log(started, target.points, is_summary=target.is_summary)
        if target.is_summary:
            _log_files(started, run)


def _log(started: "wandb.Run", points: Sequence[Point], *, is_summary: bool) -> None:
    """A row of a curve's history for each cell, or the numbers of a summary, which has no axis."""
    if is_summary:
        for point in points:
            started.summary.update(dict(point.values))
        return
    for axis in (STEPS, *AXES.values()):
        started.define_metric(axis, hidden=True)
    for name in sorted({name for point in points for name in point.values}):
        started.define_metric(name, step_metric=axis_of(name))
    for point in points:
        started.log({**point.axes, **point.values})


def _log_files(started: "wandb.Run", run: Run) -> None:
    import wandb

    pictures = sorted((run.folder / "figures").glob("*.png"))
    if pictures:
        started.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in pictures})
    artifact = wandb.Artifact(f"report-{started.id}", type="report")
    for name in FILES:
        if (run.folder / name).is_file():
            artifact.add_file(str(run.folder / name))
    if (run.folder / "figures").is_dir():
        artifact.add_dir(str(run.folder / "figures"), "figures")
    started.log_artifact(artifact)
