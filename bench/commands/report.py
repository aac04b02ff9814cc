"""`denoisebench report` and `compare`: what a run shows, from its store alone."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.bench.commands.console import print_cautions, print_json, terminal
from denoisebench.bench.commands.parser import (
    FOLDER,
    WANTS_RUNS,
    Command,
    Words,
    json_option,
    one_of,
    runs,
)
from denoisebench.bench.errors import UserError
from denoisebench.bench.settings.budget import USD, Budget, budget_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from denoisebench.bench.records.run import Run

_WANTS_CELLS = (
    "give a run and two of its cells by their settings: denoisebench compare runs/demo "
    "scheduler=ddim,steps=8,guidance=4 scheduler=ddim,steps=32,guidance=4; a second run "
    "before the second cell compares across runs"
)

_PAPER = "figures=paper"
_SETTINGS = ("figures=", "budget=")  # how words begin that are no folders
_WORD = Words(".*", "a run or a cell", offers=runs)


def _report_words(word: str) -> list[str]:
    """Runs; the word for a paper once it is begun, as most lines end with a run."""
    return [*(one_of([_PAPER])(word) if word else ()), *runs(word)]


@click.command(
    cls=Command,
    wants=WANTS_RUNS,
    example="report runs/demo figures=paper\n"
    "denoisebench report runs/monday runs/tuesday -o runs/both",
)
@click.argument(
    "words",
    metavar="RUN... [figures=paper] [budget=UNIT:NUMBERS]",
    nargs=-1,
    required=True,
    type=Words(".+", "a folder", offers=_report_words),
    help="folders of runs, such as runs/demo; with figures=paper also paper/ in that of the run: "
    "figures in PDF and SVG in the widths of columns, tables in LaTeX; with budget=seconds:0.1,0.2 "
    "also the best cell at each budget",
)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=FOLDER,
    help="Folder of the page of several runs.  [default: runs/A+B of runs/A and runs/B]",
)
@click.option(
    "--usd-per-hour",
    metavar="USD",
    type=Words(r"\d*\.?\d+", "dollars an hour", read=float),
    help="What the machine of local models costs: for budget=usd:…; of several runs, puts their "
    "curves on the chart of prices, beside models that a service runs.",
)
@json_option
def report(
    words: tuple[str, ...], output: Path | None, *, usd_per_hour: float | None, as_json: bool
) -> int:
    """Writes the page of a run again, or one page of several runs.

    Of one run: results, figures, defaults and page, in its folder. Of several: their defaults side
    by side, their curves over each other, and the differences of the cells that they share. All is
    made from the stores alone: nothing is generated or scored.
    """
    settings = [word for word in words if word.startswith(_SETTINGS)]
    folders = [Path(word) for word in words if word not in settings]
    for_paper = _asks_for_paper([word for word in settings if word.startswith("figures=")])
    budget = _budget([word for word in settings if word.startswith("budget=")], usd_per_hour)
    if not folders:
        raise UserError(WANTS_RUNS)
    if usd_per_hour == 0:
        raise UserError("--usd-per-hour=0: give what the machine costs, above 0")
    if len(folders) > 1:
        if for_paper:
            raise UserError(f"{_PAPER} is for one run: give each by itself")
        if budget:
            raise UserError(f"budget={budget.text} is for one run: give each by itself")
        return _report_several(folders, output, as_json, usd_per_hour=usd_per_hour)
    if output is not None:
        raise UserError("--output is for several runs: the page of one lies in its own folder")
    if usd_per_hour is not None and (budget is None or budget.unit != USD):
        raise UserError(
            "--usd-per-hour is for budget=usd:… or several runs: name one of a hosted model too"
        )
    return _report_one(folders[0], as_json, for_paper=for_paper, budget=budget)


def _budget(words: Sequence[str], usd_per_hour: float | None) -> Budget | None:
    """Raises UserError for what is no budget, and for more than one."""
    if not words:
        return None
    if len(words) > 1:
        raise UserError(f"{' '.join(words)}: give one budget, of one unit")
    try:
        return budget_of(words[0].removeprefix("budget="), usd_per_hour)
    except ValueError as error:
        raise UserError(f"{words[0]}: {error}") from error


def _asks_for_paper(words: Sequence[str]) -> bool:
    """Raises UserError for other figures than those of a paper."""
    for word in words:
        if word != _PAPER:
            raise UserError(f"{word}: give {_PAPER}")
    return bool(words)


def _report_one(folder: Path, as_json: bool, *, for_paper: bool, budget: Budget | None) -> int:
    from denoisebench.bench.records.defaults_file import (
        read_budgets,
        read_defaults,
        read_equal_cost,
    )
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.decide.answer import answer
    from denoisebench.reports.decide.budget_words import budget_lines
    from denoisebench.reports.decide.equal_cost_words import equal_cost_lines
    from denoisebench.reports.decide.no_default import no_default
    from denoisebench.reports.report import report_of
    from denoisebench.reports.rows.cautions import cautions, timings_are_even
    from denoisebench.reports.rows.frame import load_frame

    run = load_run(folder)
    frame = load_frame(run)
    if budget:
        _refuse_idle(run, frame, budget)
        run = replace(run, budget=budget)
    page = report_of(run, frame, for_paper=for_paper)
    defaults = read_defaults(page.parent / "defaults.yaml")
    budgets = read_budgets(page.parent / "defaults.yaml")
    equal_cost = read_equal_cost(page.parent / "defaults.yaml")
    is_even = timings_are_even(frame)
    words = answer(defaults, is_even=is_even, no_default=no_default(run, frame))
    if as_json:
        print_json(
            {
                "run": str(folder),
                "page": str(page),
                "paper": str(page.parent / "paper") if for_paper else None,
                "answer": words,
                "defaults": defaults,
                **({"budgets": budgets} if run.budget else {}),
                **({"equal_cost": equal_cost} if equal_cost else {}),
                "cautions": cautions(frame),
                "cells": frame["status"].value_counts().to_dict(),
            }
        )
        return 0
    print_cautions(cautions(frame))
    for line in [*budget_lines(run, budgets), *equal_cost_lines(equal_cost)]:
        terminal().print(line, emoji=False, highlight=False, markup=False, soft_wrap=True)
    terminal().print(f"answer: {words}", highlight=False, markup=False, soft_wrap=True)
    terminal().print(f"report: {page}", highlight=False, soft_wrap=True)
    if for_paper:
        terminal().print(f"paper: {page.parent / 'paper'}", highlight=False, soft_wrap=True)
    return 0


def _refuse_idle(run: "Run", frame: "DataFrame", budget: Budget) -> None:
    """Raises UserError for a budget at which nothing of the run can be decided."""
    if not run.margins:
        raise UserError(f"budget={budget.text}: margins decide, and {run.folder} declared none")
    if budget.unit == USD and budget.usd_per_hour is None and frame[budget.column].isna().all():
        raise UserError(f"budget={budget.text}: give --usd-per-hour, what the machine costs")
    # A service has a price of its own, whatever the machine costs.
    columns = [*(["latency_p50_s"] if budget.is_of_seconds else []), budget.column]
    if frame[columns].isna().all(axis=None):
        raise UserError(
            f"budget={budget.text}: {run.folder} has no {columns[0]} of any cell, so that none is "
            "known to be within it"
        )


def _report_several(
    folders: Sequence[Path], output: Path | None, as_json: bool, *, usd_per_hour: float | None
) -> int:
    from denoisebench.reports.several.page import contrast_record
    from denoisebench.reports.several.write import write_several

    written = write_several(folders, output, usd_per_hour=usd_per_hour)
    content = written.content
    words = {side.label: side.answer for side in written.sides}
    if as_json:
        print_json(
            {
                "runs": {side.label: str(side.run.folder) for side in written.sides},
                "page": str(written.page),
                "answers": words,
                "defaults": {side.label: side.defaults for side in written.sides},
                "differences": [
                    contrast_record(section.common, contrast)
                    for section in content.sections
                    for contrast in section.contrasts
                ],
                "cautions": content.all_cautions,
            }
        )
        return 0
    print_cautions(content.all_cautions)
    for label, text in words.items():
        line = f"answer of {label}: {text}"
        terminal().print(line, highlight=False, markup=False, soft_wrap=True)
    terminal().print(f"report: {written.page}", highlight=False, markup=False, soft_wrap=True)
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
@json_option
def compare(words: tuple[str, ...], as_json: bool) -> int:
    """Shows the paired difference of two cells.

    By every metric they share, with its p-value.
    """
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.rows.cautions import cautions
    from denoisebench.reports.rows.compare import comparison_record, comparison_table, find_cell
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
    frames = [load_frame(replace(one.run, entries=[one.entry])) for one in (a, b)]
    notes = list(dict.fromkeys(text for frame in frames for text in cautions(frame)))
    if as_json:
        print_json({**comparison_record(a, b), "cautions": notes})
        return 0
    terminal().print(comparison_table(a, b))
    print_cautions(notes)
    return 0


def _setting(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name, value
