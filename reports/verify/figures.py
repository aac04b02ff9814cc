"""Figures of `denoisebench verify`: Vega-Lite specifications."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from denoisebench.reports import theme
from denoisebench.reports.charts import Figure, chart_title

_ROW_HEIGHT = 17  # pixels, of a chart with a row per scheduler
_LEGEND_COLUMN = 125  # pixels; as many as a panel holds, so that narrow pages cut none
_LARGEST_ERROR = 3.0  # drawn; what is worse leaves the chart at its top
_ERROR_TICKS = [10.0**power for power in range(-8, 4)]


def verify_figures(record: dict[str, Any]) -> list[Figure]:
    """The figures for which the record has numbers."""
    drawn = [_orders(record), _scans(record), _gains(record), _parts(record)]
    return [figure for figure in drawn if figure]


def _orders(record: dict[str, Any]) -> Figure | None:
    """Error before the last step against NFE, one panel for each published order."""
    points = [
        {
            "panel": f"order {summary['order']}",
            "scheduler": summary["name"],
            "steps": steps,
            "nfe": nfe,
            "error": error,
        }
        for summary in record["schedulers"]
        if summary["order"] and summary["measured_order"]
        for steps, nfe, error in zip(
            *(summary["measured_order"][name] for name in ("steps", "nfe", "errors")), strict=True
        )
    ]
    points.sort(key=lambda point: point["panel"])
    if not points:
        return None
    x = _doublings("nfe", "NFE")
    y = _errors(alt.Y)
    base = alt.Chart().transform_filter("!datum.slope").encode(x=x, y=y)
    slopes = (
        alt.Chart()
        .transform_filter("datum.slope")
        .mark_line(strokeDash=[5, 4], color=theme.QUIET)
        .encode(x=x, y=y, detail="slope:N")
    )
    layers = [slopes, *_lines_and_marks(base, points)]
    return _faceted(
        "order",
        "Error before the last step against evaluations",
        "Dashed: the slope of the published order",
        points=[*points, *_slopes(points)],
        layers=layers,
        note="Distance of the state before the last step from the exact solution, on the grid that "
        "shows the order best. Of two lines of one slope the lower is the better solver.",
    )


def _slopes(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line of the published slope in each panel, through the largest error at few evaluations."""
    lines = []
    for panel in dict.fromkeys(point["panel"] for point in points):
        here = [point for point in points if point["panel"] == panel]
        low, high = min(p["nfe"] for p in here), max(p["nfe"] for p in here)
        top = max(p["error"] for p in here if p["nfe"] <= 2 * low)
        order = int(panel.split()[1])
        ends = ((low, top), (high, top * (low / high) ** order))
        lines += [{"panel": panel, "slope": True, "nfe": n, "error": e} for n, e in ends]
    return lines


def _scans(record: dict[str, Any]) -> Figure | None:
    """Error of the result against N, one panel for each published order."""
    orders = {summary["name"]: summary["order"] for summary in record["schedulers"]}
    usual: dict[str, list[dict[str, Any]]] = {}
    for row in record["rows"]:
        scanned = [point for point in row["numbers"].get("scan", []) if point.get("error")]
        if len(scanned) > 20:
            usual.setdefault(row["scheduler"], scanned)
    points = [
        {
            "panel": f"order {orders[name] or 'not given'}",
            "scheduler": name,
            "steps": point["steps"],
            "error": point["error"],
        }
        for name, scanned in usual.items()
        for point in scanned
    ]
    points.sort(key=lambda point: point["panel"])
    if not points:
        return None
    base = alt.Chart().encode(x=_doublings("steps", "Steps"), y=_errors(alt.Y, _LARGEST_ERROR))
    line = base.mark_line(strokeWidth=1.6, clip=True)
    return _faceted(
        "scan",
        "Error of the result, every step count from 1 to 100",
        "Driven as a network drives it: it believes the timestep",
        points=points,
        layers=[
            line.encode(
                color=_colour(points),
                order="steps:Q",
                tooltip=["scheduler:N", "steps:Q", "error:Q"],
            )
        ],
        note="A smooth fall is what a solver should show. Saw teeth are step counts at which the "
        "scheduler's timesteps and its noise levels part.",
    )


def _gains(record: dict[str, Any]) -> Figure | None:
    points = [
        {
            "panel": "noisy" if summary["stochastic"] else "deterministic",
            "scheduler": summary["name"],
            "band": f"{band:g}",
            "gain": gain,
        }
        for summary in record["schedulers"]
        for band, gain in zip(record["bands"], summary["gains"] or [], strict=False)
        if gain > 0
    ]
    if not points:
        return None
    bands = [f"{band:g}" for band in record["bands"]]
    base = alt.Chart().encode(
        x=alt.X(
            "gain:Q",
            title="Standard deviation of the output / of the data",
            scale=alt.Scale(type="log", nice=False, padding=12),
            axis=alt.Axis(values=[0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2], format="~r"),
        ),
        y=alt.Y("scheduler:N", title=None, sort=None),
    )
    true_contrast = alt.Chart().mark_rule(color=theme.QUIET).encode(x=alt.datum(1))
    marks = base.mark_point(filled=True, size=70, opacity=0.9).encode(
        color=alt.Color("band:N", title="Variance", scale=_scale(bands), legend=_legend()),
        shape=alt.Shape(
            "band:N", title="Variance", scale=alt.Scale(domain=bands), legend=_legend()
        ),
        tooltip=["scheduler:N", "band:N", "gain:Q"],
    )
    return _faceted(
        "gain",
        "Contrast by scale of detail",
        f"{record['usual_steps']} steps; noisy schedulers {record['many_steps']}",
        points=points,
        layers=[true_contrast, marks],
        note="Left of one: too little contrast, which looks soft. Right of one: too much, which "
        "looks gritty. Small variances stand for fine detail, large ones for coarse.",
        rows=True,
    )


def _parts(record: dict[str, Any]) -> Figure | None:
    names = {"integrator": "solver", "last_jump": "last step", "timesteps": "rounded timesteps"}
    points = [
        {
            "panel": "deterministic schedulers",
            "scheduler": summary["name"],
            "part": names[part],
            "error": error,
        }
        for summary in record["schedulers"]
        for part, error in (summary["parts"] or {}).items()
        if error > 1e-6
    ]
    if not points:
        return None
    kinds = list(names.values())
    marks = (
        alt.Chart()
        .mark_point(filled=True, size=70)
        .encode(
            x=_errors(alt.X),
            y=alt.Y("scheduler:N", title=None, sort=None),
            color=alt.Color("part:N", title="From", scale=_scale(kinds), legend=_legend()),
            shape=alt.Shape(
                "part:N", title="From", scale=alt.Scale(domain=kinds), legend=_legend()
            ),
            tooltip=["scheduler:N", "part:N", "error:Q"],
        )
    )
    return _faceted(
        "parts",
        "Where the error comes from",
        f"{record['usual_steps']} steps; parts below a millionth are left out",
        points=points,
        layers=[marks],
        note="The solver, the last step to clean data, and timesteps rounded to whole numbers, "
        "which the model believes.",
        rows=True,
    )


def _doublings(field: str, title: str) -> alt.X:
    return alt.X(
        f"{field}:Q",
        title=title,
        scale=alt.Scale(type="log", base=2, nice=False),
        axis=alt.Axis(values=[2**power for power in range(9)], format="d"),
    )


def _errors(channel: type[alt.X] | type[alt.Y], most: float | None = None) -> Any:
    bound: dict[str, Any] = {} if most is None else {"domainMax": most}
    return channel(
        "error:Q",
        title="Error (standard deviations)",
        scale=alt.Scale(type="log", nice=False, **bound),
        axis=alt.Axis(values=_ERROR_TICKS, format=".0e"),
    )


def _lines_and_marks(base: alt.Chart, points: list[dict[str, Any]]) -> list[alt.Chart]:
    colour = _colour(points)
    return [
        base.mark_line().encode(color=colour, order="nfe:Q"),
        base.mark_point(filled=True, size=50, opacity=1).encode(
            color=colour, tooltip=["scheduler:N", "steps:Q", "nfe:Q", "error:Q"]
        ),
    ]


def _colour(points: Sequence[dict[str, Any]]) -> alt.Color:
    names = list(dict.fromkeys(point["scheduler"] for point in points))
    return alt.Color("scheduler:N", title=None, sort=names, scale=_scale(names), legend=_legend())


def _legend() -> alt.Legend:
    columns = alt.ExprRef(f"max(1, floor(child_width / {_LEGEND_COLUMN}))")
    return alt.Legend(orient="bottom", columns=columns, symbolLimit=0)


def _scale(names: list[str]) -> alt.Scale:
    colours = [theme.COLOURS[place % len(theme.COLOURS)] for place in range(len(names))]
    return alt.Scale(domain=names, range=colours)


def _faceted(
    name: str,
    title: str,
    subtitle: str,
    *,
    points: list[dict[str, Any]],
    layers: list[alt.Chart],
    note: str,
    rows: bool = False,
) -> Figure:
    """rows: the vertical axis has a row for each scheduler, and panels lie below each other."""
    panels = list(dict.fromkeys(point["panel"] for point in points))
    columns = 1 if rows else min(len(panels), 2)
    height = alt.Step(_ROW_HEIGHT) if rows else theme.PANEL_HEIGHT
    chart = (
        alt.layer(*layers, data=alt.NamedData("points"))
        .properties(width=theme.PANEL_WIDTHS[columns], height=height)
        .facet(alt.Facet("panel:N", title=None, sort=panels), columns=columns)
        .resolve_scale(y="independent" if rows else "shared")
        .properties(title=chart_title(title, subtitle))
    )
    spec = chart.to_dict(validate=False)  # a test validates; here it takes seconds
    spec |= {"datasets": {"points": points}, "config": theme.CONFIG}
    return Figure(f"verify_{name}", title, note, spec)
