"""What is said of the best cell at a budget: a line in the terminal, a row of the page's table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from denoisebench.bench.records.names import counted
from denoisebench.bench.records.run import Budget, Run
from denoisebench.metrics.decide.verdicts import NO_PLATEAU
from denoisebench.reports.decide.answer import group_name, loss_sentence, waiting_words
from denoisebench.reports.decide.budgets import amount, unit_words, unpriced_words


def budget_lines(run: Run, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each budget; records: the budgets of defaults.yaml."""
    if run.budget is None:
        return []
    if not records:
        unit = unit_words(run.budget)
        return [f"budget={run.budget.text}: no cell has a known cost in {unit}, so nothing is said"]
    lines = [_line(record, run.budget) for record in records]
    models = dict.fromkeys(entry.cell.model for entry in run.entries)
    unpriced = [name for name in models if all(record["model"] != name for record in records)]
    if unpriced:
        unit = unit_words(run.budget)
        names = ", ".join(unpriced)
        lines.append(f"left out above: no finished cell of {names} has a known cost in {unit}")
    return lines


def _line(record: Mapping[str, Any], budget: Budget) -> str:
    """`budget seconds:0.2: shapes-ddpm: ddim, 8 steps, guidance 4 at 164 ms (PASS, …)`"""
    row = budget_row(record, budget)
    if not row["setting"]:
        return f"budget {record['budget']}: {row['about']}: {row['outcome']}, {row['why']}"
    why = f", {row['why']}" if row["why"] else ""
    return (
        f"budget {record['budget']}: {row['about']}: {row['setting']} at {row['price']} "
        f"({row['outcome']}{why})"
    )


def budget_row(record: Mapping[str, Any], budget: Budget) -> dict[str, str]:
    """Texts: what the budget is of, the outcome, the setting and its price, and the proof."""
    is_chosen = "setting" in record
    return {
        "budget": amount(budget, float(record["budget"].partition(":")[2])),
        "about": group_name(record),
        "outcome": record["outcome"],
        "setting": record.get("setting", ""),
        "price": amount(budget, record["price"]["value"]) if is_chosen else "",
        "why": "; ".join(_reasons(record, budget)),
    }


def _reasons(record: Mapping[str, Any], budget: Budget) -> Iterator[str]:
    if "note" in record:
        yield str(record["note"])
    else:
        yield _proof(record) if "setting" in record else _why(record)
        if unpriced := record.get("no_known_cost", ()):
            yield unpriced_words(unpriced, budget)
    if "not_run" in record:
        yield f"{record['not_run']} were not run, which may change it"


def _proof(record: Mapping[str, Any]) -> str:
    """`within all margins of the 5 others that it pays for: loses at most 0.3 of the 0.5 CLIP
    allowed`"""
    others = record["paid_for"] - 1
    unsure = sum(len(record.get(name, ())) for name in ("may_be_paid_for", "no_known_cost"))
    if not others and not unsure:
        return "the only cell that it pays for"
    rivals = [counted(others, "other")] if others else []
    rivals += [f"{unsure} that it may pay for"] if unsure else []
    grows = record["outcome"] == NO_PLATEAU
    more = "its curve still gains there, so sweep more steps; " if grows else ""
    loss = loss_sentence(record["evidence"])
    return f"{more}within all margins of {' and '.join(rivals)}: {loss}"


def _why(record: Mapping[str, Any]) -> str:
    """What would decide."""
    unsure = record.get("may_be_paid_for", ())
    timed = f"; {', '.join(unsure)} may be paid for: time again" if unsure else ""
    return f"no cell is proven to be within all margins{waiting_words(record)}{timed}"
