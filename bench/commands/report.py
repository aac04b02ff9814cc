"""`denoisebench report` and `compare`: what a run shows, from its store alone."""

import re
from dataclasses import replace
from pathlib import Path

from denoisebench.bench.commands.console import print_cautions, run_folder, terminal
from denoisebench.bench.errors import UserError


def report(arguments: list[str]) -> int:
    """Results, figures and page of a run, from its store alone."""
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.report import report_of
    from denoisebench.reports.rows.cautions import cautions
    from denoisebench.reports.rows.frame import load_frame

    run = load_run(run_folder(arguments))
    frame = load_frame(run)
    page = report_of(run, frame)
    print_cautions(cautions(frame))
    terminal().print(f"report: {page}", highlight=False, soft_wrap=True)
    return 0


def compare(arguments: list[str]) -> int:
    """Two cells by every metric they share: RUN A B, or RUN A RUN B; a cell by its settings."""
    from denoisebench.bench.records.run import load_run
    from denoisebench.reports.rows.cautions import cautions
    from denoisebench.reports.rows.compare import comparison_table, find_cell
    from denoisebench.reports.rows.frame import load_frame

    folders = [a for a in arguments if "=" not in a]
    chosen = [a for a in arguments if "=" in a]
    if len(chosen) != 2 or len(folders) not in (1, 2):
        raise UserError(
            "give a run and two of its cells by their settings: denoisebench compare runs/demo "
            "scheduler=ddim,steps=8,guidance=4 scheduler=ddim,steps=32,guidance=4; a second run "
            "before the second cell compares across runs"
        )
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
