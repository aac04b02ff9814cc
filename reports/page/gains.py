"""The figure of what each further step buys."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from denoisebench.metrics.decide.choose import Reaches
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports.charts import Figure
from denoisebench.reports.formats import PERCENT, slug
from denoisebench.reports.page.axes import signed_axis
from denoisebench.reports.page.chart_data import changes, gain_records, subtitle
from denoisebench.reports.page.facets import Words, faceted
from denoisebench.reports.page.findings import steps_finding
from denoisebench.reports.page.looks import Look, best_first, placed, shown_first
from denoisebench.reports.page.marks import (
    channels,
    have_intervals,
    highlight,
    intervals,
    markers,
    zero_line,
)
from denoisebench.reports.rows.curves import curve_points, marginal_gains


def gains_figure(
    frame: pd.DataFrame,
    metric: str,
    estimates: Mapping[int, Estimate],
    *,
    looks: Mapping[str, Look],
    reaches: Reaches,
) -> Figure | None:
    """The gain per step between neighbouring step counts; None where no curve has two."""
    gains = placed(marginal_gains(frame, metric, estimates), looks)
    if gains.empty:
        return None
    look, label = channels([*looks.values()]), metric_spec(metric).label
    gains = gains.assign(change=changes(gains))
    order = gains.sort_values(["steps_to", "steps_from"])["change"].unique().tolist()
    y = signed_axis(f"Gain in {label} per step", gains)
    points = curve_points(frame, metric)
    finding = steps_finding(points, metric, estimates, reaches=reaches)
    held = " The sentence above is of bounds that hold for all bars together." if finding else ""
    pick, shown = highlight(shown_first(points, best_first(points, metric)))
    base = alt.Chart().encode(
        x=alt.X("change:O", title="Steps, from → to", sort=order, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("scheduler:N", sort=[*looks]),
        color=look["color"],
    )
    layers = [
        zero_line(),
        *([intervals(base, y).encode(opacity=shown)] if have_intervals(gains) else []),
        markers(base, look, along="change").encode(y=y("gain"), opacity=shown).add_params(pick),
    ]
    words = Words(
        f"{slug(metric)}_gain_per_step",
        f"{label}: gain per extra step",
        f"{subtitle(frame, metric)} · above zero is an improvement",
        "Change between neighbouring step counts, divided by the steps added; above zero is an "
        f"improvement whatever the metric's direction. Bars: 95{PERCENT} intervals of the "
        "difference, sample by sample where cells share prompts. A bar that reaches zero: no "
        "gain was resolved."
        f"{held}",
        finding,
    )
    return faceted(gain_records(gains), layers, words)
