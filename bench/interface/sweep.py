"""A sweep in the caller's process: planned, run, reported and published as the command does."""

import io
import re
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.bench.errors import UserError, wrong_kind
from denoisebench.bench.interface.environment import kept_environment
from denoisebench.bench.interface.results import Results, load
from denoisebench.bench.interface.words import overrides_of
from denoisebench.bench.paths import path_of

if TYPE_CHECKING:
    from denoisebench.bench.plan.plan import Plan
    from denoisebench.bench.records.run import Run
    from denoisebench.bench.settings.job import TrackingSettings
    from denoisebench.bench.sweep.account import Account
    from denoisebench.bench.sweep.progress import Listener
    from denoisebench.bench.sweep.sweep import Outcome


def sweep(
    *, progress: "Listener | None" = None, config_dir: str | Path | None = None, **settings: Any
) -> Results:
    """Runs a sweep and returns what it measured; what an earlier one stored is not done again.

        run = denoisebench.sweep(model="shapes-ddpm", scheduler=["ddim", "euler"], steps=[4, 8])

    settings: those of the command line. A list or range is an axis, a tuple one value that is a
    list, a mapping holds settings within a group: latency={"timed_runs": 0}. The dots of a group
    that has a choice too need a mapping by their names: metrics="shapes",
    **{"metrics.reference_samples": 512}.
    progress: called with each finished cell; what it raises ends the sweep, the store is kept.
    config_dir: folder with configs of your own, as --config-dir of the command line.

    Raises UserError, in the words of the command line, for settings that cannot run together and
    for what stops the whole sweep. A cell that fails is a row of the frame with its message, and a
    warning. Prints nothing, and leaves the process's environment, arguments and threads as they
    are. For devices by number set CUDA_VISIBLE_DEVICES before Python starts.
    """
    overrides = overrides_of(settings)
    _refuse_what_the_command_alone_does(overrides)
    if not (progress is None or callable(progress)):
        raise wrong_kind("progress", progress, "a function that is called with each cell")
    if config_dir is not None:
        folder = path_of(config_dir, "config_dir").absolute()
        overrides += overrides_of({"hydra.searchpath": (f"file://{folder}",)})
    with kept_environment():
        outcome = _swept(overrides, progress)
    if outcome.lost:
        warnings.warn(
            f"{outcome.lost}: see their messages in the frame; the same call tries them again",
            stacklevel=2,
        )
    return load(outcome.run.folder)


def _refuse_what_the_command_alone_does(overrides: list[str]) -> None:
    """Raises UserError for a grid to be printed, and for devices that the environment shows."""
    for override in overrides:
        name, _, value = override.partition("=")
        if name == "dry_run":
            raise UserError("dry_run: prints a grid; use `denoisebench sweep … --dry-run`")
        numbers = re.findall(r"cuda:(\d+)", value) if name == "device" else []
        if numbers:
            raise UserError(
                f"device: set CUDA_VISIBLE_DEVICES={','.join(numbers)} before Python starts, and "
                f"give device='cuda'{f', workers={len(numbers)}' if len(numbers) > 1 else ''}"
            )


def _swept(overrides: list[str], progress: "Listener | None") -> "Outcome":
    from denoisebench.bench.interface.compose import grid_of
    from denoisebench.bench.models.quiet import quiet_libraries
    from denoisebench.bench.plan.plan import plan_sweep
    from denoisebench.bench.sweep.account import accounted

    _forget_files()
    plan = plan_sweep(*grid_of(overrides))
    with accounted(plan.run_folder) as account:
        with quiet_libraries():
            outcome = _run(plan, account, progress)
        _finish(outcome.run.folder, plan.tracking)
    return outcome


def _forget_files() -> None:
    """Forgets what earlier calls read of files, which may be others by now: hashes, prompts,
    images. A command reads each once; a process that sweeps again must not."""
    for name, module in [*sys.modules.items()]:
        if name.startswith("denoisebench.bench."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear") and value.__module__ == name:
                    value.cache_clear()


def _run(plan: "Plan", account: "Account", progress: "Listener | None") -> "Outcome":
    from rich.console import Console

    from denoisebench.bench.queue.driver import helpers_of
    from denoisebench.bench.sweep.sweep import run_sweep

    console = Console(file=io.StringIO(), force_terminal=False, force_jupyter=False)
    queue = (
        nullcontext()
        if plan.workers is None
        else helpers_of(plan, console, account=account, listener=progress)
    )
    with queue as helpers:
        return run_sweep(plan, console, helpers, account=account, listener=progress)


def _finish(folder: Path, tracking: "TrackingSettings") -> None:
    """Reports and publishes the run; a report of the same results is left as it is."""
    from denoisebench.bench.records.rows import rows
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.current import is_current
    from denoisebench.reports.report import report_of
    from denoisebench.reports.rows.cautions import cautions
    from denoisebench.reports.rows.frame import frame_of

    run = load_run(folder)
    records = rows(run)
    frame = frame_of(run, records)
    if not is_current(run, frame):
        report_of(run, frame)
    _publish(run, tracking, records, cautions=cautions(frame))


def _publish(
    run: "Run", tracking: "TrackingSettings", records: list[dict[str, Any]], *, cautions: list[str]
) -> None:
    from denoisebench.bench.tracking.trackers import publish_run

    for outcome in publish_run(run, tracking, records, cautions=cautions):
        if not outcome.has_run:
            warnings.warn(outcome.line, stacklevel=5)
