"""defaults.yaml: what to run a model with, why, and what it saves. bench/apply applies it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from denoisebench.bench.records.cell import WEIGHTLESS, Entry, as_set
from denoisebench.bench.records.columns import PANEL_FIELDS, WHOLE
from denoisebench.bench.records.defaults_file import NAMED_BY, SCHEMA
from denoisebench.bench.records.names import cell_name
from denoisebench.bench.records.race import RaceRecord
from denoisebench.bench.records.run import Run
from denoisebench.metrics.decide.choose import Gate
from denoisebench.metrics.decide.racing import Trial
from denoisebench.metrics.decide.verdicts import UNDECIDED, Verdict
from denoisebench.reports.decide.decisions import HELD, Decisions, Recommendation
from denoisebench.reports.decide.further import Further, further_of, is_of_noise
from denoisebench.reports.decide.setting_record import (
    OnOneLine,
    noise_levels,
    setting_record,
    shows_by,
)
from denoisebench.reports.rows.frame import work

_HEADER = (
    "# Per model, task and metric, the cheapest cell proven to be within the margins of every\n"
    "# other one at its guidance: the guidance whose best cell is best by the metric.\n"
    "# other_guidances: the best cell there less the best here, by the same metric.\n"
    "# denoisebench.apply(pipeline, path) sets the scheduler, and the step cache and precision\n"
    "# that were chosen; it returns the call's arguments.\n"
)
FrameRow = dict[str, Any]  # of a run's frame
EVERY_OTHER = "every other cell"
_SHARE = "a share of the value of the cell that it is held against"


_IMPLIED = ("engine", "weights")  # named where model, precision and the rest do not tell them
_YAML: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 100}


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml comes without types
    pass


_Dumper.add_representer(
    OnOneLine,
    lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True),
)


@dataclass(frozen=True)
class Saving:
    """What a setting saves: the vendor's default beside it.

    Ratios are of the vendor's cost to the setting's.
    """

    scheduler: str  # class of the vendor's
    steps: int
    guidance: float  # nan when its pipeline has none
    evaluations: float  # ratio
    latency_p50_s: float  # vendor's; nan when nothing was timed
    latency: float  # ratio; nan when nothing was timed
    measured: bool  # whether the vendor's latency is of a cell of the run


def defaults_yaml(
    run: Run,
    rows: Sequence[FrameRow],
    decisions: Decisions,
    *,
    cautions: Sequence[str] = (),
    budgets: Sequence[Mapping[str, Any]] = (),
    equal_cost: Sequence[Mapping[str, Any]] = (),
) -> str:
    """rows: of the run's frame, in its order; cautions: what to know before believing them.
    budgets: records of the best cells at a budget. equal_cost: of caches and precisions."""
    content = {
        "schema": SCHEMA,
        "run": run.name,
        "margins": {name: _declared(margin) for name, margin in run.margins.items()},
        "environment": run.environment,
        **({"cautions": [*cautions]} if cautions else {}),
        **({"budgets": [*budgets]} if budgets else {}),
        **({"equal_cost": [*equal_cost]} if equal_cost else {}),
        "defaults": default_records(run, rows, decisions),
    }
    text: str = yaml.dump(content, None, _Dumper, **_YAML)
    return _HEADER + text


def default_records(
    run: Run, rows: Sequence[FrameRow], decisions: Decisions
) -> list[dict[str, Any]]:
    """The defaults of the file, one for each recommendation. rows: of the run's frame."""
    recommendations = decisions.recommendations
    varied = varied_fields([rows[recommendation.rows[0]] for recommendation in recommendations])
    gates = decisions.gates
    return [default_record(run, rows, r, varied=varied, gates=gates) for r in recommendations]


def saving(rows: Sequence[FrameRow], row: FrameRow) -> Saving | None:
    """None where the pipeline's own default is not known.

    The vendor's latency is that of its cell if the run has it. Else it is estimated from the row's
    latency: its time outside the denoiser, and its time per evaluation for each vendor's step.
    """
    if not (_is_known(row["vendor_steps"]) and _is_known(row["nfe"])):
        return None
    latency = row["latency_p50_s"]
    cell = _vendor_cell(rows, row)
    if cell is None:
        run_share = row["executed_steps"] / row["steps"]  # strength leaves some of them out
        evaluations = row["vendor_steps"] * run_share
        per_evaluation = row["latency_denoise_s"] / row["nfe"]
        vendor_latency = latency - row["latency_denoise_s"] + evaluations * per_evaluation
    else:
        evaluations, vendor_latency = cell["nfe"], cell["latency_p50_s"]
    return Saving(
        scheduler=row["vendor_scheduler"],
        steps=int(row["vendor_steps"]),
        guidance=float(row["vendor_guidance"]),
        evaluations=float(evaluations / row["nfe"]),
        latency_p50_s=float(vendor_latency),
        latency=float(vendor_latency / latency),
        measured=cell is not None,
    )


def _vendor_cell(rows: Sequence[FrameRow], row: FrameRow) -> FrameRow | None:
    """The run's cell of the vendor's steps on its own scheduler, at the row's guidance.

    All else of its panel is the row's, but for the grid, which is the pipeline's own.
    """
    same = [name for name in PANEL_FIELDS if name != "grid"]
    cells = [
        other
        for other in rows
        if other["status"] in WHOLE
        and all(other[name] == row[name] for name in same)
        and other["steps"] == row["vendor_steps"]
        and other["scheduler_class"] == row["vendor_scheduler"]
        and other["grid"] == "native"
        and "+" not in other["scheduler"]
    ]
    return cells[0] if cells else None


def cheaper_undecided(
    recommendation: Recommendation,
    rows: Sequence[FrameRow],
    *,
    costs: Mapping[int, float] | None = None,
) -> dict[str, Further]:
    """Settings, cheaper than the chosen one if there is one, that more samples or prompts might
    show to pass, each with how many more that would probably take. Those that are measured to be
    beyond a margin of the rival that they do worst against are left out, unless all are.

    costs: by row number, of the cells that may be chosen; network passes of all if None."""
    if costs is None:
        costs = {row: work(rows[row]) for row in recommendation.rows}
    chosen = recommendation.chosen_row
    limit = math.inf if chosen is None else costs[chosen]
    waiting = [
        (rows[i], standing.worst.values())
        for i, standing in zip(recommendation.rows, recommendation.choice.standings, strict=True)
        if standing.outcome == UNDECIDED and costs.get(i, math.inf) < limit
    ]
    near = [(row, worst) for row, worst in waiting if all(v.loss < v.margin for v in worst)]
    return {
        setting_name(row, recommendation.free): further_of(worst, of_noise=is_of_noise(row))
        for row, worst in near or waiting
    }


def setting_name(row: FrameRow, free: Sequence[str] = ()) -> str:
    """`ddim, 8 steps`: among the cells of its panel, or of panels that differ in free fields."""
    return cell_name(row, without={*PANEL_FIELDS}.difference(free), also=free)


def rival_name(
    rows: Sequence[FrameRow], recommendation: Recommendation, *, place: int, metric: str
) -> str:
    """The rival by which a candidate comes nearest to its margin; of one that is proven to lose to
    none by the metric, all of them."""
    rival = recommendation.choice.standings[place].rivals[metric]
    return (
        EVERY_OTHER
        if rival == place
        else setting_name(rows[recommendation.rows[rival]], recommendation.free)
    )


def varied_fields(firsts: Sequence[FrameRow]) -> list[str]:
    """What else tells the defaults of a file apart, given a row of each; guidance is chosen."""
    fields = [name for name in HELD if name not in NAMED_BY]
    varied = [name for name in fields if len({row[name] for row in firsts}) > 1]
    others = [name for name in varied if name not in _IMPLIED]
    groups: dict[tuple[Any, ...], list[FrameRow]] = {}
    for row in firsts:
        groups.setdefault(tuple(row[name] for name in ("model", *others)), []).append(row)
    return [
        name
        for name in varied
        if name in others or any(len({row[name] for row in rows}) > 1 for rows in groups.values())
    ]


def default_record(
    run: Run,
    rows: Sequence[FrameRow],
    recommendation: Recommendation,
    *,
    varied: Sequence[str],
    gates: Mapping[str, Gate],
    costs: Mapping[int, float] | None = None,
    group: Sequence[FrameRow] | None = None,
) -> dict[str, Any]:
    """costs: as cheaper_undecided takes them. group: rows of all cells that it was to be chosen
    among; those that differ in nothing but guidance, scheduler and steps if None."""
    first = rows[recommendation.rows[0]]
    if group is None:
        group = [row for row in rows if all(str(row[name]) == str(first[name]) for name in HELD)]
    held = {name: _held(as_set(name, first[name])) for name in varied}
    head = {
        "model": first["model"],
        "task": first["task"],
        **({"strength": first["strength"]} if first["task"] != "txt2img" else {}),
        **({"held": held} if held else {}),
        "default_for": recommendation.target,
        "outcome": recommendation.choice.outcome,
        **_not_run(group),
    }
    waiting = cheaper_undecided(recommendation, rows, costs=costs)
    undecided = {name: further.plain for name, further in waiting.items()}
    tail = {**({"undecided": undecided} if waiting else {}), **_other_guidances(recommendation)}
    chosen, runner_up = recommendation.choice.chosen, recommendation.choice.runner_up
    if chosen is None:
        why = {"note": recommendation.note} if recommendation.note else tail
        return {**head, **_guidance(first), **why}
    i = recommendation.rows[chosen]
    return {
        **head,
        **setting_record(run, run.entries[i]),
        "cost": _cost(rows[i]),
        **_against_vendor(rows, rows[i]),
        "evidence": _evidence(rows, recommendation, place=chosen, gates=gates),
        "runner_up": None
        if runner_up is None
        else _short(rows, recommendation, place=runner_up, gates=gates),
        **tail,
        **noise_levels(run, run.entries[i]),
        **shows_by(run, run.entries[i]),
        "provenance": _provenance(
            run.entries[i], _race_of(run, recommendation), denoiser=rows[i].get("vendor_denoiser")
        ),
    }


def _not_run(group: Sequence[FrameRow]) -> dict[str, Any]:
    """How many of the cells that a default is chosen among were not run, where some were not: it
    may not be the cheapest, and the best may not be among those that it was held against."""
    missing = sum(row["status"] == "missing" for row in group)
    return {"not_run": f"{missing} of {len(group)} cells"} if missing else {}


def _declared(margin: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in margin.items() if value is not None}


def _other_guidances(recommendation: Recommendation) -> dict[str, Any]:
    gaps = [
        {
            "guidance": _plain(guidance),
            "difference": _plain(gap.value),
            "interval": OnOneLine(map(_plain, gap.interval())),
        }
        for guidance, gap in recommendation.other_guidances.items()
    ]
    return {"other_guidances": gaps} if gaps else {}


def _held(value: Any) -> Any:
    """The value as denoisebench.apply reads it: an interval as the list that a sweep takes."""
    if value is None or isinstance(value, tuple):
        return [*(value or ())]
    return value if isinstance(value, str) else _plain(value)


def _cost(row: FrameRow) -> dict[str, Any]:
    names = ("nfe", "network_passes", "latency_p50_s", "latency_batch_size")
    return {name: _plain(row[name]) for name in names}


def _against_vendor(rows: Sequence[FrameRow], row: FrameRow) -> dict[str, Any]:
    beside = saving(rows, row)
    if beside is None:
        return {}
    return {
        "vendor_default": {
            "scheduler_class": beside.scheduler,
            "steps": beside.steps,
            "guidance": _plain(beside.guidance),
            "latency_p50_s": _plain(beside.latency_p50_s),
            "latency_is": "measured" if beside.measured else "estimated from time per evaluation",
        },
        "saving": {
            "evaluations": _plain(beside.evaluations),
            "latency": _plain(beside.latency),
        },
    }


def _evidence(
    rows: Sequence[FrameRow],
    recommendation: Recommendation,
    *,
    place: int,
    gates: Mapping[str, Gate],
) -> dict[str, Any]:
    """Value of each gating metric, and its loss to the rival that comes nearest to the margin.

    Of a margin that is a share of the rival's value, another rival may have a larger loss, and a
    margin that is larger by more."""
    standing, row = recommendation.choice.standings[place], rows[recommendation.rows[place]]
    return {
        metric: {
            "value": _plain(row[metric]),
            "se": _plain(row[f"{metric}_se"]),
            **_verdict(verdict),
            **({"margin_is": _SHARE} if gates[metric].relative else {}),
            "against": rival_name(rows, recommendation, place=place, metric=metric),
        }
        for metric, verdict in standing.worst.items()
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "outcome": verdict.outcome,
        "loss": _plain(verdict.loss),
        "loss_interval": [_plain(verdict.low), _plain(verdict.high)],
        "margin": _plain(verdict.margin),
    }


def _short(
    rows: Sequence[FrameRow],
    recommendation: Recommendation,
    *,
    place: int,
    gates: Mapping[str, Gate],
) -> dict[str, Any]:
    row = rows[recommendation.rows[place]]
    numbers = {"steps": row["steps"], **_guidance(row)}
    setting = {name: _plain(value) for name, value in numbers.items()}
    evidence = _evidence(rows, recommendation, place=place, gates=gates)
    return {"scheduler": row["scheduler"], **setting, "cost": _cost(row), "evidence": evidence}


def _guidance(row: FrameRow) -> dict[str, Any]:
    """The weight, where it has an effect."""
    return {} if row["guidance_form"] in WEIGHTLESS else {"guidance": row["guidance"]}


def _race_of(run: Run, recommendation: Recommendation) -> RaceRecord | None:
    """The race that chose, None of a fixed design."""
    entries = [run.entries[i] for i in recommendation.rows]
    keys, asked_samples = [entry.cell.key for entry in entries], entries[0].asked_samples
    for race in run.races:
        if race.asked_samples == asked_samples and [cell.key for cell in race.cells] == keys:
            return race
    return None


def _provenance(entry: Entry, race: RaceRecord | None, *, denoiser: Any) -> dict[str, Any]:
    """Ends with the dtype, by which denoisebench.apply knows that the file was not cut."""
    cell = entry.cell
    return {
        "cell": cell.key,
        "weights": cell.weights,
        **({"denoiser": denoiser} if isinstance(denoiser, str) and denoiser else {}),
        "engine": cell.engine,
        "prompts": cell.prompts,
        "samples": entry.samples,
        **({} if race is None else {"race": _how_it_was_won(race)}),
        "seed": cell.seed,
        "size": f"{cell.width}x{cell.height}",
        "dtype": cell.dtype,
    }


def _how_it_was_won(race: RaceRecord) -> dict[str, Any]:
    """Samples of the rung that it ended at, and the fresh ones that confirmed its winner."""
    trials = [_trial(trial) for trial in race.trials if trial.winner == race.choice.chosen]
    return {"rung": race.rungs[-1].samples, "trial": trials[-1] if trials else None}


def _trial(trial: Trial) -> dict[str, Any]:
    return {"first": trial.first, "last": trial.last, "outcome": trial.outcome}


def _is_known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _plain(value: Any) -> int | float | None:
    """A number as YAML writes it, None for what is not known."""
    if not _is_known(value):
        return None
    return int(value) if float(value).is_integer() else float(value)
