"""What each command does. Heavy libraries are imported inside, so that --help is quick."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import conf_group

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from denoisebench.bench.records.run import Run
    from denoisebench.bench.settings.job import TrackingSettings
    from denoisebench.bench.sweep.sweep import Outcome

_OPEN = ("scheduler.flags.", "model.call.", "margins.gating.")  # settings that take any name
_PLAIN_WIDTH = 120  # characters of tables that go to a file
# Hydra's flags that take a value, in the next word unless an equals sign joins it.
_VALUE_FLAGS = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--package")
_HYDRA_FLAGS = (
    "--help",
    "-h",
    "--hydra-help",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--shell-completion",
    "-sc",
)


def sweep(arguments: list[str]) -> int:
    """Composes the grid with Hydra, runs it, reports it, publishes it. 1 when a cell failed."""
    codes: list[int] = []
    unknown, arguments = _without_unknown_choices(list(map(_open_flag, arguments)))

    def task(configs: list[dict]) -> None:
        codes.append(_sweep_grid(configs, unknown))

    _refuse_other_launchers(arguments)
    if "--dry-run" in arguments:
        arguments = [*(a for a in arguments if a != "--dry-run"), "dry_run=true"]
    asks_hydra = any(argument.split("=")[0] in _HYDRA_FLAGS for argument in arguments)
    if not asks_hydra and not {"-m", "--multirun"} & set(arguments):
        arguments = ["--multirun", *arguments]
    with TemporaryDirectory() as scratch:  # for Hydra's record of a sweep; ours is the run folder
        own = [] if asks_hydra else [f"hydra.sweep.dir={scratch}"]
        try:
            _call_hydra(task, [*arguments, *own])
        except UserError as error:
            known = [problem for problem in unknown if problem not in str(error)]
            raise UserError("\n".join([*known, str(error)])) from error
    return max(codes, default=0)


def verify(arguments: list[str]) -> int:
    """Schedulers against closed-form truth. 1 when something deviates that is not listed, or a
    listed defect is gone."""
    codes: list[int] = []
    asks_hydra = any(argument.split("=")[0] in _HYDRA_FLAGS for argument in arguments)
    if not asks_hydra:
        arguments = _all_schedulers(arguments)
    unknown, arguments = _without_unknown_choices(arguments)
    if unknown:
        raise UserError("\n".join(unknown))

    def task(configs: list[dict]) -> None:
        codes.append(_verify(configs))

    with TemporaryDirectory() as scratch:
        own = [] if asks_hydra else ["--multirun", f"hydra.sweep.dir={scratch}"]
        _call_hydra(task, [*arguments, *own], "verify")
    return max(codes, default=0)


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
    from denoisebench.reports.compare import comparison_table, find_cell

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
    return 0 if _publish(run, settings) else 1


def show(arguments: list[str]) -> int:
    """Lists what there is to choose from."""
    from denoisebench.bench.errors import nearest
    from denoisebench.bench.listing import LISTINGS

    if len(arguments) != 1 or arguments[0] not in LISTINGS:
        wanted = arguments[0] if arguments else ""
        raise UserError(f"list {wanted}: {nearest(wanted, LISTINGS)}")
    terminal().print(LISTINGS[arguments[0]]())
    return 0


def versions() -> str:
    """What a report of a fault should say: versions and devices, a line each."""
    from importlib.metadata import version
    from platform import python_version

    from denoisebench.bench.machine import devices

    lines = [f"denoisebench {version('denoisebench')}", f"Python {python_version()}"]
    lines += [f"{name} {version(name)}" for name in ("torch", "diffusers")]
    return "\n".join([*lines, *(f"device {device}" for device in devices())])


def _all_schedulers(arguments: list[str]) -> list[str]:
    """scheduler=all, and no scheduler at all, as the list of all."""
    from denoisebench.bench.schedulers.catalogue import SCHEDULERS

    every = f"scheduler={','.join(SCHEDULERS)}"
    asked = [a for a in arguments if a.startswith(("scheduler=", "own.class_name="))]
    if not asked:
        return [*arguments, every]
    whole = [a for a in asked if a.startswith("scheduler=") and "all" in a[10:].split(",")]
    return [every if argument in whole else argument for argument in arguments]


def _verify(configs: list[dict]) -> int:
    from time import perf_counter

    from denoisebench.bench.records.store import write_atomically
    from denoisebench.bench.verify.record import make_record, passed
    from denoisebench.bench.verify.settings import what_to_verify
    from denoisebench.bench.verify.verify import verify
    from denoisebench.reports.verify_page import write_verification
    from denoisebench.reports.verify_tables import verification_text

    subjects, folder = what_to_verify(configs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={folder}: {error.strerror}; choose another folder") from error
    for subject in subjects:
        subject.load()  # seconds of imports, which are not the schedulers'
    console, start, rows = terminal(), perf_counter(), []
    with _progress(console) as progress:
        task = progress.add_task("measuring", total=len(subjects))
        for found in verify(subjects):
            rows += found
            progress.update(task, advance=1, description=found[-1].scheduler)
    record = make_record(subjects, rows, perf_counter() - start)
    write_atomically(folder / "verify.json", json.dumps(record, indent=1).encode())
    page = write_verification(record, folder)
    console.print(verification_text(record))
    console.print(f"page: {page}", highlight=False, soft_wrap=True)
    return 0 if passed(record) else 1


def _open_flag(argument: str) -> str:
    """Names of flags are those of the scheduler's class: Hydra is told to take any."""
    return f"++{argument}" if argument.startswith(_OPEN) else argument


def _refuse_other_launchers(arguments: list[str]) -> None:
    """Launchers that call the task once per cell would check and load everything each time."""
    for argument in arguments:
        name, _, launcher = argument.partition("=")
        if name == "hydra/launcher" and launcher != "warm":
            raise UserError(f"{argument}: only hydra/launcher=warm keeps a sweep in one process")


def _without_unknown_choices(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What is wrong with names of config files, and the arguments that are left.

    Hydra stops at the first unknown name; so they are all found here, and the rest of the grid is
    checked without them. Config folders of the user's own are left to Hydra.
    """
    from denoisebench.bench.errors import nearest

    if any("config-dir" in a or a.startswith(("-cd", "hydra.searchpath")) for a in arguments):
        return [], arguments
    problems, kept = [], []
    for argument in arguments:
        group, _, choice = argument.partition("=")
        options = _options(group)
        names = choice.split(",") if options and re.fullmatch(r"[\w.,-]+", choice) else []
        unknown = [name for name in names if name not in options]
        problems += [f"{group}={name}: unknown; {nearest(name, options)}" for name in unknown]
        if not unknown:
            kept.append(argument)
    return problems, kept


def _options(group: str) -> set[str]:
    """Names of the files of a config group; none when there is no such group."""
    folder = conf_group(group)
    if not re.fullmatch(r"\w+", group) or not folder.is_dir():
        return set()
    found = {file.name.removesuffix(".yaml") for file in folder.iterdir() if ".yaml" in file.name}
    return found | {"null"} if group == "experiment" else found


def _sweep_grid(configs: list[dict], known_problems: list[str]) -> int:
    from denoisebench.bench.plan.plan import plan_sweep
    from denoisebench.bench.sweep.sweep import grid_table, run_sweep

    plan, console = plan_sweep(configs, known_problems), terminal()
    for warning in plan.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    if plan.settings.dry_run:
        console.print(grid_table(plan))
        return 0
    outcome = run_sweep(plan, console)
    _finish(outcome, plan.settings.tracking)
    if outcome.failed:
        console.print(
            f"{outcome.failed} of {len(plan.jobs)} cells failed: see their messages in the report; "
            "the same command tries them again",
            style="bold red",
            soft_wrap=True,
        )
    return 1 if outcome.failed else 0


def _finish(outcome: "Outcome", tracking: "TrackingSettings") -> None:
    """Report, tracking and summary; what was already there for the same results is left."""
    from denoisebench.bench.defaults import are_intact, read_defaults
    from denoisebench.reports.frame import load_frame
    from denoisebench.reports.report import is_current, write_report
    from denoisebench.reports.summary import default_line, summary_table

    folder, console = outcome.run.folder, terminal()
    page = folder / "report.html"
    defaults = folder / "defaults.yaml"
    if not (is_current(outcome.run) and are_intact(defaults)):
        write_report(folder)
    console.print(summary_table(load_frame(outcome.run)))
    for found in read_defaults(defaults):
        line = f"default of {default_line(found)}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if tracking.kind == "mlflow":
        _publish(outcome.run, tracking)
    if not outcome.computed:
        console.print("every cell was already in the store: nothing was generated", highlight=False)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def _publish(run: "Run", tracking: "TrackingSettings") -> bool:
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


def _call_hydra(
    task: Callable[[list[dict]], None], arguments: list[str], config_name: str = "sweep"
) -> None:
    """Runs Hydra's own main. Its errors become a UserError of one line with the nearest names."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise instead of printing and exiting
    import hydra
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    sys.argv = [sys.argv[0], *_flags_first(arguments)]
    try:
        main = hydra.main("pkg://denoisebench.conf", config_name, version_base="1.3")
        main(task)()
    except MissingConfigException as error:
        raise UserError(_unknown_choice(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_one_line(error)) from error


def _flags_first(arguments: list[str]) -> list[str]:
    """Hydra's parser wants its flags before the overrides."""
    words = iter(arguments)
    flags: list[str] = []
    overrides: list[str] = []
    for word in words:
        (flags if word.startswith("-") else overrides).append(word)
        if word in _VALUE_FLAGS:
            flags.extend([next(words, "")])
    return [*flags, *overrides]


def _unknown_choice(error) -> str:
    from denoisebench.bench.errors import nearest

    missing = str(error.missing_cfg_file)
    group, _, name = missing.rpartition("/")
    if not error.options:
        return f"{missing}: there is no such config"
    return f"{group}={name}: unknown; {nearest(name, error.options)}"


def _one_line(error: Exception) -> str:
    from hydra.errors import OverrideParseException

    from denoisebench.bench.errors import nearest
    from denoisebench.bench.settings.job import Settings

    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read as KEY=VALUE; quote lists and special characters"
    text = str(error)
    unknown = re.search(r"Could not override '([\w.]+)'", text)
    if unknown:
        name = unknown.group(1)
        return f"{name}: there is no such setting; {nearest(name, Settings.model_fields)}"
    return " ".join(text.split())


def run_folder(arguments: list[str]) -> Path:
    if len(arguments) != 1:
        raise UserError(
            "name one run folder, such as runs/demo; `denoisebench list runs` names the runs"
        )
    return Path(arguments[0])


def _progress(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True)


def terminal() -> "Console":
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)
