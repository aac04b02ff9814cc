"""Two measured cells compared by one metric: paired where their samples match, saying so if not."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from bench.cell import Cell, Entry
from bench.errors import UserError
from bench.rows import read_estimate
from bench.run import Run
from metrics.decide import Difference
from metrics.decide import compare as compare_estimates
from metrics.estimate import Estimate
from metrics.specs import metric_spec
from reports.formats import decimals_for, number, plus_minus

_NAMED = ("model", "task", "scheduler", "steps", "guidance", "strength", "grid", "seed", "prompts")


@dataclass(frozen=True, eq=False)
class MeasuredCell:
    """A cell of a run with what was measured of it."""

    run: Run
    entry: Entry

    @property
    def name(self) -> str:
        cell = self.entry.cell
        return f"{cell.model} {cell.scheduler}, {cell.steps} steps, guidance {cell.guidance:g}"


def compare(a: MeasuredCell, b: MeasuredCell, metric: str) -> Difference:
    """a - b with its standard error, interval and p.

    Sample i of both is paired when it had the same prompt, and input image where there is one: then
    it had the same noise too unless seed or model differ, which makes pairing gain less but not
    wrong. Raises UserError when a cell has no such score.
    """
    mismatch = _mismatch(a.entry.cell, b.entry.cell)
    return compare_estimates(_estimate(a, metric), _estimate(b, metric), mismatch)


def _estimate(one: MeasuredCell, metric: str) -> Estimate:
    found = read_estimate(one.run.store, one.entry, metric)
    if found is None:
        known = ", ".join(one.entry.metrics) or "none"
        raise UserError(f"{one.name} has no {metric}; it was scored by {known}")
    return found


def _mismatch(a: Cell, b: Cell) -> str:
    if a.prompts_hash != b.prompts_hash:
        return "different prompts"
    return "different input images" if a.inputs != b.inputs else ""


def find_cell(run: Run, wanted: Mapping[str, str]) -> MeasuredCell:
    """The one cell of a run whose settings are as wanted, such as {"scheduler": "ddim"}.

    Raises UserError for a setting that cells do not have, and when no or several cells are left.
    """
    for name in wanted:
        if name not in _NAMED:
            raise UserError(f"{name}: cells are chosen by {', '.join(_NAMED)}")
    left = [entry for entry in run.entries if _is_wanted(entry, wanted)]
    if len(left) == 1:
        return MeasuredCell(run, left[0])
    asked = ",".join(f"{name}={value}" for name, value in wanted.items())
    if not left:
        raise UserError(f"{asked}: no cell of {run.folder} is so; see its results.csv")
    open_ = [name for name in _NAMED if len({str(getattr(e.cell, name)) for e in left}) > 1]
    raise UserError(f"{asked}: {len(left)} cells are so; they differ in {', '.join(open_)}")


def _is_wanted(entry: Entry, wanted: Mapping[str, str]) -> bool:
    return all(_same(getattr(entry.cell, name), value) for name, value in wanted.items())


def _same(own: object, asked: str) -> bool:
    if isinstance(own, str):
        return own == asked
    try:
        return float(str(own)) == float(asked)
    except ValueError:
        return False


def comparison_table(a: MeasuredCell, b: MeasuredCell) -> Table:
    """One line per metric that both cells have."""
    shared = [metric for metric in a.entry.metrics if metric in b.entry.metrics]
    if not shared:
        raise UserError(f"{a.name} and {b.name} share no metric")
    table = Table(title=Text(f"A: {a.name}\nB: {b.name}"), title_justify="left")
    for title in ("metric", "A - B ± se", "95 % interval", "p", "A is", "samples"):
        table.add_column(title, justify="left" if title in ("metric", "samples") else "right")
    for metric in shared:
        table.add_row(*_line(metric, compare(a, b, metric)))
    return table


def _line(metric: str, found: Difference) -> list[str]:
    spec, decimals = metric_spec(metric), decimals_for([found.se])
    low, high = found.interval()
    told = low > 0 or high < 0
    better = (found.value > 0) == (spec.better == "higher")
    return [
        f"{spec.label}, {spec.direction}",
        plus_minus(found.value, found.se, decimals),
        f"{number(low, decimals)} to {number(high, decimals)}",
        f"{found.p:.2g}",
        ("better" if better else "worse") if told else "not told apart",
        f"unpaired: {found.unpaired}" if found.unpaired else f"{found.units:,} paired",
    ]
