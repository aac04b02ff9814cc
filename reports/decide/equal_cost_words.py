"""What is said of caches and precisions at equal cost: a line in the terminal, rows of a table."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from denoisebench.bench.records.names import counted
from denoisebench.metrics.decide.equal_cost import ALONE, GAINS, LOSES, OPEN, RANKED
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.formats import plus_minus

_UNITS = {"seconds": "seconds", "tflops": "TFLOPs", "block_evaluations": "block evaluations"}
_VERDICTS = {
    GAINS: "gains over fewer steps",
    LOSES: "loses to fewer steps",
    OPEN: "is not told apart from fewer steps",
}


def equal_cost_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each thing that was switched on; records: `equal_cost` of defaults.yaml."""
    return [f"{record['of']}: {record['switched_on']}: {_sentence(record)}" for record in records]


def _sentence(record: Mapping[str, Any]) -> str:
    """`at equal seconds it loses to fewer steps by FD (1.2 ± 0.3 worse, …); it gains in none of its
    4 settings, in 3 fewer steps are better`"""
    verdict = record["verdict"]
    if "note" in record:
        return f"nothing is said at equal cost: {record['note']}"
    if verdict == ALONE:
        return "nothing is said at equal cost: no plain cell costs as little; sweep fewer steps"
    settings = record["settings"]
    shown = min(settings, key=_rank)
    head = (
        f"at equal {_UNITS[record['at_equal']]} it {_VERDICTS[verdict]} by "
        f"{metric_spec(record['metric']).short} (at best {shown['setting']}, {best_case(shown)})"
    )
    return f"{head}; {_settings(settings)}"


def _rank(setting: Mapping[str, Any]) -> tuple[int, float]:
    """Place of a setting among others, lower is better: by its verdict, then by the gain of its
    best cell."""
    return RANKED.index(setting["verdict"]), -setting.get("best_case", {}).get("better_by", 0.0)


def _settings(settings: Sequence[Mapping[str, Any]]) -> str:
    """How many settings gain and lose; of one alone how many of its cells do."""
    verdicts = Counter(one["verdict"] for one in settings)
    of_all = f"its {counted(len(settings), 'setting')}"
    if len(settings) == 1:
        verdicts = Counter(settings[0]["cells"])
        of_all = f"its {counted(verdicts.total(), 'cell')}"
    gains, losses = (verdicts[name] or "none" for name in (GAINS, LOSES))
    return f"it gains in {gains} of {of_all}, in {losses} fewer steps are better"


def best_case(setting: Mapping[str, Any]) -> str:
    """`euler, 16 steps: 1.2 ± 0.3 worse than euler, 8 steps`; empty where no plain cell costs as
    little."""
    case = setting.get("best_case")
    if case is None:
        return ""
    se = math.nan if case["se"] is None else case["se"]
    side = "better" if case["better_by"] > 0 else "worse"
    note = f"; {case['note']}" if "note" in case else ""
    size = plus_minus(abs(case["better_by"]), se)
    return f"{case['cell']}: {size} {side} than {case['rival']}{note}"


def equal_cost_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Texts of the page's table, a row for each setting."""
    return [row for record in records for row in _rows(record)]


def _rows(record: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    common = {
        "about": record["of"],
        "switched_on": record["switched_on"],
        "metric": metric_spec(record["metric"]).short,
        "at_equal": _UNITS.get(record.get("at_equal", ""), ""),
    }
    if "note" in record:
        yield {**common, "verdict": "", "cells": "", "best_case": record["note"]}
    for one in record.get("settings", ()):
        cells = ", ".join(f"{number} {verdict}" for verdict, number in one["cells"].items())
        yield {
            **common,
            "switched_on": one["setting"],
            "verdict": one["verdict"],
            "cells": cells,
            "best_case": best_case(one),
        }
