"""The curves of a sweep while it runs: sparklines of the scores that its cells have so far."""

from collections.abc import Sequence

from denoisebench.bench.plan.job import Job
from denoisebench.bench.records.cell import Entry
from denoisebench.bench.records.margins import gates
from denoisebench.bench.records.rows import read_estimate
from denoisebench.bench.records.store import Store
from denoisebench.bench.sweep.sparkline import (
    ASCII,
    BLOCKS,
    Score,
    at_most,
    curve_lines,
    curves_of,
    panel_names,
)
from denoisebench.metrics.specs import leading

_MOST = 8  # lines, however high the terminal


class LiveCurves:
    """Scores by the first leading metric of all cells of a sweep, those of an earlier one too."""

    def __init__(self, jobs: Sequence[Job], store: Store):
        self._store = store
        self._cells = [(job.entry.asked, job.entry.cell.key) for job in jobs]
        self._metric = _first_leading(jobs)
        self._scores: dict[str, Score] = {}  # by key
        for job in jobs:
            self.note(job.entry)

    def note(self, entry: Entry) -> None:
        """Reads the score of a cell, if it has one by now."""
        if self._metric is None:
            return
        estimate = read_estimate(self._store, entry, self._metric)
        if estimate is not None:
            self._scores[entry.cell.key] = Score(estimate.value, estimate.own_se)

    def lines(self, height: int, *, is_ascii: bool) -> list[str]:
        """A title and a line for each curve, in a third of a terminal of that height at most; none
        before there is a score."""
        if self._metric is None or not self._scores:
            return []
        settings = [values for values, _ in self._cells]
        cells = zip(panel_names(settings), self._cells, strict=True)
        curves = curves_of(
            (panel, values["scheduler"], values["steps"], self._scores.get(key))
            for panel, (values, key) in cells
        )
        marks = ASCII if is_ascii else BLOCKS
        title, lines = curve_lines(curves, self._metric, marks=marks)
        return [title, *at_most(max(min(_MOST, height // 3), 2), lines)]


def _first_leading(jobs: Sequence[Job]) -> str | None:
    """The metric that is drawn: the first of those that lead, of all cells together."""
    names = [*dict.fromkeys(name for job in jobs for name in job.entry.metrics)]
    margins = jobs[0].margins if jobs else {}
    return next(iter(leading(names, gates(margins, names, {}))), None)
