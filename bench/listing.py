"""Tables of what a sweep can name."""

from importlib.resources import files
from pathlib import Path

from rich.table import Table

from bench.schedulers import SCHEDULERS


def schedulers() -> Table:
    table = Table(
        "name", "label", "diffusers class", "NFE at 10 steps", "stochastic", "least steps"
    )
    for name, spec in SCHEDULERS.items():
        nfe, noisy = str(spec.expected_nfe(10)), "yes" if spec.stochastic else "no"
        table.add_row(name, spec.label, spec.class_name, nfe, noisy, str(spec.min_steps))
    return table


def runs() -> Table:
    table = Table("run", "cells", title="runs/")
    for marker in sorted(Path("runs").glob("*/sweep.json")):
        from bench.run import load_run

        table.add_row(str(marker.parent), str(len(load_run(marker.parent).entries)))
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
    "prompts": lambda: _choices("prompts"),
    "experiments": lambda: _choices("experiment"),
    "runs": runs,
}
