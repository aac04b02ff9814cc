"""What each extra step buys on a curve: gains with intervals, and the power law behind them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from denoisebench.metrics.decide.power_law import PowerLaw, fit_power_law
from denoisebench.metrics.decide.verdicts import PASS
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import drawn_in_full
from denoisebench.reports.decide.decisions import Decisions
from denoisebench.reports.formats import number, places_of, plus_minus
from denoisebench.reports.rows.curves import curve_points, marginal_gains
from denoisebench.reports.rows.frame import frame_metrics


@dataclass(frozen=True)
class Return:
    """Diminishing returns of one curve by one metric."""

    panel: str
    scheduler: str
    gains: pd.DataFrame  # rows of curves.marginal_gains
    law: PowerLaw | str  # in NFE; or why there is none


def returns(
    frame: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate], *, decisions: Decisions
) -> list[Return]:
    """Curves of at least two step counts, of a metric that is drawn in full."""
    if metric not in drawn_in_full(frame_metrics(frame), decisions.gates):
        return []
    gains = marginal_gains(frame, metric, estimates)
    if gains.empty:
        return []
    points = curve_points(frame, metric)
    result = []
    for (panel, scheduler), part in gains.groupby(["panel", "scheduler"], sort=False):
        curve = points[(points["panel"] == panel) & (points["scheduler"] == scheduler)]
        on_plateau = _on_plateau(str(panel), str(scheduler), decisions)
        law = _law(curve, estimates, on_plateau)
        result.append(Return(str(panel), str(scheduler), part, law))
    return result


def _on_plateau(panel: str, scheduler: str, decisions: Decisions) -> int:
    """How many step counts of a curve lie on its plateau, the largest included."""
    for curve in decisions.curves:
        if (curve.panel, curve.scheduler) == (panel, scheduler):
            return 1 + sum(outcome == PASS for outcome in curve.plateau.outcomes.values())
    return 0


def _law(curve: pd.DataFrame, estimates: Mapping[int, Estimate], on_plateau: int) -> PowerLaw | str:
    if curve["nfe"].isna().any():
        return "NO-FIT: evaluations were not counted"
    costs = [float(nfe) for nfe in curve["nfe"]]
    return fit_power_law(costs, [estimates[i] for i in curve.index], on_plateau)


def return_lines(curves: list[Return]) -> list[dict[str, Any]]:
    """Texts of a table: one line per curve and change of steps, the law on a curve's first."""
    return [line for curve in curves for line in _curve_lines(curve)]


def _curve_lines(curve: Return) -> list[dict[str, Any]]:
    gains = curve.gains.to_dict("records")
    lines = [
        {
            "panel": curve.panel,
            "scheduler": curve.scheduler,
            "change": f"{gain['steps_from']} → {gain['steps_to']}",
            "per_step": _interval(gain),
            "per_nfe": _interval(gain, "gain_per_nfe"),
            "per_second": _interval(gain, "gain_per_second"),
            "law": "",
            "span": 0,
        }
        for gain in gains
    ]
    lines[0] |= {"law": _law_words(curve.law), "span": len(lines)}
    return lines


def _interval(gain: Mapping[Any, Any], name: str = "gain") -> str:
    """`0.12 (0.05 to 0.19)`; the value alone where an end is not known."""
    stem = "" if name == "gain" else f"{name}_"
    value, decimals = gain[name], places_of(gain[f"{stem}se"])
    ends = gain[f"{stem}low"], gain[f"{stem}high"]
    if not all(map(math.isfinite, ends)):
        return number(value, decimals)
    low, high = (number(end, decimals) for end in ends)
    return f"{number(value, decimals)} ({low} to {high})"


def _law_words(law: PowerLaw | str) -> str:
    """`limit 93.1 ± 0.1, approached as 1 / NFE to the power 1.5 ± 0.1`"""
    if isinstance(law, str):
        return law
    limit, exponent = law.limit, law.exponent
    reached = plus_minus(limit.value, limit.se)
    power = plus_minus(exponent.value, exponent.se)
    return f"limit {reached}, approached as 1 / NFE to the power {power}"
