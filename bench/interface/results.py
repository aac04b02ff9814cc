"""A run in Python: its table, comparisons, defaults, charts and images, read from its store."""

import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.bench.errors import UserError, suggestion, wrong_kind
from denoisebench.bench.interface.words import chosen_by
from denoisebench.bench.records.names import counted
from denoisebench.bench.records.own_metrics import declare_recorded
from denoisebench.bench.records.run import Run, load_run
from denoisebench.bench.settings.budget import budget_of

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from denoisebench.metrics.estimate import Estimate
    from denoisebench.reports.charts import Chart, Figure
    from denoisebench.reports.decide.decisions import Decisions
    from denoisebench.reports.rows.compare import MeasuredCell

Cell = str | Mapping[str, object]  # settings that one cell of a run has alone


def load(folder: str | Path) -> "Results":
    """The run of a folder, such as runs/demo. Raises UserError when it is not a run."""
    return Results(load_run(folder))


class Results:
    """What a sweep measured: read from its store when first asked for, and then kept. What a sweep
    adds to the run later is seen by loading it again."""

    def __init__(self, run: Run):
        self._loaded = run

    @property
    def folder(self) -> Path:
        return self._run.folder

    def __repr__(self) -> str:
        """`Results of runs/demo: 20 cells, 20 done`, and each caution in a line."""
        statuses = Counter(self._frame["status"]).items()
        counts = ", ".join(f"{count} {status}" for status, count in statuses)
        head = f"Results of {self.folder}: {counted(len(self._frame), 'cell')}, {counts}"
        return "\n".join([head, *(f"caution: {text}" for text in self.cautions())])

    def frame(self) -> "pd.DataFrame":
        """A row for each cell, in the order of the sweep; the columns are those of results.csv,
        which `denoisebench list columns` explains."""
        return self._frame.copy()

    @property
    def _run(self) -> Run:
        """The run. What better means of its own metrics holds again, whatever other runs of this
        process said since."""
        declare_recorded(self._loaded.own_metrics)
        return self._loaded

    def cautions(self) -> list[str]:
        """What to know before believing the numbers, as the report's page says it: known defects
        of schedulers that cells hit, too few samples, uneven times."""
        from denoisebench.reports.rows.cautions import all_cautions

        return all_cautions(self._frame, self._run.warnings)

    def compare(self, a: Cell, b: Cell, *, other: "Results | None" = None) -> "pd.DataFrame":
        """a - b by each metric that both cells have, paired by prompt and noise: a row with the
        difference, its standard error, its 95 % interval (low, high), the two-sided p of no
        difference, the independent units and what a is beside b. The note says what was not
        paired, or cannot be compared.

        a, b: settings that one cell has alone, {"scheduler": "ddim", "steps": 8} or the same text
        as on the command line, "scheduler=ddim,steps=8". other: the run that b is of. Raises
        UserError where no or several cells are so, and where the two share no metric.
        """
        from denoisebench.reports.rows.compare import comparison_frame

        if not isinstance(other, Results | None):
            raise wrong_kind("other", other, "a run as Results, from load or sweep")
        return comparison_frame(self._cell(a), (other or self)._cell(b))

    def defaults(self) -> list[dict[str, Any]]:
        """The decisions of the run as mappings, those of its defaults.yaml: for each model and
        metric the cheapest cell that is proven to be within the margins, or why none is."""
        import yaml

        from denoisebench.reports.decide.defaults_yaml import defaults_yaml
        from denoisebench.reports.rows.frame import records

        text = defaults_yaml(self._run, records(self._frame), self._decisions)
        defaults: list[dict[str, Any]] = yaml.safe_load(text)["defaults"]  # as a file gives them
        return defaults

    def budgets(self, budget: str | None = None) -> list[dict[str, Any]]:
        """The best cell at each budget as mappings, those of defaults.yaml; none without a budget.

        budget: such as "tflops:0.002,0.004"; by default the sweep's own. Dollars of a machine take
        its price, `denoisebench report --usd-per-hour`. Raises UserError for what is no budget."""
        from denoisebench.reports.decide.budgets import at_budgets, budget_records

        run = self._run
        if budget is not None:
            try:
                run = replace(run, budget=budget_of(str(budget)))
            except ValueError as error:
                raise UserError(f"budget={budget}: {error}") from error
        purchases = at_budgets(run, self._frame, self._estimates, decisions=self._decisions)
        return budget_records(run, self._frame, purchases, decisions=self._decisions)

    def equal_cost(self) -> list[dict[str, Any]]:
        """What each cache, precision and compilation of the run is worth beside fewer steps, as
        mappings, those of defaults.yaml: its verdict, at equal what, and its best case."""
        from denoisebench.reports.decide.equal_cost import equal_cost_records

        return equal_cost_records(
            self._run, self._frame, self._estimates, decisions=self._decisions
        )

    def plot(self, metric: str, figure: str = "vs_steps") -> "Chart":
        """A figure of the report as an Altair chart, which a notebook shows.

        metric: a column of the frame that has a standard error beside it. figure: vs_steps, vs_nfe,
        vs_seconds, gain_per_step, vs_latency_pareto, vs_nfe_pareto, vs_strength or decision, which
        is of the default by the metric; where it has several defaults decision_1, decision_2, … as
        on the page. Raises UserError, with the nearest names, for what the run has no numbers for.
        """
        from denoisebench.reports.charts import to_chart

        if not isinstance(metric, str):
            raise wrong_kind("metric", metric, "the name of a metric, a column of the frame")
        if not isinstance(figure, str):
            raise wrong_kind("figure", figure, "the name of a figure, such as vs_steps")
        folder, known = self._run.folder, self._estimates
        if metric not in known:
            raise UserError(f"{metric}: no metric of {folder}; {suggestion(metric, known)}")
        drawn = {**self._figures(metric), **self._charts_of_decisions(metric)}
        if figure not in drawn:
            others = suggestion(figure, drawn) if drawn else "no cell of it is done"
            raise UserError(f"{figure}: no figure of {metric}; {others}")
        return to_chart(drawn[figure])

    def _figures(self, metric: str) -> "dict[str, Figure]":
        from denoisebench.reports.formats import slug
        from denoisebench.reports.page.figures import figures

        estimates = self._estimates[metric]
        drawn = figures(self._frame, metric, estimates, decisions=self._decisions)
        return {figure.name.removeprefix(f"{slug(metric)}_"): figure for figure in drawn}

    def _charts_of_decisions(self, metric: str) -> "dict[str, Figure]":
        """Those of the defaults by a metric."""
        from denoisebench.reports.page.decision import decision_figures
        from denoisebench.reports.rows.frame import records

        decisions = self._decisions
        panels = {r.panel for r in decisions.recommendations if r.target == metric}
        drawn = decision_figures(records(self._frame), decisions).items()
        charts = [figure for panel, figure in drawn if panel in panels]
        return {"decision" if len(charts) == 1 else chart.name: chart for chart in charts}

    def images(self, cell: Cell, samples: Sequence[int]) -> "list[Image]":
        """Pictures of a cell by the number of the sample, from 0 on: sample i has the same prompt
        and noise in every cell. Raises UserError for samples that are not stored."""
        from denoisebench.reports.page.gallery import picture_of

        entry, samples = self._cell(cell).entry, _numbers_of(samples)
        beyond = [i for i in samples if not 0 <= i < entry.samples]
        if beyond:
            raise UserError(f"sample {beyond[0]}: the cell has samples 0 to {entry.samples - 1}")
        read, key = self._run.store.read, entry.cell.key
        try:
            return [picture_of(read(key, "images", i + 1, start=i)["images"][0]) for i in samples]
        except LookupError as error:
            raise UserError(f"{self.folder}: {error}; the same sweep makes the images") from error

    def _cell(self, cell: Cell) -> "MeasuredCell":
        from denoisebench.reports.rows.compare import find_cell

        return find_cell(self._run, chosen_by(cell))

    @cached_property
    def _frame(self) -> "pd.DataFrame":
        from denoisebench.reports.rows.frame import load_frame

        return load_frame(self._run)

    @cached_property
    def _estimates(self) -> "dict[str, dict[int, Estimate]]":
        from denoisebench.reports.rows.frame import frame_metrics, load_estimates

        return {metric: load_estimates(self._run, metric) for metric in frame_metrics(self._frame)}

    @cached_property
    def _decisions(self) -> "Decisions":
        from denoisebench.reports.decide.decisions import decide

        races = self._run.races
        return decide(self._frame, self._estimates, self._run.margins, races=races)


def _numbers_of(samples: object) -> list[int]:
    """Numbers of samples. Raises UserError for what is no row of whole numbers."""
    try:
        return [*map(index, samples)]  # type: ignore[call-overload]
    except TypeError:
        words = " ".join(reprlib.repr(samples).split())
        raise UserError(f"samples={words}: give numbers of samples, such as [0, 2]") from None
