"""`denoisebench report` and `compare`: what a run shows, from its store alone."""

import re
from dataclasses import replace
from pathlib import Path

import click

from denoisebench.bench.commands.console import print_cautions, terminal
from denoisebench.bench.commands.parser import WANTS_A_RUN, Command, Words, run_argument, runs
from denoisebench.bench.errors import UserError

_WANTS_CELLS = (
    "give a run and two of its cells by their settings: denoisebench compare runs/demo "
    "scheduler=ddim,steps=8,guidance=4 scheduler=ddim,steps=32,guidance=4; a second run "
    "before the second cell compares across runs"
)

_WORD = Words(".*", "a run or a cell", offers=runs)


@click.command(cls=Command, wants=WANTS_A_RUN, example="report runs/demo")
@run_argument
def report(folder: Path) -> int:
    """Writes results, figures, defaults and page again.

    They are made from the store alone: nothing is generated or scored.
    """
    from denoisebench.bench.apply import read_defaults
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.report import report_of
    from denoisebench.reports.rows.cautions import cautions
    from denoisebench.reports.rows.frame import load_frame
    from denoisebench.reports.rows.summary import answer

    run = load_run(folder)
    frame = load_frame(run)
    page = report_of(run, frame)
    print_cautions(cautions(frame))
    decided = answer(read_defaults(page.parent / "defaults.yaml"))
    terminal().print(f"answer: {decided}", highlight=False, markup=False, soft_wrap=True)
    terminal().print(f"report: {page}", highlight=False, soft_wrap=True)
    return 0


@click.command(
    cls=Command,
    example="compare runs/demo scheduler=ddim,steps=8,guidance=4 \\\n"
    "    scheduler=ddim,steps=32,guidance=4",
)
@click.argument(
    "words",
    metavar="RUN CELL [RUN] CELL",
    nargs=-1,
    type=_WORD,
    help="a run and two of its cells by their settings, commas between; or cells of two runs",
)
def compare(words: tuple[str, ...]) -> int:
    """Shows the paired difference of two cells.

    By every metric they share, with its p-value.
    """
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.rows.cautions import cautions
    from denoisebench.reports.rows.compare import comparison_table, find_cell
    from denoisebench.reports.rows.frame import load_frame

    folders = [word for word in words if "=" not in word]
    chosen = [word for word in words if "=" in word]
    if len(chosen) != 2 or len(folders) not in (1, 2):
        raise UserError(_WANTS_CELLS)
    runs = [load_run(Path(folder)) for folder in folders]
    # Values with commas, as grid=timesteps=[999, 500], have a space behind each.
    parts = [re.split(r",(?=\w)", choice) for choice in chosen]
    wanted = [dict(map(_setting, part)) for part in parts]
    a, b = (find_cell(run, want) for run, want in zip([runs[0], runs[-1]], wanted, strict=True))
    terminal().print(comparison_table(a, b))
    frames = [load_frame(replace(one.run, entries=[one.entry])) for one in (a, b)]
    print_cautions(dict.fromkeys(text for frame in frames for text in cautions(frame)))
    return 0


def _setting(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name, value
