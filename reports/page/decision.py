"""The chart of a decision: what each step count loses against its worst rival, and the margin.

Losses are shown in margins, so that all metrics that decide share an axis and one line. What they
are, and which rival counts, is decided in metrics/decide; nothing is worked out anew here.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from denoisebench.bench.records.names import cell_name
from denoisebench.metrics.decide.verdicts import FAIL, PASS, UNDECIDED, UNTESTED, Verdict
from denoisebench.metrics.specs import metric_spec
from denoisebench.reports import theme
from denoisebench.reports.charts import Figure, chart_title
from denoisebench.reports.decide.decisions import Decisions, Recommendation
from denoisebench.reports.decide.defaults_yaml import FrameRow, rival_name
from denoisebench.reports.decide.words import margin_words
from denoisebench.reports.formats import at_most, margin_text, number, places_of

_HEIGHT = 210  # pixels of a panel
_WIDTHS = {1: 420, 2: 250, 3: 190}  # by panels side by side
_COLUMNS = 4
_ROOM = 1.25  # by which an axis is longer than what it holds
_FAR = 100  # margins
_SIZE = 62  # of marks, square pixels
_PALE = 0.35  # opacity of what was not tested


def decision_figures(rows: Sequence[FrameRow], decisions: Decisions) -> dict[str, Figure]:
    """A figure for each panel in which settings were compared for a default, by its name. rows: of
    the frame."""
    of_panels = {r.panel: r for r in reversed(decisions.recommendations)}
    figures: dict[str, Figure] = {}
    for panel in dict.fromkeys(r.panel for r in decisions.recommendations):
        records = [*_records(rows, of_panels[panel])]
        if records and len(of_panels[panel].rows) > 1:
            stem = "decision" if len(of_panels) == 1 else f"decision_{len(figures) + 1}"
            figures[panel] = _figure(
                stem, records, of_panels[panel], rows=rows, decisions=decisions
            )
    return figures


def _records(rows: Sequence[FrameRow], recommendation: Recommendation) -> Iterator[dict[str, Any]]:
    """A candidate by one metric, with its loss and bounds in margins."""
    choice = recommendation.choice
    for place, standing in enumerate(choice.standings):
        row = rows[recommendation.rows[place]]
        for order, (metric, verdict) in enumerate(standing.worst.items()):
            loss, low, high = map(verdict.in_margins, (verdict.loss, verdict.low, verdict.high))
            if not math.isfinite(loss):
                continue
            yield {
                "scheduler": row["scheduler"],
                "steps": int(row["steps"]),
                "metric": metric_spec(metric).short,
                "loss": loss,
                "low": low if math.isfinite(low) else None,
                "high": high if math.isfinite(high) else None,
                "outcome": UNTESTED if standing.outcome == UNTESTED else verdict.outcome,
                "loss_text": _loss_text(verdict),
                "rival": rival_name(rows, recommendation, place=place, metric=metric),
                "recommended": place == choice.chosen and order == 0,
            }


def _loss_text(verdict: Verdict) -> str:
    """`10.1 (9.9 to 10.3), margin 12`"""
    error = (verdict.high - verdict.low) / 4
    loss, low = (number(x, places_of(error)) for x in (verdict.loss, verdict.low))
    high = at_most(verdict.high, error, verdict.margin)
    return f"{loss} ({low} to {high}), margin {margin_text(verdict.margin)}"


def _figure(
    stem: str,
    records: list[dict[str, Any]],
    recommendation: Recommendation,
    *,
    rows: Sequence[FrameRow],
    decisions: Decisions,
) -> Figure:
    first = rows[recommendation.rows[0]]
    title = "Loss against the best, in margins"
    subtitle = f"{cell_name(first, without=('scheduler', 'steps'))} · below the line is allowed"
    chosen_first = sorted(records, key=lambda record: not record["recommended"])
    schedulers = list(dict.fromkeys(record["scheduler"] for record in chosen_first))
    columns = min(len(schedulers), _COLUMNS)
    chart = (
        alt.layer(*_layers(records), data=alt.NamedData("losses"))
        .properties(width=_WIDTHS.get(columns, 150), height=_HEIGHT)
        .facet(alt.Facet("scheduler:N", title=None, sort=schedulers), columns=columns)
        .properties(title=chart_title(title, subtitle))
    )
    spec = chart.to_dict(validate=False)  # a test validates; here it takes seconds
    spec |= {"datasets": {"losses": records}, "config": theme.CONFIG}
    spec |= {"usermeta": {"narrowest": 105, "widest": 420}}  # pixels of a panel on the page
    return Figure(stem, title, _note(decisions), spec, finding=_finding(recommendation))


def _finding(recommendation: Recommendation) -> str:
    """`Of 10 settings 4 are proven to lose less than every margin, 5 more than one`, and so on."""
    outcomes = Counter(standing.outcome for standing in recommendation.choice.standings)
    within = outcomes[PASS]
    words = {
        UNDECIDED: "undecided",
        UNTESTED: "not tested, as a larger step count did not pass",
    }
    parts = [
        f"Of {outcomes.total()} settings {within} {_are(within)} proven to lose less than every "
        f"margin, {outcomes[FAIL]} more than one",
        *(f"{n} {_are(n)} {word}" for name, word in words.items() if (n := outcomes[name])),
    ]
    return f"{'; '.join(parts)}."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _note(decisions: Decisions) -> str:
    several = "s" if len(decisions.gates) > 1 else ""
    return (
        "How much worse a setting is than the one that it does worst against, sample by "
        "sample where they share prompts, as a multiple of the "
        f"margin{several} ({margin_words(decisions)}). Bars are "
        "the bounds that decide: one that ends below the line is proven to be within the margin "
        "(filled), one that begins above it is proven not to be, one across it is undecided. "
        "Pale: not tested, as a larger step count did not pass. Beyond one margin the axis is "
        "compressed."
    )


def _layers(records: Sequence[dict[str, Any]]) -> list[alt.Chart]:
    ends = _ends(records)
    metrics = list(dict.fromkeys(record["metric"] for record in records))
    steps = alt.X("steps:O", title="Steps", axis=alt.Axis(labelAngle=0, labelOverlap="greedy"))
    plain = alt.Chart().encode(x=steps)
    look = _look(metrics)
    shape = look.pop("shape")
    base = plain.encode(**look, opacity=_opacity())
    y = _axis(ends)
    default = plain.transform_filter("datum.recommended")
    points = base.encode(y=y("loss"), shape=shape, tooltip=_tooltip())
    band = [
        default.mark_bar(color=theme.CHOSEN, width=alt.RelativeBandSize(1)).encode(
            y=alt.YDatum(ends[0]), y2=alt.Y2Datum(ends[1])
        ),
        default.mark_text(
            text="default", fontSize=theme.LABEL_SIZE, fontWeight="bold", dy=9, color=theme.INK
        ).encode(y=alt.YDatum(ends[1])),
    ]
    return [
        *(band if any(record["recommended"] for record in records) else []),
        alt.Chart().mark_rule(color=theme.AXIS).encode(y=alt.YDatum(0)),
        alt.Chart()
        .mark_rule(color=theme.INK, strokeDash=[5, 3], strokeWidth=1.4)
        .encode(y=alt.YDatum(1)),
        base.mark_rule(strokeWidth=2).encode(y=y("low"), y2="high:Q"),
        points.transform_filter(f"datum.outcome == '{PASS}'").mark_point(filled=True, size=_SIZE),
        points.transform_filter(f"datum.outcome != '{PASS}'").mark_point(
            filled=False, fill="white", size=_SIZE, strokeWidth=1.8
        ),
    ]


def _look(metrics: Sequence[str]) -> dict[str, Any]:
    """Colour and shape of each metric, side by side; a legend where there are several."""
    legend = alt.Legend(orient="top") if len(metrics) > 1 else None
    colours, shapes = (
        alt.Scale(domain=[*metrics], range=[looks[i % len(looks)] for i in range(len(metrics))])
        for looks in (theme.COLOURS, theme.SHAPES)
    )
    offset = {"xOffset": alt.XOffset("metric:N", sort=[*metrics])} if len(metrics) > 1 else {}
    return {
        "color": alt.Color("metric:N", title=None, legend=legend, scale=colours),
        "shape": alt.Shape("metric:N", title=None, legend=legend, scale=shapes),
        **offset,
    }


def _opacity() -> Any:
    return alt.condition(f"datum.outcome == '{UNTESTED}'", alt.value(_PALE), alt.value(1))


def _tooltip() -> list[alt.Tooltip]:
    texts = {
        "scheduler": "scheduler",
        "steps": "steps",
        "metric": "metric",
        "outcome": "outcome",
        "loss_text": "loss (bounds)",
        "rival": "against",
    }
    return [alt.Tooltip(f"{name}:N", title=text) for name, text in texts.items()]


def _ends(records: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """The least and the most that the axis shows."""
    values = [r[name] for r in records for name in ("low", "loss", "high") if r[name] is not None]
    return _ROOM * min(-0.5, *values), _ROOM * max(2.0, *values)


def _axis(ends: tuple[float, float]) -> Any:
    """The same y encoding for every field: linear about 0, compressed beyond the margin."""
    scale = alt.Scale(type="symlog", constant=1, domain=[*ends], nice=False)
    ticks = loss_ticks(ends)
    axis = alt.Axis(
        values=ticks,
        tickCount=len(ticks),  # else Vega leaves every second one out, the margin's name among them
        labelExpr="datum.value == 1 ? 'margin' : datum.label",
        format="~r",
        labelOverlap=False,
    )
    return lambda field: alt.Y(f"{field}:Q", title="Loss, in margins", scale=scale, axis=axis)


def loss_ticks(ends: tuple[float, float]) -> list[float]:
    """0, 1, 2, 5, 10, … to either side, as far as the axis goes; tens alone where it goes far."""
    reach = max(abs(end) for end in ends)
    decades = range(math.ceil(math.log10(reach)) + 1)
    digits = (1, 2, 5) if reach < _FAR else (1,)
    sizes = [digit * 10.0**decade for decade in decades for digit in digits]
    ticks = [*(-size for size in reversed(sizes)), 0.0, *sizes]
    return [tick for tick in ticks if ends[0] <= tick <= ends[1]]
