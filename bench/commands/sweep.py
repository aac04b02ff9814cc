"""`denoisebench sweep`. Heavy libraries are imported inside, so that --help is quick."""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from denoisebench.bench.commands.completion import SETTING
from denoisebench.bench.commands.console import print_cautions, terminal
from denoisebench.bench.commands.devices import with_chosen_devices
from denoisebench.bench.commands.flags import asks_hydra
from denoisebench.bench.commands.hosted import are_hosted, sweep_hosted
from denoisebench.bench.commands.hydra import (
    composed,
    open_setting,
    refuse_malformed,
    without_unknown_choices,
)
from denoisebench.bench.commands.log import publish
from denoisebench.bench.commands.parser import Command, Overrides
from denoisebench.bench.commands.typed import refuse_strays
from denoisebench.bench.commands.worlds import named_worlds, sweep_worlds
from denoisebench.bench.errors import UserError
from denoisebench.bench.records.names import counted

if TYPE_CHECKING:
    from denoisebench.bench.plan.plan import Plan
    from denoisebench.bench.sweep.sweep import Outcome

_launcher_of_hydra = re.compile(r"^hydra/launcher=(?=(ray|slurm)$)")  # as Hydra's plugins are named


_KEPT = "the same command goes on where it stopped"


@click.command(
    cls=Overrides,
    config="sweep",
    switches={
        "--dry-run": "Print the grid and its cost, and run nothing.",
        "--show-config": "Print the settings as composed, and run nothing.",
    },
    example="sweep scheduler=ddim,euler steps=2,4,8,16 guidance=1,4 samples=256",
)
def sweep(flags: dict[str, str], overrides: list[str]) -> int:
    """Runs a sweep: models x schedulers x steps x guidance.

    Every cell is generated, scored and timed; the run is reported, and copied to its trackers.

    A setting is given as KEY=VALUE. With commas, steps=2,4,8, it is an axis: model, scheduler,
    scheduler.flags.NAME, steps, guidance, grid, task, strength, seed, samples and prompts may be.
    """
    return _resumable(flags, overrides)


@click.command(cls=Command, example="demo")
@click.argument(
    "overrides",
    metavar="[KEY=VALUE]...",
    nargs=-1,
    type=SETTING,
    help="settings in place of the demo's, such as samples=64; see `denoisebench sweep --help`",
)
@click.option("--dry-run", is_flag=True, help="Print the grid and its cost, and run nothing.")
def demo(overrides: Sequence[str], dry_run: bool) -> int:
    """Runs the demo: a sweep of the embedded model.

    Two schedulers x five step counts x two guidance scales; it is `sweep experiment=demo`. A few
    minutes on two cores, and nothing is downloaded. The report is runs/demo/report.html.
    """
    return _resumable({"--dry-run": ""} if dry_run else {}, ["experiment=demo", *overrides])


def _resumable(flags: dict[str, str], overrides: Sequence[str]) -> int:
    try:
        return _run_overrides(flags, overrides)
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(*(interrupt.args or [_KEPT])) from None


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Lets an interruption say where what is done can be seen."""
    try:
        yield
    except KeyboardInterrupt:
        command = shlex.join(["denoisebench", "report", str(folder)])
        raise KeyboardInterrupt(f"{_KEPT}, `{command}` shows what is done") from None


def _run_overrides(flags: dict[str, str], overrides: Sequence[str]) -> int:
    """Composes the grid with Hydra, runs it, reports it, publishes it. 1 when a cell failed."""
    is_question = asks_hydra(flags)
    if worlds := named_worlds(overrides):
        return sweep_worlds(flags, overrides, worlds)
    shows_config = flags.pop("--show-config", None) is not None
    command = _command_line(flags, overrides)
    overrides = [_launcher_of_hydra.sub("launcher=", override) for override in overrides]
    refuse_malformed(overrides)
    refuse_strays(overrides)
    if not (is_question or shows_config):
        click.echo("reading the grid …")  # at once: seconds of imports follow
    overrides = with_chosen_devices(overrides)
    unknown, overrides = without_unknown_choices(list(map(open_setting, overrides)), flags)

    if flags.pop("--dry-run", None) is not None:
        overrides.append("dry_run=true")
    with TemporaryDirectory() as scratch:  # for Hydra's record of a sweep; ours is the run folder
        if not is_question:
            flags["--multirun"] = ""
            overrides.append(f"hydra.sweep.dir={scratch}")
        try:
            configs = composed(flags, overrides)
        except UserError as error:
            known = [problem for problem in unknown if problem not in str(error)]
            raise UserError("\n".join([*known, str(error)])) from error
    if not configs:
        return 0
    if shows_config:
        return _show_config(configs, unknown)
    return _sweep_grid(configs, unknown, command)


def _command_line(flags: dict[str, str], overrides: Sequence[str]) -> str:
    """What does the same again in a shell."""
    words = [f"{name}={value}" if value else name for name, value in flags.items()]
    return shlex.join(["denoisebench", "sweep", *words, *overrides])


def _show_config(configs: list[dict[str, Any]], known_problems: list[str]) -> int:
    from denoisebench.bench.commands.shown_config import shown_config

    if known_problems:
        raise UserError("\n".join(known_problems))
    click.echo(shown_config(configs), nl=False)
    return 0


def _sweep_grid(configs: list[dict[str, Any]], known_problems: list[str], command: str) -> int:
    if are_hosted(configs) and not known_problems:
        return sweep_hosted(configs, command)
    console = terminal()
    cells = counted(len(configs), "cell")
    console.print(f"checking {cells}: schedulers, models, metrics …", highlight=False)
    from denoisebench.bench.plan.plan import plan_sweep
    from denoisebench.bench.sweep.account import accounted
    from denoisebench.bench.sweep.cost import cost_lines
    from denoisebench.bench.sweep.grid import grid_table
    from denoisebench.bench.sweep.sweep import run_sweep

    if not known_problems and all(config["dry_run"] for config in configs) and _sketched(configs):
        return 0
    plan = plan_sweep(configs, known_problems)
    for warning in plan.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    if plan.is_dry_run:
        console.print(grid_table(plan))
        for line in cost_lines(plan.jobs):
            console.print(line, highlight=False, soft_wrap=True)
        return 0
    with _naming(plan.run_folder), accounted(plan.run_folder, command) as account:
        if plan.workers is None:
            outcome = run_sweep(plan, console, account=account)
        else:
            from denoisebench.bench.queue.driver import helpers_of

            with helpers_of(plan, console, account=account) as helpers:
                outcome = run_sweep(plan, console, helpers, account=account)
        finish(outcome, plan)
    return 1 if outcome.lost else 0


def _sketched(configs: list[dict[str, Any]]) -> bool:
    """Shows what is known of a grid whose models' files are not here; whether they are not."""
    from denoisebench.bench.plan.sketch import sketched
    from denoisebench.bench.sweep.grid import sketch_lines, sketch_table

    sketch, console = sketched(configs), terminal()
    if sketch is None:
        return False
    console.print(sketch_table(sketch))
    for line in sketch_lines(sketch):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return True


def finish(outcome: "Outcome", plan: "Plan") -> None:
    """Reports, publishes and sums up the run; a report of the same results is left as it is. The
    last lines are the answer and where the page is."""
    from denoisebench.bench.records.defaults_file import (
        read_budgets,
        read_defaults,
        read_equal_cost,
    )
    from denoisebench.bench.records.margins import gates
    from denoisebench.bench.records.rows import rows
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.current import is_current
    from denoisebench.reports.decide.answer import answer, default_line
    from denoisebench.reports.decide.budget_words import budget_lines
    from denoisebench.reports.decide.equal_cost_words import equal_cost_lines
    from denoisebench.reports.decide.no_default import no_default
    from denoisebench.reports.rows.cautions import cautions, timings_are_even
    from denoisebench.reports.rows.frame import frame_metrics, frame_of
    from denoisebench.reports.rows.summary import summary_table

    run, console = load_run(outcome.run.folder), terminal()  # as any later report reads it
    folder = run.folder
    page = folder / "report.html"
    defaults = folder / "defaults.yaml"
    records = rows(run)
    frame = frame_of(run, records)
    if not is_current(run, frame):
        from denoisebench.reports.report import report_of

        report_of(run, frame)
    decided = read_defaults(defaults)
    console.print(summary_table(frame, gates(run.margins, frame_metrics(frame), {})))
    print_cautions(cautions(frame, plan.warnings))
    for default in decided:
        line = f"default of {default_line(default)}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    said = [
        *budget_lines(run, read_budgets(defaults)),
        *equal_cost_lines(read_equal_cost(defaults)),
    ]
    for line in said:
        console.print(line, emoji=False, highlight=False, markup=False, soft_wrap=True)
    publish(run, plan.tracking, records, cautions=cautions(frame))
    if not outcome.computed:
        console.print("every cell was already in the store: nothing was generated", highlight=False)
    if outcome.lost:
        console.print(
            f"{outcome.lost}: see their messages in the report; the same command tries them again",
            style="bold red",
            soft_wrap=True,
        )
    is_even = timings_are_even(frame)
    words = answer(decided, is_even=is_even, no_default=no_default(run, frame))
    console.print(f"answer: {words}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)
