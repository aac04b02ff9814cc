"""The page of several runs: one file that loads nothing from anywhere, in the look of a report.

Every text goes through Jinja's autoescape, as names and prompts come from users.
"""

import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisebench.bench.records.names import cell_name, counted
from denoisebench.metrics.decide.difference import Difference
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.charts import Figure
from denoisebench.reports.decide.answer import group_name, loss_words
from denoisebench.reports.formats import MISSING, duration, number, places_of, plus_minus
from denoisebench.reports.page.html import inline_script, page_environment
from denoisebench.reports.page.looks import Look
from denoisebench.reports.rows.compare import a_is
from denoisebench.reports.rows.frame import done
from denoisebench.reports.several.matched import Contrast
from denoisebench.reports.several.metrics import Common
from denoisebench.reports.several.sides import Side
from denoisebench.reports.several.unlike import Unlike

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """One metric that runs have in common."""

    common: Common
    figures: list[Figure]
    contrasts: list[Contrast]  # cell by cell
    defaults: list[Contrast]  # one default against the other
    is_full: bool  # whether it is shown at once; the others are folded


@dataclass(frozen=True)
class Content:
    """What the page shows, beside the runs."""

    sections: list[Section]
    looks: Mapping[str, Look]  # by curve
    unlike: list[Unlike]
    cautions: list[str]  # of the runs together
    not_drawn: list[str]  # metrics that are not drawn together, and why
    nothing_shared: list[str]  # runs without a cell in common, and why

    @property
    def all_cautions(self) -> list[str]:
        """What to know before holding the runs against each other."""
        return [*self.cautions, *self.nothing_shared, *self.not_drawn]


def render(sides: Sequence[Side], content: Content, *, folder: Path, script: str) -> str:
    """The page as HTML. folder: that of the page, which links lead from; script: defines
    window.vegaEmbed."""
    sections = {section.common.name: section for section in content.sections}
    environment = page_environment(_HERE, _HERE / "several.css")
    return environment.get_template("several.html.j2").render(
        name=" + ".join(side.label for side in sides),
        nonce=secrets.token_urlsafe(16),
        bundle=inline_script(script),
        runs=[_run(side, folder) for side in sides],
        defaults=[line for side in sides for line in _default_lines(side)],
        defaults_apart=[
            {**_line(name, contrast), "metric": metric_spec(name).short}
            for name, section in sections.items()
            for contrast in section.defaults
        ],
        sections=[_section(section) for section in content.sections],
        legend=_legend(sides, content.looks),
        unlike=content.unlike,
        cautions=content.all_cautions,
    )


def _run(side: Side, folder: Path) -> dict[str, Any]:
    """What is said of one run by itself."""
    page = side.run.folder / "report.html"
    link = os.path.relpath(page.resolve(), folder.resolve()) if page.exists() else ""
    return {
        "label": side.label,
        "colour": side.colour,
        "page": Path(link).as_posix() if link else "",
        "cells": counted(len(done(side.frame)), "finished cell"),
        "answers": side.answers,
        "nothing": side.no_default,
        "cautions": side.cautions,
    }


def _default_lines(side: Side) -> Iterator[dict[str, Any]]:
    """A line for each default of a run; where nothing is proven, with why."""
    head = {"label": side.label, "colour": side.colour}
    if not side.defaults:
        yield head | {"about": MISSING, "metric": MISSING, "outcome": "", "why": "no default"}
    for default in side.defaults:
        line = head | {
            "about": group_name(default),
            "metric": metric_spec(default["default_for"]).short,
            "outcome": default["outcome"],
            "why": "" if "call" in default else "no cell is proven to be within all margins",
        }
        yield line if line["why"] else line | _chosen(default)


def _chosen(default: Mapping[str, Any]) -> dict[str, Any]:
    cost, evidence = default["cost"], default["evidence"]
    held = evidence.get(default["default_for"], {})
    names = ("scheduler", "steps", "guidance")
    return {
        "setting": cell_name({name: default[name] for name in names if name in default}),
        "nfe": _whole(cost["nfe"]),
        "latency": duration(_known(cost["latency_p50_s"])),
        "quality": plus_minus(_known(held.get("value")), _known(held.get("se"))),
        "losses": [loss_words(metric, line) for metric, line in evidence.items()],
    }


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _whole(value: float | None) -> str:
    return number(_known(value), 0)


def _section(section: Section) -> dict[str, Any]:
    common = section.common
    spec = metric_spec(common.name)
    return {
        "label": spec.label,
        "meaning": spec.meaning,
        "direction": spec.direction,
        "note": common.note,
        "is_full": section.is_full,
        "figures": section.figures,
        "first": common.sides[0].label,
        "later": common.sides[1].label if len(common.sides) == 2 else "",
        "lines": [_line(common.name, contrast) for contrast in section.contrasts],
    }


def _line(metric: str, contrast: Contrast) -> dict[str, Any]:
    """Texts of a difference, with the numbers that it is sorted by."""
    difference = contrast.difference
    return {
        "cell": contrast.cell,
        "side": contrast.side,
        "first": str(contrast.first),
        "first_key": contrast.first.value,
        "later": str(contrast.later),
        "later_key": contrast.later.value,
        "difference": MISSING if difference is None else _signed(difference),
        "difference_key": "" if difference is None else difference.value,
        "interval": MISSING if difference is None else _interval(difference),
        "is": MISSING if difference is None else a_is(metric_spec(metric), difference),
        "footing": contrast.footing,
    }


def contrast_record(common: Common, contrast: Contrast) -> dict[str, Any]:
    """A difference as plain values; numbers are nan where cells are not compared."""
    difference, first = contrast.difference, common.sides[0].label
    low, high = difference.interval() if difference else (math.nan, math.nan)
    return {
        "metric": common.name,
        "cell": contrast.cell,
        "run": contrast.side,
        "less": first,
        "difference": difference.value if difference else math.nan,
        "se": difference.se if difference else math.nan,
        "low": low,
        "high": high,
        "run_is": a_is(metric_spec(common.name), difference) if difference else "",
        "samples": contrast.footing,
    }


def _signed(difference: Difference) -> str:
    text = plus_minus(difference.value, difference.se)
    is_more = difference.value > 0 and re.search("[1-9]", text.partition(" ")[0])
    return f"+{text}" if is_more else text


def _interval(difference: Difference) -> str:
    """The ends of the 95 % interval: `0.07 to 0.55`"""
    low, high = difference.interval()
    if not math.isfinite(low):
        return MISSING
    places = places_of((high - low) / 4)
    return f"{number(low, places)} to {number(high, places)}"


def _legend(sides: Sequence[Side], looks: Mapping[str, Look]) -> dict[str, list[dict[str, Any]]]:
    """Buttons of each run: the curve that a button chooses, and what is written on it."""
    return {
        side.label: [
            {"look": look, "text": look.name.removeprefix(f"{side.label}: ")}
            for look in looks.values()
            if look.family == side.label
        ]
        for side in sides
    }
