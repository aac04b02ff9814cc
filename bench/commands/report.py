"""`denoisebench report` and `compare`: what a run shows, from its store alone."""

import re
from dataclasses import replace
from pathlib import Path

import click

from denoisebench.bench.commands.console import print_cautions, print_json, terminal
from denoisebench.bench.commands.parser import (
    WANTS_A_RUN,
    Command,
    Words,
    json_option,
    run_argument,
    runs,
)
from denoisebench.bench.errors import UserError

_WANTS_CELLS = (
    "give a run and two of its cells by their settings: denoisebench compare runs/demo "
    "scheduler=ddim,steps=8,guidance=4 scheduler=ddim,steps=32,guidance=4; a second run "
    "before the second cell compares across runs"
)

_WORD = Words(".*", "a run or a cell", offers=runs)


@click.command(cls=Command, wants=WANTS_A_RUN, example="report runs/demo")
@run_argument
@json_option
def report(folder: Path, as_json: bool) -> int:
    """Writes results, figures, defaults and page again.

    They are made from the store alone: nothing is generated or scored.
    """
    from denoisebench.bench.apply import read_defaults
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.decide.answer import answer
    from denoisebench.reports.report import report_of
    from denoisebench.reports.rows.cautions import cautions, timings_are_even
    from denoisebench.reports.rows.frame import load_frame

    run = load_run(folder)
    frame = load_frame(run)
    page = report_of(run, frame)
    defaults = read_defaults(page.parent / "defaults.yaml")
    words = answer(defaults, statuses=frame["status"], is_even=timings_are_even(frame))
    if as_json:
        print_json(
            {
                "run": str(folder),
                "page": str(page),
                "answer": words,
                "defaults": defaults,
                "cautions": cautions(frame),
                "cells": frame["status"].value_counts().to_dict(),
            }
        )
        return 0
    print_cautions(cautions(frame))
    terminal().print(f"answer: {words}", highlight=False, markup=False, soft_wrap=True)
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
