"""Steps x guidance: a metric's value in a tile for each, a panel for each scheduler."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from denoisebench.bench.records.names import cell_name, describe
from denoisebench.metrics.decide.choose import Reaches
from denoisebench.metrics.decide.front import pairs_of, resolved
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.estimate import Estimate
from denoisebench.metrics.specs import AMPLE_SAMPLES, metric_spec
from denoisebench.reports import theme
from denoisebench.reports.charts import Figure
from denoisebench.reports.decide.decisions import Decisions, decided
from denoisebench.reports.formats import number, places_of, plus_minus, slug
from denoisebench.reports.page.chart_data import plain_records, subtitle
from denoisebench.reports.page.facets import Words, faceted
from denoisebench.reports.rows.cautions import samples_per_dim
from denoisebench.reports.rows.curves import better_by, panel_names, sign
from denoisebench.reports.rows.frame import done, has_guidance, records

_TILE = 54  # pixels, height
# Of text on tiles, whose colours are the same on a dark page.
_ON_LIGHT, _ON_DARK = "#101418", "#fdfdfd"
_FRAME = theme.COLOURS[1]
_NAMED = ("scheduler", "steps", "guidance")


def heat_map(
    frame: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate], *, decisions: Decisions
) -> Figure | None:
    """The heat map of a metric that names a best cell, of schedulers that have two step counts and
    two guidances; None where there are none.

    Closeness to many steps has none: each guidance has a trajectory of its own."""
    if not metric_spec(metric).names_a_best:
        return None
    tiles = _tiles(frame, metric)
    if tiles.empty:
        return None
    is_ample = samples_per_dim(frame, metric) >= AMPLE_SAMPLES
    tiles = _beside_best(decided(tiles, metric, decisions), metric, estimates, is_ample=is_ample)
    finding = _finding(tiles, metric, estimates, reaches=decisions.reaches) if is_ample else ""
    spec = metric_spec(metric)
    words = Words(
        f"{slug(metric)}_steps_and_guidance",
        f"{spec.label} by steps and guidance",
        subtitle(frame, metric),
        _note(tiles, is_ample=is_ample),
        finding,
    )
    height = _TILE * tiles["guidance"].nunique()
    return faceted(plain_records(tiles), _layers(tiles), words, height=height)


def _tiles(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Scored cells with value, se, `group`, what is held fixed beside the guidance, and `panel`."""
    held = [name for name in panel_names(frame) if name not in ("guidance", "model")]
    held += ["model"] if frame["model"].nunique() > 1 else []
    cells = done(frame[has_guidance(frame)])
    cells = cells[np.isfinite(cells[metric].astype(float))]
    rows = records(cells)
    groups = [describe(row, held) for row in rows]
    panels = [
        ", ".join(filter(None, (row["scheduler"], group)))
        for row, group in zip(rows, groups, strict=True)
    ]
    tiles = cells.loc[:, [*_NAMED]].assign(
        value=cells[metric].astype(float),
        se=cells[f"{metric}_se"].astype(float),
        group=groups,
        panel=panels,
    )
    tiles = tiles.drop_duplicates(["panel", "steps", "guidance"])
    counts = tiles.groupby("panel")[["steps", "guidance"]].transform("nunique")
    return tiles[(counts > 1).all(axis=1)]


def _beside_best(
    tiles: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate], *, is_ample: bool
) -> pd.DataFrame:
    """Tiles with their texts, whether they are the best of their group as measured, how much worse
    they are than it, and `shade`: 0 of the best to 1 of the worst."""
    best = (sign(metric) * tiles["value"]).groupby(tiles["group"]).transform("idxmax")
    pairs = zip([*tiles.index], best.tolist(), strict=True)
    losses = [better_by(estimates[other], estimates[row], metric) for row, other in pairs]
    loss = np.array([max(0.0, difference.value) for difference in losses])
    errors = np.array([difference.se for difference in losses])
    errors = errors[np.isfinite(errors) & (errors > 0)]
    scale = float(np.median(errors)) if len(errors) else float(loss.max()) or 1.0
    depth = np.log1p(loss / scale)
    places = [places_of(se) for se in tiles["se"]]
    return tiles.assign(
        best=(best == tiles.index) & is_ample,
        shade=depth / (depth.max() or 1.0),
        value_text=[number(value, p) for value, p in zip(tiles["value"], places, strict=True)],
        error_text=[
            f"± {number(se, p)}" if np.isfinite(se) else ""
            for se, p in zip(tiles["se"], places, strict=True)
        ],
        loss_text=[plus_minus(difference.value, difference.se) for difference in losses],
    )


def _layers(tiles: pd.DataFrame) -> list[alt.Chart]:
    base = alt.Chart().encode(
        x=alt.X("steps:O", title="Steps", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y(
            "guidance:O",
            title="Guidance",
            sort="descending",
            axis=alt.Axis(domain=False, ticks=False),
        ),
    )
    shade = alt.Scale(scheme="cividis", reverse=True, domain=[0, 1])
    ink = alt.condition("datum.shade > 0.5", alt.value(_ON_DARK), alt.value(_ON_LIGHT))
    text = base.encode(color=ink)
    layers = [
        base.mark_rect(stroke="white", strokeWidth=2).encode(
            color=alt.Color("shade:Q", scale=shade, legend=None), tooltip=_tooltip()
        ),
        text.mark_text(fontSize=13, dy=-1).encode(text="value_text:N"),
        text.mark_text(fontSize=10, dy=13).encode(text="error_text:N"),
    ]
    if tiles["best"].any():
        star = text.transform_filter("datum.best").mark_point(
            filled=True, shape=theme.SHAPES[8], size=60, opacity=1, yOffset=-17
        )
        layers.append(star)
    if "recommended" in tiles and tiles["recommended"].any():
        frame = base.transform_filter("datum.recommended").mark_rect(
            fill=None, stroke=_FRAME, strokeWidth=3.5
        )
        layers.append(frame)
    return layers


def _tooltip() -> list[alt.Tooltip]:
    texts = {
        "panel": "scheduler",
        "steps": "steps",
        "guidance": "guidance",
        "value_text": "value",
        "error_text": "standard error",
        "loss_text": "worse than the best by",
    }
    return [alt.Tooltip(f"{name}:N", title=text) for name, text in texts.items()]


def _note(tiles: pd.DataFrame, *, is_ample: bool) -> str:
    is_whole = len(tiles) == tiles[["panel", "steps", "guidance"]].nunique().prod()
    framed = "recommended" in tiles and tiles["recommended"].any()
    star = "Star: the best measured of these tiles."
    if tiles["group"].nunique() > 1:
        star = "Stars: the best measured of these tiles, of those with all else alike."
    return (
        "Value ± standard error of each cell. Yellow: as good as the best measured; the shade goes "
        "with the logarithm of what a cell loses against it beyond the error of that difference, "
        "so that near the best differences show. "
        f"{star if is_ample else 'Samples are too few to name a best.'}"
        f"{' Frame: the default by this metric.' if framed else ''}"
        f"{'' if is_whole else ' No tile: the cell has no such score.'}"
    )


def _finding(
    tiles: pd.DataFrame, metric: str, estimates: Mapping[int, Estimate], *, reaches: Reaches
) -> str:
    """The best measured tile beside those at other guidances, by bounds that hold for all pairs of
    all groups together: group and tile were chosen by what was seen."""
    quality = sign(metric) * tiles["value"]
    best: Any = quality.idxmax()
    group = tiles[tiles["group"] == tiles.loc[best, "group"]]
    others = quality[group.index][group["guidance"] != group.loc[best, "guidance"]]
    gains = {row: better_by(estimates[best], estimates[row], metric) for row in others.index}
    other: Any = others.idxmax()
    nearest = gains[other]
    if not np.isfinite(nearest.se):
        return ""
    reach = reaches(LEVEL / sum(pairs_of(count) for count in tiles["group"].value_counts()))
    is_proven = all(resolved(gain, reach) > 0 for gain in gains.values())
    first, second = (_name(group.loc[row]) for row in (best, other))
    return (
        f"Best measured of these tiles is {first}; the best measured at another guidance, {second},"
        f" is worse by {plus_minus(nearest.value, nearest.se)}. That all at other guidances are "
        f"worse: {'proven' if is_proven else 'undecided'}."
    )


def _name(cell: Any) -> str:
    return cell_name({name: cell[name] for name in _NAMED})
