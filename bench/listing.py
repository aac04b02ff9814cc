"""Tables of what a sweep can name."""

from importlib.resources import files
from pathlib import Path

from rich.table import Table

from bench.errors import UserError
from bench.rows import COLUMNS
from bench.schedulers import SCHEDULERS


def schedulers() -> Table:
    table = Table(
        *("name", "label", "diffusers class", "drives", "order", "NFE at 10 steps", "stochastic"),
        "steps",
    )
    for name, spec in SCHEDULERS.items():
        drives = f"distilled {spec.family}" if spec.distilled else spec.family
        order, noisy = str(spec.order or ""), "yes" if spec.stochastic else "no"
        steps = f"{spec.min_steps} to {spec.max_steps}" if spec.max_steps else f"≥ {spec.min_steps}"
        nfe = str(spec.expected_nfe(10))
        table.add_row(name, spec.label, spec.class_name, drives, order, nfe, noisy, steps)
    return table


def columns() -> Table:
    """Columns of results.parquet and results.csv."""
    table = Table("column", "what")
    for name, meaning in COLUMNS.items():
        table.add_row(name, meaning)
    table.add_row("<metric>, <metric>_se", "a quality metric and its standard error")
    table.add_row("<metric>_n_per_dim", "of a Fréchet distance: samples per feature dimension")
    table.add_row(
        "<metric>_floor",
        "of a Fréchet distance: what as many samples of the reference itself would score, by their "
        "number alone",
    )
    return table


def runs() -> Table:
    from bench.run import load_run

    table = Table("run", "cells", title="runs/")
    for marker in sorted(Path("runs").glob("*/sweep.json")):
        try:
            cells = str(len(load_run(marker.parent).entries))
        except UserError as error:
            cells = str(error)
        table.add_row(str(marker.parent), cells)
    return table


def _choices(group: str) -> Table:
    """The options of a config group, with the comment that opens their file."""
    table = Table("name", "what")
    for option in sorted(files("conf").joinpath(group).iterdir(), key=lambda file: file.name):
        if option.name.endswith(".yaml"):
            lines = option.read_text().splitlines()
            notes = [line[2:] for line in lines if line.startswith("# ") and "@package" not in line]
            table.add_row(option.name.removesuffix(".yaml"), " ".join(notes))
    return table


LISTINGS = {
    "models": lambda: _choices("model"),
    "schedulers": schedulers,
    "metrics": lambda: _choices("metrics"),
    "tasks": lambda: _choices("task"),
    "prompts": lambda: _choices("prompts"),
    "experiments": lambda: _choices("experiment"),
    "columns": columns,
    "runs": runs,
}
