"""Which detail still changes with steps: power by octave of spatial frequency, beside that of the
most steps of the same curve."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import altair as alt
import pandas as pd

from denoisebench.metrics.decide.difference import Difference, difference_of
from denoisebench.metrics.decide.front import resolved
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports import theme
from denoisebench.reports.charts import Figure
from denoisebench.reports.decide.decisions import Decisions, Estimates
from denoisebench.reports.formats import PERCENT, plus_minus
from denoisebench.reports.page.axes import STEPS, cost_axis
from denoisebench.reports.page.chart_data import plain_records
from denoisebench.reports.page.facets import Words, faceted
from denoisebench.reports.page.marks import zero_line
from denoisebench.reports.rows.curves import curve_points

_OCTAVE = re.compile(r"power_octave_(\d+)")
# From fine to coarse; of one lightness, so that they stand out on a dark page too.
_SHADES = ("#7b3fbf", "#3f6fd8", "#1f9bb0", "#2aa86b", "#8fae1b", "#d39a00")
_HEIGHT = 220  # pixels


def frequency_bands(
    frame: pd.DataFrame, estimates: Estimates, decisions: Decisions
) -> Figure | None:
    """Power of each octave less that at the most steps, a panel for each scheduler; None where no
    octave was measured of all cells that are drawn, or no curve has two step counts.

    Of several panels of curves that of the first default is drawn, else the first. Images of
    different sizes have different octaves."""
    octaves = sorted(
        (int(match[1]), metric) for metric in estimates if (match := _OCTAVE.fullmatch(metric))
    )
    if not octaves:
        return None
    points = curve_points(frame, octaves[0][1])
    names = [r.panel for r in decisions.recommendations if r.panel in {*points["panel"]}]
    if points.empty:
        return None
    panel = names[0] if names else points["panel"].iloc[0]
    curves = [
        curve
        for _, curve in points[points["panel"] == panel].groupby("scheduler", sort=False)
        if len(curve) > 1
    ]
    if not curves:
        return None
    drawn = {row for curve in curves for row in curve.index}
    bands = {_band(k): estimates[metric] for k, metric in octaves if drawn <= {*estimates[metric]}}
    if not bands:
        return None
    rows = [row for curve in curves for row in _rows(curve, bands)]
    words = Words(
        "power_by_octave",
        "Which detail still changes with steps",
        f"{panel} · power of each octave of wavelengths, less that at the most steps",
        "Zero: as much detail of that size as at the largest step count of the same scheduler. "
        f"Below: smoother, above: grittier. Bars: 95{PERCENT} intervals of the difference, sample "
        "by sample where prompts are shared. Fine detail is short wavelengths. That a band has "
        "stopped to change does not say that it is as in the reference images: their difference "
        "is under each octave below.",
        _finding(curves, bands, panel, decisions=decisions),
    )
    return faceted(
        plain_records(pd.DataFrame(rows)), _layers(rows, [*bands]), words, height=_HEIGHT
    )


def _band(octave: int) -> str:
    return f"{2**octave} to {2 ** (octave + 1)} px"


def _rows(curve: pd.DataFrame, bands: Mapping[str, Mapping[int, Estimate]]) -> list[dict[str, Any]]:
    last: Any = curve["steps"].idxmax()
    rows = []
    for place, (band, estimates) in enumerate(bands.items()):
        for row, scheduler, steps in zip(
            curve.index, curve["scheduler"], curve["steps"], strict=True
        ):
            change = difference_of(estimates[row], estimates[last])
            low, high = change.interval()
            rows.append(
                {
                    "panel": scheduler,
                    "steps": steps,
                    "band": band,
                    "place": place,
                    "value": change.value,
                    "low": low,
                    "high": high,
                    "change_text": f"{plus_minus(change.value, change.se)} dB",
                }
            )
    return rows


def _layers(rows: Sequence[dict[str, Any]], bands: Sequence[str]) -> list[alt.Chart]:
    points = pd.DataFrame(rows)
    colours = alt.Scale(domain=[*bands], range=[*_SHADES[: len(bands)]])
    shapes = alt.Scale(domain=[*bands], range=[*theme.SHAPES[: len(bands)]])
    legend = alt.Legend(orient="top", columns=6)
    y_title = "Power less that at the most steps (dB)"
    base = alt.Chart().encode(
        x=cost_axis(points, STEPS),
        color=alt.Color("band:N", title="wavelengths", scale=colours, legend=legend),
    )
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=True))
    texts = {
        "panel": "scheduler",
        "steps": "steps",
        "band": "wavelengths",
        "change_text": "change ± se",
    }
    return [
        zero_line(),
        base.mark_rule(strokeWidth=1.4).encode(y=alt.Y("low:Q", title=y_title), y2="high:Q"),
        base.mark_line(strokeWidth=1.6).encode(y=y),
        base.mark_point(filled=True, size=50, opacity=1, stroke="white", strokeWidth=0.7).encode(
            y=y,
            shape=alt.Shape("band:N", title="wavelengths", scale=shapes, legend=legend),
            tooltip=[alt.Tooltip(f"{name}:N", title=text) for name, text in texts.items()],
        ),
    ]


def _finding(
    curves: Sequence[pd.DataFrame],
    bands: Mapping[str, Mapping[int, Estimate]],
    panel: str,
    *,
    decisions: Decisions,
) -> str:
    """What the last steps of a scheduler change, that of the default where there is one, by bounds
    that hold for the last steps of all curves and octaves together."""
    defaults = {r.chosen_row for r in decisions.recommendations}
    curve = next((c for c in curves if defaults & {*c.index}), curves[0])
    ordered = curve.sort_values("steps")
    (before, after) = [*pairwise(ordered.index)][-1]
    reach = decisions.reaches(LEVEL / (len(curves) * len(bands)))
    changes = {
        band: difference_of(estimates[after], estimates[before])
        for band, estimates in bands.items()
    }
    proven = {band: change for band, change in changes.items() if resolved(change, reach)}
    span = f"from {ordered.loc[before, 'steps']} to {ordered.loc[after, 'steps']} steps"
    start = f"With {panel}, {span} {ordered.loc[after, 'scheduler']}"
    if not proven:
        return f"{start} changes the power of no octave as far as is resolved: {_most(changes)}."
    texts = ", ".join(f"{band} by {_size(change)}" for band, change in proven.items())
    rest = "" if len(proven) == len(changes) else "; of other wavelengths no change is resolved"
    return f"{start} changes the power of {texts}{rest}."


def _size(change: Difference) -> str:
    return f"{plus_minus(change.value, change.se)} dB"


def _most(changes: Mapping[str, Difference]) -> str:
    band = max(changes, key=lambda band: abs(changes[band].value))
    return f"undecided, the most seen is {_size(changes[band])} at {band}"
