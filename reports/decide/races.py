"""How the races of a run went, for the page: who stopped when and why. No statistics."""

from collections.abc import Mapping, Sequence
from typing import Any

from denoisebench.bench.records.race_words import race_lines


def race_tables(races: Sequence[Mapping[str, Any]]) -> list[dict]:
    """One per race: lines of how it stands, and a line per cell."""
    return [_table(dict(race), len(races) > 1) for race in races]


def _table(race: dict[str, Any], several: bool) -> dict:
    why = {int(i): words for rung in race["rungs"] for i, words in rung["stopped"].items()}
    live = {int(i) for i in race["rungs"][-1]["live"]}
    chosen = race["choice"]["chosen"] if race["over"] else None
    cells = [
        {
            "name": f"{cell['curve']}, {cell['steps']} steps",
            "samples": f"{samples:,}",
            "why": "goes on" if i in live else why.get(i, "was not sampled"),
            "chosen": i == chosen,
        }
        for i, (cell, samples) in enumerate(zip(race["cells"], race["drawn"], strict=True))
    ]
    return {"lines": list(race_lines(race, several)), "cells": cells}
