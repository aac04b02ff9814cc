"""The live page: what is seen of a sweep as HTML. Every text goes through Jinja's autoescape."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from denoisebench.bench.sweep.sparkline import Curve, Scale, Score, score_words
from denoisebench.bench.watch.sight import OVER, Sight, curves
from denoisebench.bench.watch.words import (
    cell_words,
    counts_words,
    making_lines,
    member_words,
    pace_words,
    state_words,
)
from denoisebench.metrics.specs import metric_spec

TEMPLATES = Path(__file__).parent
_WIDTH, _HEIGHT, _EDGE = 180.0, 44.0, 5.0  # of a sparkline, pixels


@dataclass(frozen=True)
class Point:
    """A score of a sparkline, in pixels from its upper left corner."""

    x: float
    y: float
    low: float  # where the value with a standard error less, and more, would lie
    high: float
    title: str


def environment_of(shared: jinja2.Environment) -> jinja2.Environment:
    """The templates with the style and the script of the live page. shared: templates of TEMPLATES
    with the style that all pages have."""
    shared.globals["live_style"] = (TEMPLATES / "live.css").read_text()
    shared.globals["live_script"] = (TEMPLATES / "live.js").read_text()
    return shared


def fragment(environment: jinja2.Environment, sight: Sight) -> str:
    """The part of the page that changes. environment: of the templates in TEMPLATES."""
    return environment.get_template("fragment.html.j2").render(
        sight=sight,
        counts=counts_words(sight),
        pace=pace_words(sight),
        state=state_words(sight),
        parts=state_words(sight).split("`"),  # each second one is a command
        is_over=sight.state in OVER,
        making=making_lines(sight),
        members=[(member_words(member), member.is_gone) for member in sight.members],
        specs=[(metric_spec(name), _scale_words(sight, name)) for name in sight.metrics],
        lines=_curve_rows(sight),
        width=_WIDTH,
        height=_HEIGHT,
        cell_words=cell_words,
        score_words=score_words,
    )


def page(environment: jinja2.Environment, sight: Sight, *, nonce: str) -> str:
    """The whole page, whose script replaces the fragment."""
    return environment.get_template("live.html.j2").render(
        name=sight.folder.resolve().name, fragment=fragment(environment, sight), nonce=nonce
    )


def _scale_words(sight: Sight, metric: str) -> str:
    """`lower is better, logarithmic`"""
    scale = Scale.of(curves(sight.cells, metric), metric)
    direction = metric_spec(metric).direction
    return f"{direction}, logarithmic" if scale and scale.is_logarithmic else direction


def _curve_rows(sight: Sight) -> list[dict[str, Any]]:
    """A row for each curve: its name, and points and last score of each leading metric."""
    by_metric = {name: curves(sight.cells, name) for name in sight.metrics}
    scales = {name: Scale.of(drawn, name) for name, drawn in by_metric.items()}
    steps = sorted({n for drawn in by_metric.values() for curve in drawn for n in curve.steps})
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for name, drawn in by_metric.items():
        for curve in drawn:
            row = rows.setdefault(
                (curve.panel, curve.scheduler),
                {"panel": curve.panel, "scheduler": curve.scheduler, "metrics": []},
            )
            points = _points(curve, steps, scales[name])
            row["metrics"].append({"points": points, "last": _last(curve)})
    return [*rows.values()]


def _points(curve: Curve, steps: Sequence[int], scale: Scale | None) -> list[Point]:
    """The known scores of a curve; steps are as far apart as their ranks."""
    if scale is None:
        return []
    places = {n: place / max(len(steps) - 1, 1) for place, n in enumerate(steps)}
    return [
        _point(score, places[n], scale, title=f"{n} steps: {score_words(score)}")
        for n, score in zip(curve.steps, curve.scores, strict=True)
        if score and math.isfinite(score.value)
    ]


def _point(score: Score, place: float, scale: Scale, *, title: str) -> Point:
    y, low, high = (
        _HEIGHT - _EDGE - scale.height(value) * (_HEIGHT - 2 * _EDGE)
        for value in (score.value, *score.ends)
    )
    return Point(_EDGE + place * (_WIDTH - 2 * _EDGE), y, low, high, title)


def _last(curve: Curve) -> str:
    known = [(n, s) for n, s in zip(curve.steps, curve.scores, strict=True) if s is not None]
    return f"{score_words(known[-1][1])} at {known[-1][0]}" if known else ""
