"""Decisions in words, for the page. No statistics."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pandas as pd

from denoisebench.bench.records.names import cell_name, counted
from denoisebench.bench.records.race import RaceRecord
from denoisebench.bench.records.race_words import race_lines
from denoisebench.metrics.decide.verdicts import FAIL, NO_PLATEAU, PASS, UNDECIDED, Verdict
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.decide.decisions import HELD, CurvePlateau, Decisions, Recommendation
from denoisebench.reports.decide.defaults_yaml import (
    FrameRow,
    cheaper_undecided,
    rival_name,
    setting_name,
)
from denoisebench.reports.decide.further import Further, further_of, is_of_noise
from denoisebench.reports.formats import (
    NEVER,
    PERCENT,
    at_least,
    at_most,
    duration,
    margin_text,
    number,
    places_of,
    plus_minus,
)


def recommendation_cards(rows: Sequence[FrameRow], decisions: Decisions) -> list[dict[str, Any]]:
    """One per default: title, outcome, setting, cost, evidence, what else might do. Metrics that
    chose the same cell share one. What a default saves is said in answer.py."""
    alike: dict[tuple[Any, ...], list[Recommendation]] = {}
    for recommendation in decisions.recommendations:
        choice = recommendation.choice
        cells = recommendation.panel, *recommendation.rows
        same = cells, choice.chosen, choice.outcome, recommendation.note
        alike.setdefault(same, []).append(recommendation)
    return [_card(rows, group) for group in alike.values()]


def plateau_lines(rows: Sequence[FrameRow], decisions: Decisions) -> list[dict[str, Any]]:
    """One per curve: what was decided, and on what the next smaller step count hangs."""
    return [_plateau_line(rows, curve) for curve in decisions.curves]


def margin_words(decisions: Decisions) -> str:
    """`CLIP score within 0.5; FID within 5 %`."""
    words = []
    for metric, gate in decisions.gates.items():
        amount = (
            f"{100 * gate.margin:g}{PERCENT}" if gate.relative else f"{margin_text(gate.margin)}"
        )
        words.append(f"{metric_spec(metric).short} within {amount}")
    return "; ".join(words)


def _listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _card(rows: Sequence[FrameRow], alike: Sequence[Recommendation]) -> dict[str, Any]:
    """alike: of the metrics that chose the same."""
    first = alike[0]
    row = rows[first.rows[0]]
    named = [] if first.panel.startswith(row["model"]) else [row["model"], row["task"]]
    card: dict[str, Any] = {
        "panel": ", ".join([*named, first.panel]),
        "target": _listed([metric_spec(recommendation.target).short for recommendation in alike]),
        "outcome": first.choice.outcome,
        "setting": "",
        "cost": "",
        "evidence": [],
        "notes": [],
    }
    place = first.choice.chosen
    guidance_notes = chain.from_iterable(map(_guidance_notes, alike))
    if place is None:
        reason = first.note or _no_choice(cheaper_undecided(first, rows))
        return card | {"notes": [reason, *_open_notes(first), *guidance_notes]}
    chosen = rows[first.rows[place]]
    return card | {
        "setting": cell_name(chosen, without=HELD),
        "cost": _cost_words(chosen),
        "evidence": _evidence(rows, first, place),
        "notes": [*_choice_notes(rows, first), *guidance_notes],
    }


def _choice_notes(rows: Sequence[FrameRow], recommendation: Recommendation) -> list[str]:
    """What to know of a cell that was chosen, and which others might do."""
    notes, runner_up = [], recommendation.choice.runner_up
    if recommendation.choice.outcome == NO_PLATEAU:
        notes.append(
            "Its curve still gains at its last step count: sweep more steps before trusting this."
        )
    if runner_up is not None:
        other = rows[recommendation.rows[runner_up]]
        notes.append(f"Runner-up: {setting_name(other)} ({_cost_words(other)}).")
    waiting = cheaper_undecided(recommendation, rows)
    if waiting:
        notes.append(f"Cheaper, but undecided: {_waiting_words(waiting)}.")
    return notes


def _open_notes(recommendation: Recommendation) -> list[str]:
    """Which metrics are still to be decided, of the cells that may yet pass."""
    standings = recommendation.choice.standings
    waiting = [standing.worst for standing in standings if standing.outcome == UNDECIDED]
    worst = [pair for verdicts in waiting for pair in verdicts.items()]
    names = dict.fromkeys(metric for metric, verdict in worst if verdict.outcome == UNDECIDED)
    return [f"Open by {_listed([metric_spec(name).short for name in names])}."] if names else []


def _no_choice(waiting: dict[str, Further]) -> str:
    if not waiting:
        return "No cell is within the margins of every other one."
    return f"No cell is proven to be within the margins yet: {_waiting_words(waiting)}."


def _waiting_words(waiting: dict[str, Further]) -> str:
    """The three that would be decided soonest."""
    soonest = sorted(waiting.items(), key=lambda pair: pair[1])[:3]
    return "; ".join(
        f"{name} is {NEVER}" if further.is_never else f"{name} needs {further.words}"
        for name, further in soonest
    )


def _guidance_notes(recommendation: Recommendation) -> list[str]:
    """How much worse the best cell of each other guidance is, by the metric that chose."""
    spec = metric_spec(recommendation.target)
    sign = 1 if spec.better == "lower" else -1
    parts = [
        f"{plus_minus(sign * gap.value, gap.se)} worse at guidance {guidance:g}"
        for guidance, gap in recommendation.other_guidances.items()
    ]
    if not parts:
        return []
    return [f"The best {spec.short} is {_listed(parts)}."]


def _cost_words(row: FrameRow) -> str:
    timed = row["latency_p50_s"]
    latency = f", {duration(timed)} per image" if math.isfinite(timed) else ""
    if pd.isna(row["nfe"]):
        return f"{counted(row['steps'], 'step')}{latency}"
    evaluations = counted(row["nfe"], "evaluation")
    return f"{evaluations}, {counted(row['network_passes'], 'pass', 'passes')}{latency}"


def _evidence(
    rows: Sequence[FrameRow], recommendation: Recommendation, place: int
) -> list[dict[str, Any]]:
    """A line per metric: a candidate beside the rival by which it comes nearest to the margin."""
    row, standing = rows[recommendation.rows[place]], recommendation.choice.standings[place]
    return [
        {
            "metric": metric_spec(metric).short,
            "value": _value(metric, row),
            "loss": _loss(verdict),
            "margin": margin_text(verdict.margin),
            "rival": rival_name(rows, recommendation, place=place, metric=metric),
        }
        for metric, verdict in standing.worst.items()
    ]


def _value(metric: str, row: FrameRow) -> str:
    return plus_minus(row[metric], row[f"{metric}_se"])


def _loss(verdict: Verdict) -> str:
    """`0.12, at most 0.31`; of what is proven to lose to none, `none`."""
    if verdict.high <= 0:
        return "none: the best measured"
    half = (verdict.high - verdict.low) / 2
    bound = at_most(verdict.high, half, verdict.margin)
    return f"{number(verdict.loss, places_of(half / 2))}, at most {bound}"


def _plateau_line(rows: Sequence[FrameRow], curve: CurvePlateau) -> dict[str, Any]:
    plateau = curve.plateau
    order = sorted(plateau.outcomes, reverse=True)
    stopped = next((n for n in order if plateau.outcomes[n] in (FAIL, UNDECIDED)), None)
    words = {
        PASS: f"within the margin from {counted(plateau.steps, 'step')}",
        UNDECIDED: "undecided" if order else "one step count: nothing to compare",
        NO_PLATEAU: f"no plateau: {plateau.steps} steps still gain",
    }
    return {
        "panel": curve.panel,
        "scheduler": curve.scheduler,
        "outcome": plateau.outcome,
        "words": words[plateau.outcome],
        "below": "" if stopped is None else _stopped(rows, curve, stopped),
    }


def _stopped(rows: Sequence[FrameRow], curve: CurvePlateau, steps: int) -> str:
    """Why the sequence of tests ended at a step count."""
    verdicts = curve.verdicts[steps]
    outcome = curve.plateau.outcomes[steps]
    held = {m: v for m, v in verdicts.items() if v.outcome == outcome}
    metric, verdict = max(held.items(), key=lambda pair: pair[1].in_margins(pair[1].loss))
    label = metric_spec(metric).short
    if outcome == FAIL:
        loss = at_least(verdict.low, (verdict.high - verdict.low) / 2, verdict.margin)
        return f"{counted(steps, 'step')}: proven to lose at least {loss} {label}"
    further = further_of(held.values(), of_noise=is_of_noise(rows[curve.rows[steps]]))
    return f"{counted(steps, 'step')}: undecided by {label}, {further.words}"


def race_tables(races: Sequence[RaceRecord]) -> list[dict[str, Any]]:
    """One per race: lines of how it stands, and a line per cell."""
    return [_race_table(race, several=len(races) > 1) for race in races]


def _race_table(race: RaceRecord, *, several: bool) -> dict[str, Any]:
    reasons = {place: words for rung in race.rungs for place, words in rung.stopped.items()}
    live = race.rungs[-1].live
    cells = [
        {
            "name": cell.name,
            "samples": f"{samples:,}",
            "why": "goes on" if place in live else reasons.get(place, "was not sampled"),
            "chosen": place == race.winner,
        }
        for place, (cell, samples) in enumerate(zip(race.cells, race.drawn, strict=True))
    ]
    return {"lines": list(race_lines(race, several)), "cells": cells}
