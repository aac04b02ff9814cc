"""Decisions in words, for the page. No statistics."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pandas as pd

from denoisebench.bench.records.race import RaceRecord
from denoisebench.bench.records.race_words import race_lines
from denoisebench.metrics.decide.choose import Gate
from denoisebench.metrics.decide.verdicts import FAIL, NO_PLATEAU, PASS, UNDECIDED, Verdict
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.decide.decisions import CurvePlateau, Decisions, Recommendation
from denoisebench.reports.decide.defaults_yaml import Row, cheaper_undecided, saving, setting_name
from denoisebench.reports.formats import (
    PERCENT,
    decimals_for,
    duration,
    number,
    plus_minus,
    significant,
    times,
)
from denoisebench.reports.rows.cautions import timings_are_even


def recommendation_cards(rows: Sequence[Row], decisions: Decisions) -> list[dict[str, Any]]:
    """One per default: title, outcome, setting, savings, evidence, what else might do. Metrics that
    chose the same cell share one."""
    even = bool(rows) and timings_are_even(pd.DataFrame.from_records(rows))
    alike: dict[tuple[Any, ...], list[Recommendation]] = {}
    for each in decisions.recommendations:
        choice = each.choice
        same = (each.panel, *each.rows), choice.chosen, choice.outcome, each.note
        alike.setdefault(same, []).append(each)
    return [_card(rows, found, decisions.gates, even=even) for found in alike.values()]


def plateau_lines(decisions: Decisions) -> list[dict[str, Any]]:
    """One per curve: what was decided, and on what the next smaller step count hangs."""
    return [_plateau_line(each) for each in decisions.curves]


def margin_words(decisions: Decisions) -> str:
    """`CLIP score within 0.5; FID within 5 %`."""
    told = []
    for metric, gate in decisions.gates.items():
        amount = f"{100 * gate.margin:g}{PERCENT}" if gate.relative else f"{gate.margin:g}"
        told.append(f"{metric_spec(metric).short} within {amount}")
    return "; ".join(told)


def _listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _card(
    rows: Sequence[Row],
    alike: Sequence[Recommendation],
    gates: Mapping[str, Gate],
    *,
    even: bool,
) -> dict[str, Any]:
    """alike: of the metrics that chose the same; even: whether latencies can be compared."""
    found = alike[0]
    first = rows[found.rows[0]]
    named = [] if found.panel.startswith(first["model"]) else [first["model"], first["task"]]
    chosen = found.choice.chosen
    card: dict[str, Any] = {
        "panel": ", ".join([*named, found.panel]),
        "target": _listed([metric_spec(each.target).short for each in alike]),
        "outcome": found.choice.outcome,
        "setting": "",
        "facts": [],
        "evidence": [],
        "notes": [],
    }
    if chosen is None:
        waiting = cheaper_undecided(found, rows)
        card["notes"] = [found.note or _no_choice(waiting), *_open_notes(found)]
        return card
    row, standing = rows[found.rows[chosen]], found.choice.standings[chosen]
    card["setting"] = f"{setting_name(row)}, guidance {row['guidance']:g}"
    card["facts"] = _facts(rows, row, even=even)
    card["evidence"] = [
        _evidence(metric, verdict, gates[metric], row, rows[found.rows[standing.rivals[metric]]])
        for metric, verdict in standing.worst.items()
    ]
    card["notes"] = [*_choice_notes(rows, found), *chain.from_iterable(map(_guidance_notes, alike))]
    return card


def _choice_notes(rows: Sequence[Row], found: Recommendation) -> list[str]:
    """What to know of a cell that was chosen, and which others might do."""
    notes, runner_up = [], found.choice.runner_up
    if found.choice.outcome == NO_PLATEAU:
        notes.append(
            "Its curve still gains at its last step count: sweep more steps before trusting this."
        )
    if runner_up is not None:
        other = rows[found.rows[runner_up]]
        notes.append(f"Runner-up: {setting_name(other)} ({_cost_words(other)}).")
    waiting = cheaper_undecided(found, rows)
    if waiting:
        notes.append(f"Cheaper, but undecided: {_waiting_words(waiting)}.")
    return notes


def _open_notes(found: Recommendation) -> list[str]:
    """Which metrics are still to be decided, of the cells that may yet pass."""
    waiting = [each for each in found.choice.standings if each.outcome == UNDECIDED]
    worst = [pair for each in waiting for pair in each.worst.items()]
    names = dict.fromkeys(metric for metric, verdict in worst if verdict.outcome == UNDECIDED)
    return [f"Open by {_listed([metric_spec(name).short for name in names])}."] if names else []


def _no_choice(waiting: dict[str, int]) -> str:
    if not waiting:
        return "No cell is within the margins of every other one."
    return f"No cell is proven to be within the margins yet: {_waiting_words(waiting)}."


def _waiting_words(waiting: dict[str, int]) -> str:
    """The three that would be decided soonest."""
    soonest = sorted(waiting.items(), key=lambda pair: pair[1])[:3]
    return "; ".join(f"{name} needs about {further:,} more samples" for name, further in soonest)


def _guidance_notes(found: Recommendation) -> list[str]:
    """How much worse the best cell of each other guidance is, by the metric that chose."""
    spec = metric_spec(found.target)
    decimals = decimals_for([gap.se for gap in found.other_guidances.values()])
    parts = [
        f"guidance {guidance:g} {plus_minus(gap.value, gap.se, decimals)}"
        for guidance, gap in found.other_guidances.items()
    ]
    if not parts:
        return []
    return [
        f"{spec.short} of other guidances' best cells less this one's best: {', '.join(parts)}."
    ]


def _facts(rows: Sequence[Row], row: Row, *, even: bool) -> list[str]:
    found = saving(rows, row)
    if found is None:
        return [_cost_words(row)]
    where = "" if found.measured else " (not measured here)"
    beside = f"the pipeline's own {found.steps} steps of {found.scheduler}{where}"
    parts = [f"{times(found.evaluations)} fewer evaluations"]
    if even and math.isfinite(found.latency):
        against = duration(found.latency_p50_s)
        parts.append(f"{times(found.latency, 2)} faster than {against}")
    return [_cost_words(row), f"{', '.join(parts)}: beside {beside}"]


def _cost_words(row: Row) -> str:
    timed = row["latency_p50_s"]
    latency = f", {duration(timed)} per image" if math.isfinite(timed) else ""
    return f"{row['nfe']} evaluations, {row['network_passes']} passes{latency}"


def _evidence(metric: str, verdict: Verdict, gate: Gate, row: Row, rival: Row) -> dict[str, Any]:
    spec, se = metric_spec(metric), row[f"{metric}_se"]
    return {
        "metric": spec.short,
        "value": plus_minus(row[metric], se, decimals_for([se])),
        "loss": _loss(verdict),
        # What was declared is shown as it was; a share of a measured value is rounded.
        "margin": significant(verdict.margin) if gate.relative else f"{verdict.margin:g}",
        "rival": "every other cell" if rival is row else setting_name(rival),
    }


def _loss(verdict: Verdict) -> str:
    """`0.12, at most 0.31`."""
    half = (verdict.high - verdict.low) / 2
    decimals = decimals_for([half / 2])
    return f"{number(verdict.loss, decimals)}, at most {number(verdict.high, decimals)}"


def _plateau_line(found: CurvePlateau) -> dict[str, Any]:
    flat = found.plateau
    order = sorted(flat.outcomes, reverse=True)
    stopped = next((n for n in order if flat.outcomes[n] in (FAIL, UNDECIDED)), None)
    words = {
        PASS: f"within the margin from {flat.steps} steps",
        UNDECIDED: "undecided" if order else "one step count: nothing to compare",
        NO_PLATEAU: f"no plateau: {flat.steps} steps still gain",
    }
    return {
        "panel": found.panel,
        "scheduler": found.scheduler,
        "outcome": flat.outcome,
        "words": words[flat.outcome],
        "below": "" if stopped is None else _stopped(found, stopped),
    }


def _stopped(found: CurvePlateau, steps: int) -> str:
    """Why the sequence of tests ended at a step count."""
    verdicts = found.verdicts[steps]
    outcome = found.plateau.outcomes[steps]
    held = {m: v for m, v in verdicts.items() if v.outcome == outcome}
    metric, verdict = max(held.items(), key=lambda pair: pair[1].in_margins(pair[1].loss))
    label = metric_spec(metric).short
    if outcome == FAIL:
        half = (verdict.high - verdict.low) / 2
        loss = number(verdict.low, decimals_for([half / 2]))
        return f"{steps} steps lose at least {loss} {label}"
    further = max(v.further for v in held.values())
    return f"{steps} steps: undecided by {label}, about {further:,} more samples"


def race_tables(races: Sequence[RaceRecord]) -> list[dict[str, Any]]:
    """One per race: lines of how it stands, and a line per cell."""
    return [_race_table(race, several=len(races) > 1) for race in races]


def _race_table(race: RaceRecord, *, several: bool) -> dict[str, Any]:
    reasons = {place: words for rung in race.rungs for place, words in rung.stopped.items()}
    live = race.rungs[-1].live
    cells = [
        {
            "name": f"{cell.curve}, {cell.steps} steps",
            "samples": f"{samples:,}",
            "why": "goes on" if place in live else reasons.get(place, "was not sampled"),
            "chosen": place == race.winner,
        }
        for place, (cell, samples) in enumerate(zip(race.cells, race.drawn, strict=True))
    ]
    return {"lines": list(race_lines(race, several)), "cells": cells}
