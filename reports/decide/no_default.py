"""Why a run has no default at all, in words for terminal, page and JSON alike."""

from collections import Counter
from collections.abc import Collection, Iterable

import pandas as pd

from denoisebench.bench.records.columns import LOST, UNSCORED
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.run import Run
from denoisebench.metrics.specs import leading, metric_spec
from denoisebench.reports.rows.frame import done, frame_metrics

_UNCONDITIONAL = "unconditional"  # what the prompts of a model are called that takes none
_CLIP = "CLIP's weights (`denoisebench fetch metrics=clip` gets them), "


def no_default(run: Run, frame: pd.DataFrame) -> str:
    """Why nothing was decided of a run, and what to do. frame: that of the run."""
    cells, metrics = done(frame), frame_metrics(frame)
    gating = [*gates(run.margins, metrics, {})]
    best = [name for name in leading(metrics, gating) if metric_spec(name).names_a_best]
    if cells.empty:
        return _none_done(frame["status"])
    if unscored := [name for name in gating if cells[name].isna().any()]:
        return _unscored(cells, unscored)
    if best and not gating:
        labels = " and ".join(metric_spec(name).label for name in best)
        return (
            f"{labels} would choose, but nothing has a margin, the loss that does not matter: give "
            f"one as margins.gating.{best[0]}.absolute=…"
        )
    needed = "" if _is_of_no_captions(cells) else _CLIP
    return (
        "nothing was measured that says which image is better and has a margin: that takes "
        f"{needed}reference images or a metric of your own"
    )


def _none_done(statuses: Iterable[str]) -> str:
    counts = Counter(statuses)
    failed, waiting = (sum(counts[one] for one in some) for some in (LOST, ("missing",)))
    if not waiting:
        return "every cell failed"
    rest = f"{failed} failed and {waiting} were not run" if failed else "none was run"
    return f"no cell is done yet, {rest}: the same command of `denoisebench sweep` goes on"


def _unscored(cells: pd.DataFrame, metrics: Collection[str]) -> str:
    """Words of metrics with a margin that cells lack: no cell has all of them."""
    labels = " and ".join(metric_spec(name).label for name in metrics)
    reasons = cells.loc[cells["status"] == UNSCORED, "message"]
    why = "" if reasons.empty else f" ({reasons.iloc[0]})"
    return (
        f"{labels} decides too, as it has a margin, and no cell has all the numbers that decide"
        f"{why}: mend the metric and run the same command again, which makes no image anew"
    )


def _is_of_no_captions(cells: pd.DataFrame) -> bool:
    """Whether no cell was told a text that an image could be compared with: an unconditional model,
    or one of classes."""
    has_no_text = cells["vendor_shows_by"].isin(["", "class_labels"])
    return bool((has_no_text | (cells["prompts"] == _UNCONDITIONAL)).all())
