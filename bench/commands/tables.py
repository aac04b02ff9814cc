"""The tables of `denoisebench list`: what a sweep can name."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from denoisebench.bench.errors import UserError
from denoisebench.bench.paths import group_files
from denoisebench.bench.plugins.entry_points import KINDS, added, added_choices
from denoisebench.bench.records.columns import COLUMNS
from denoisebench.bench.schedulers.catalogue import CLASSES, SCHEDULERS, flags_text
from denoisebench.bench.schedulers.known_defects import known_defects, table_for
from denoisebench.bench.score.published import REFERENCES


def schedulers() -> Group:
    return Group(_catalogue(), _classes(), _defects())


def _catalogue() -> Table:
    table = Table("name", caption="flags: laid over the model's own scheduler config")
    table.add_column("class …Scheduler", no_wrap=True)
    table.add_column("flags", overflow="fold")
    for heading in ("drives", "order", "NFE of N", "steps"):
        table.add_column(heading)
    for name, spec in SCHEDULERS.items():
        order = "noisy" if spec.stochastic else str(spec.order)
        steps = f"{spec.min_steps} to {spec.max_steps}" if spec.max_steps else f"≥ {spec.min_steps}"
        nfe = _per_steps(*spec.evaluations)
        laid = flags_text(spec.flags)
        table.add_row(name, _short(spec.class_name), laid, spec.kind, order, nfe, steps)
    return table


def _short(class_name: str) -> str:
    return class_name.removesuffix("Scheduler")


def _per_steps(a: int, b: int) -> str:
    """`2N - 1`: denoiser evaluations of N steps."""
    rest = f" {'+' if b > 0 else '-'} {abs(b)}" if b else ""
    return f"{a if a > 1 else ''}N{rest}"


def _classes() -> Table:
    table = Table(
        "class …Scheduler",
        "solver",
        "reads",
        "honours use_…_sigmas",
        "custom grid",
        "seeded by",
        caption="reads: prediction types, e(psilon) v s(ample) f(low). honours: k(arras) "
        "e(xponential) b(eta) f(low) move its noise levels. custom grid: t(imesteps) s(igmas)",
    )
    for name, facts in CLASSES.items():
        marks = (_initials(names) for names in (facts.predicts, facts.honours, facts.takes))
        table.add_row(_short(name), facts.solver, *marks, facts.seeded_by)
    return table


def _initials(names: Iterable[str]) -> str:
    return " ".join(name[0] for name in names)


def _defects() -> Table:
    installed, measured = version("diffusers"), table_for(version("diffusers"))
    title = f"known defects, diffusers {measured}" + (
        "" if installed == measured else f" (here: {installed})"
    )
    table = Table("name", "of", title=title)
    for known in known_defects(installed):
        table.add_row(known.name, ", ".join(map(_short, known.who)))
    return table


def columns() -> Table:
    """Columns of results.parquet and results.csv."""
    table = Table("column", "what")
    for name, meaning in COLUMNS.items():
        table.add_row(name, escape(meaning))
    table.add_row("<metric>, <metric>_se", "a quality metric and its standard error")
    table.add_row(
        "<metric>_units",
        "what its error counts: samples, or prompts where few repeat; a 95 % interval is "
        "Student's, with one degree of freedom fewer",
    )
    table.add_row(
        "<metric>_n_per_dim",
        "of a Fréchet distance: samples, or prompts where few repeat, per feature dimension",
    )
    table.add_row(
        "<metric>_raw",
        "of a Fréchet distance: the plain one of all samples, to compare with published numbers of "
        "as many samples; <metric> is without its bias",
    )
    table.add_row(
        "<metric>_infinity",
        "of a Fréchet distance: FD of infinitely many samples by a parabola in 1/n; far from "
        "<metric>, samples are too few",
    )
    table.add_row(
        "<metric>_left",
        "of a Fréchet distance: the most of its bias that is left in <metric>, which its 95 % "
        "interval holds beside a multiple of the standard error; where it is unknown, there is "
        "neither",
    )
    table.add_row(
        "<metric>_floor",
        "of a distance between distributions: what as many samples of the reference itself would "
        "score in <metric>_raw, by their number alone",
    )
    return table


def references() -> Table:
    """Published references, whose files users place."""
    table = Table("name", "file", "shows", "resized", title="metrics.reference=published:NAME")
    for name, one in REFERENCES.items():
        table.add_row(name, one.file, one.shows, one.resize or "as what is scored")
    return table


def runs() -> Table:
    table = Table("run", "cells", title="runs/")
    for run in _runs():
        table.add_row(escape(run["run"]), escape(run["problem"] or str(run["cells"])))
    return table


def _runs() -> Iterator[dict[str, Any]]:
    from denoisebench.bench.records.run import load_run

    for marker in sorted(Path("runs").glob("*/sweep.json")):
        name = str(marker.parent)
        try:
            yield {"run": name, "cells": len(load_run(marker.parent).entries), "problem": ""}
        except UserError as error:
            yield {"run": name, "cells": None, "problem": str(error)}


def plugins() -> Table:
    """What installed packages add."""
    table = Table("kind", "name", "is", "of", title="entry points denoisebench.<kind>")
    for kind in KINDS:
        for name, point in added(kind).items():
            package = f"{point.dist.name} {point.dist.version}" if point.dist else ""
            table.add_row(kind, escape(name), escape(point.value), escape(package))
    return table


def _choices(group: str) -> Table:
    """The options of a config group, with the comment that opens their file."""
    table = Table("name", "what")
    options = {**group_files(group), **added_choices(group)}
    for name, file in sorted(options.items()):
        lines = file.read_text().splitlines()
        notes = [line[2:] for line in lines if line.startswith("# ") and "@package" not in line]
        table.add_row(name, escape(" ".join(notes)))
    return table


LISTINGS: dict[str, Callable[[], RenderableType]] = {
    "models": lambda: _choices("model"),
    "schedulers": schedulers,
    "metrics": lambda: _choices("metrics"),
    "references": references,
    "margins": lambda: _choices("margins"),
    "tasks": lambda: _choices("task"),
    "prompts": lambda: _choices("prompts"),
    "experiments": lambda: _choices("experiment"),
    "columns": columns,
    "plugins": plugins,
    "runs": runs,
}


def records_of(subject: str) -> Any:
    """A listing as plain values, a record a row. That of schedulers has three lists: schedulers,
    classes of diffusers and known defects."""
    if subject == "runs":
        return [*_runs()]
    if subject == "schedulers":
        return {
            "schedulers": [{"name": name, **asdict(spec)} for name, spec in SCHEDULERS.items()],
            "classes": [{"name": name, **asdict(facts)} for name, facts in CLASSES.items()],
            "known_defects": [
                {"name": known.name, "of": known.who, "effect": known.effect}
                for known in known_defects(version("diffusers"))
            ],
        }
    table = LISTINGS[subject]()
    assert isinstance(table, Table)
    texts = (
        [Text.from_markup(str(cell)).plain for cell in column.cells] for column in table.columns
    )
    names = [str(column.header) for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*texts, strict=True)]
