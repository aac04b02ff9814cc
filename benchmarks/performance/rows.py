"""Rows of the performance benchmark: what was measured, how often, with which spread."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

SHOWN = ("python", "torch", "diffusers", "torchmetrics", "torch-fidelity", "prdc", "commit")
MACHINE = ("processor", "accelerator")


@dataclass(frozen=True)
class Row:
    """One line of a table. All values are kept; the table shows their median and range."""

    what: str
    values: tuple[float, ...]  # one a repetition
    unit: str  # "x" for a ratio, "" for a plain number
    aim: str = ""  # what is promised, in words
    note: str = ""  # what else there is to know of it

    @property
    def median(self) -> float:
        return float(np.median(self.values))


def figure(value: float) -> str:
    """Three digits, with commas in large numbers."""
    if value == 0 or not np.isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def ratios(above: Iterable[float], below: Iterable[float]) -> tuple[float, ...]:
    """Ratio of each pair of times that were taken one after the other."""
    return tuple(a / b for a, b in zip(above, below, strict=True))


def in_turn(count: int, actions: Sequence[Callable[[], Any]]) -> list[list[Any]]:
    """Results of each action, run so many times in turn; every other time in the reverse order, so
    that a machine that slows down or warms up favours none."""
    results: list[list[Any]] = [[] for _ in actions]
    for repetition in range(count):
        order = [*range(len(actions))][:: 1 if repetition % 2 == 0 else -1]
        for place in order:
            results[place].append(actions[place]())
    return results


def growth(counts: Sequence[int], seconds: Sequence[float]) -> dict[str, float]:
    """What a time that grows with a count amounts to: seconds at none and by one more, fitted by
    least squares of relative errors; and the exponent between the two largest counts, which is 1
    for what grows in proportion and 2 for a square."""
    n, t = np.asarray(counts, float), np.asarray(seconds, float)
    weighted = np.stack([np.ones_like(n), n], 1) / t[:, None]
    constant, by_one = np.linalg.lstsq(weighted, np.ones_like(t), rcond=None)[0]
    slope = np.log(t[-1] / t[-2]) / np.log(n[-1] / n[-2])
    return {"constant_s": float(constant), "by_one_s": float(by_one), "exponent": float(slope)}


def table(rows: Iterable[Row]) -> str:
    """A Markdown table of rows, with the columns that any of them fills."""
    cells = [_cells(row) for row in rows]
    names = [name for name in cells[0] if any(line[name] for line in cells)]
    lines = [names, ["---"] * len(names), *([line[name] for name in names] for line in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> dict[str, str]:
    unit = f" {row.unit}" if row.unit else ""
    spread = f"{figure(min(row.values))} to {figure(max(row.values))}"
    return {
        "what": row.what,
        "median": figure(row.median) + unit,
        "lowest to highest": spread if len(row.values) > 1 else "",
        "runs": str(len(row.values)),
        "aim": row.aim,
        "beside it": row.note,
    }


def document(record: dict[str, Any]) -> str:
    """All subjects of a record as Markdown. What ran elsewhere than the one before says where."""
    parts, latest = [], ""
    for subject in record["subjects"].values():
        rows = [Row(**{**row, "values": (*row["values"],)}) for row in subject["rows"]]
        where = _where(subject["environment"])
        line = [where] if where != latest else []
        latest = where
        parts += [f"### {subject['title']}", *line, subject["conditions"], table(rows)]
    return "\n\n".join(parts)


def _where(about: dict[str, str]) -> str:
    """Versions and machine in a line."""
    versions = ", ".join(f"{name} {about[name]}" for name in SHOWN if about.get(name))
    machine = " and ".join(about[name] for name in MACHINE if about.get(name))
    return f"Measured by `make bench` with {versions} on {machine}."


def write_tables(record: dict[str, Any], page: Path) -> None:
    """Puts the tables of a record where a page has its marker lines."""
    write_between(page, "bench", document(record))


def write_between(page: Path, target: str, text: str) -> None:
    """Replaces what stands between the two marker lines of a make target in a page."""
    begin, end = (f"<!-- make {target}: {side} -->" for side in ("begin", "end"))
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, is_there, after = rest.partition(end)
    if not is_there:
        raise ValueError(f"{page}: the lines {begin} and {end} are missing")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def subject_record(title: str, conditions: str, rows: Iterable[Row]) -> dict[str, Any]:
    """A subject as it is stored. conditions: what all its rows share, in sentences."""
    return {"title": title, "conditions": conditions, "rows": [asdict(row) for row in rows]}


def write_json(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1))
