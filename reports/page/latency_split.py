"""Where the time of an image goes: stages of the latency pass, as stacked bars."""

from typing import Any

import altair as alt
import pandas as pd

from denoisebench.reports import theme
from denoisebench.reports.charts import Figure
from denoisebench.reports.decide.decisions import Decisions
from denoisebench.reports.formats import PERCENT, duration, number
from denoisebench.reports.page.chart_data import batch_words, plain_records
from denoisebench.reports.page.facets import Words, faceted
from denoisebench.reports.rows.cautions import timings_are_even
from denoisebench.reports.rows.curves import panels, with_panels
from denoisebench.reports.rows.frame import done
from denoisebench.reports.rows.pareto import SECONDS, setting_names

_BAR = 20  # pixels, height of a row
_MOST_BARS = 24  # in a panel
# What is drawn, in the order of the run. The scheduler's steps are part of the denoising loop.
_STAGES = {
    "text": "text encoding",
    "denoise": "denoiser",
    "scheduler": "scheduler",
    "decode": "decoder",
    "prepare": "other",
}
_LOOP = "denoiser and scheduler"  # where the two were not told apart
_COLOURS = {
    "text encoding": theme.COLOURS[3],
    "denoiser": theme.COLOURS[0],
    _LOOP: theme.COLOURS[0],
    "scheduler": theme.COLOURS[4],
    "decoder": theme.COLOURS[2],
    "other": theme.FAINT,
}


def latency_split(frame: pd.DataFrame, decisions: Decisions) -> Figure | None:
    """The stages of each cell's latency; None where none was timed by stage."""
    timed = _timed(frame)
    if timed.empty:
        return None
    cells = timed.drop_duplicates(["panel", "scheduler", "steps"])
    shown = pd.concat([_at_chosen_steps(cells_of) for _, cells_of in panels(cells)])
    bars = _bars(shown)
    words = Words(
        "latency_by_stage",
        "Where the time goes",
        f"median time of each stage of an image, {batch_words(shown)}",
        _note(frame, timed, are_all=len(shown) == len(cells), bars=bars),
        _finding(timed, decisions),
    )
    height = _BAR * int(bars.groupby("panel")["setting"].nunique().max())
    return faceted(plain_records(bars), _layers(bars), words, height=height)


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells that were timed by stage."""
    cells = done(with_panels(frame))
    return cells[cells[[SECONDS, "latency_denoise_s"]].notna().all(axis=1)]


def _at_chosen_steps(cells: pd.DataFrame) -> pd.DataFrame:
    """All cells of a panel if they are few; else those at its fewest, middle and most steps, and at
    the middle alone where these are many too."""
    steps = sorted(cells["steps"].unique())
    middle = steps[(len(steps) - 1) // 2]
    for chosen in (steps, (steps[0], middle, steps[-1])):
        part = cells[cells["steps"].isin(chosen)]
        if len(part) <= _MOST_BARS:
            return part
    return cells[cells["steps"].isin([middle])]


def _bars(cells: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell and stage that was measured: its time and its share of all stages."""
    times = cells[[f"latency_{stage}_s" for stage in _STAGES]].astype(float)
    times.columns = pd.Index([*_STAGES.values()])
    is_split = times["scheduler"].notna()
    loop = times["denoiser"]
    times["denoiser"] = (loop - times["scheduler"]).clip(lower=0)
    times[_LOOP] = loop.where(~is_split)
    named = times.assign(panel=cells["panel"], setting=pd.Series(setting_names(cells)))
    bars = named.melt(
        ["panel", "setting"], var_name="stage", value_name="seconds", ignore_index=False
    )
    bars = bars[bars["seconds"] > 0]
    order = {stage: place for place, stage in enumerate(_COLOURS)}
    bars = bars.assign(order=bars["stage"].map(order))
    share = bars["seconds"] / bars.groupby(level=0)["seconds"].transform("sum")
    texts = [duration(seconds) for seconds in bars["seconds"]]
    shares = [f"{number(100 * part, 1)}{PERCENT}" for part in share]
    return bars.assign(ms=1000 * bars["seconds"], share=share, time_text=texts, share_text=shares)


def _layers(bars: pd.DataFrame) -> list[alt.Chart]:
    stages = [stage for stage in _COLOURS if (bars["stage"] == stage).any()]
    scale = alt.Scale(domain=stages, range=[_COLOURS[stage] for stage in stages])
    texts = {
        "setting": "setting",
        "stage": "stage",
        "time_text": "time",
        "share_text": "share",
    }
    order = list(dict.fromkeys(bars["setting"]))
    chart = (
        alt.Chart()
        .mark_bar()
        .encode(
            x=alt.X("ms:Q", title="Milliseconds per image", stack="zero"),
            y=alt.Y("setting:N", title=None, sort=order, axis=alt.Axis(labelLimit=200)),
            color=alt.Color(
                "stage:N", title=None, scale=scale, legend=alt.Legend(orient="top", columns=5)
            ),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip(f"{name}:N", title=text) for name, text in texts.items()],
        )
    )
    return [chart]


def _note(frame: pd.DataFrame, timed: pd.DataFrame, *, are_all: bool, bars: pd.DataFrame) -> str:
    """timed: the cells timed by stage. are_all: whether bars has all of them."""
    stages = {*bars["stage"]}
    parts = [
        "Each stage is the median of its own times, so that their sum is not the median of the "
        "whole; shares are of that sum. Other: tokens, first noise, and what follows the decoder."
    ]
    if _LOOP in stages:
        parts.append(
            "Denoiser and scheduler were not timed apart: on an accelerator a scheduler's step "
            "ends before its work is done."
        )
    absent = [name for name in ("text encoding", "decoder") if name not in stages]
    if absent:
        parts.append(f"No time was spent or measured in: {', '.join(absent)}.")
    untimed = len(done(frame)) - len(timed)
    if untimed:
        parts.append(f"{untimed} of {len(done(frame))} cells are not drawn: not timed by stage.")
    if not are_all:
        steps = ", ".join(str(n) for n in sorted(timed.loc[bars.index, "steps"].unique()))
        parts.append(f"Drawn at {steps} steps; all times are in the table of all cells.")
    if not timings_are_even(frame):
        parts.append("Timings of this run are uneven: shares are more to be trusted than times.")
    return " ".join(parts)


def _finding(timed: pd.DataFrame, decisions: Decisions) -> str:
    """The shares of the default, also where it is not drawn; where no default was timed by stage,
    of the cell with the most steps."""
    defaults = [r.chosen_row for r in decisions.recommendations if r.chosen_row is not None]
    known = [row for row in defaults if row in timed.index]
    row: Any = known[0] if known else timed["steps"].idxmax()
    cell = timed.loc[[row]]
    parts = _bars(cell).sort_values("seconds", ascending=False)
    shares = ", ".join(
        f"{stage} {share}" for stage, share in zip(parts["stage"], parts["share_text"], strict=True)
    )
    (panel,), (whole,) = cell["panel"], cell[SECONDS]
    text = f"{setting_names(cell)[row]} ({panel}), median {duration(whole)} an image: {shares}."
    is_other = len(defaults) > 0 and not known
    return f"The default was not timed by stage. {text}" if is_other else text
