"""Everything a run's folder shows of it, made from the store alone: tables, figures, page."""

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from denoisebench.bench.paths import write_atomically
from denoisebench.bench.records.run import Run, load_run
from denoisebench.metrics.specs import leading, metric_spec
from denoisebench.reports.charts import javascript_bundle, write_figures
from denoisebench.reports.claims.cells import Cells
from denoisebench.reports.claims.claims import findings
from denoisebench.reports.claims.markdown import claims_markdown
from denoisebench.reports.claims.page import write_claims
from denoisebench.reports.claims.together import World
from denoisebench.reports.current import seal
from denoisebench.reports.decide.budgets import at_budgets, budget_records
from denoisebench.reports.decide.decisions import Estimates, decide
from denoisebench.reports.decide.defaults_yaml import defaults_yaml
from denoisebench.reports.decide.equal_cost import equal_cost_records
from denoisebench.reports.decide.headline import observations
from denoisebench.reports.decide.returns import returns
from denoisebench.reports.formats import slug
from denoisebench.reports.page.contact_sheet import sheets
from denoisebench.reports.page.decision import decision_figures
from denoisebench.reports.page.explore import exploration
from denoisebench.reports.page.figures import figures
from denoisebench.reports.page.frequency_bands import frequency_bands
from denoisebench.reports.page.gallery import Block, gallery
from denoisebench.reports.page.html import Content, render_html
from denoisebench.reports.page.iso_cost import iso_cost
from denoisebench.reports.page.latency_split import latency_split
from denoisebench.reports.paper.write import write_paper
from denoisebench.reports.rows.cautions import cautions
from denoisebench.reports.rows.frame import (
    frame_metrics,
    load_estimates,
    load_frame,
    records,
    write_results,
)
from denoisebench.reports.rows.pareto import front_lines, front_of


def write_report(folder: Path) -> Path:
    """The report of a run's folder, see report_of. Raises UserError when it is not a run."""
    run = load_run(folder)
    return report_of(run, load_frame(run))


def report_of(run: Run, frame: pd.DataFrame, *, for_paper: bool = False) -> Path:
    """Writes results.csv, results.parquet, defaults.yaml, figures/ and report.html, of a run that
    tests claims also claims.html and claims.md, and paper/ where it is wanted; returns the page's
    path. frame: that of the run."""
    folder = run.folder
    write_results(frame, folder)
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
    content = content_of(run, frame, estimates)
    warnings = cautions(frame)
    defaults = defaults_yaml(
        run,
        records(frame),
        content.decisions,
        cautions=warnings,
        budgets=content.budgets,
        equal_cost=content.equal_cost,
    )
    write_atomically(folder / "defaults.yaml", defaults.encode())
    if "world" in run.claims:  # those of older versions say less than rules read now
        write_claims(run, findings(Cells.of(run, frame, content.decisions)))
    beside = (content.latency_split, content.frequency_bands, content.iso_cost)
    of_run = [figure for figure in beside if figure is not None]
    for drawn in ([*content.decision_figures.values()], *content.figures.values(), of_run):
        write_figures(drawn, folder / "figures")
    if for_paper or (folder / "paper").exists():  # what was asked for once does not grow old
        drawn = [
            figure
            for m in leading(content.figures, content.decisions.gates)
            for figure in content.figures[m]
        ]
        drawn += content.decision_figures.values()
        write_paper(folder, frame, content.decisions, figures=drawn)
    script = javascript_bundle()
    _write_sheets(content.blocks, folder / "figures")
    page = folder / "report.html"
    write_atomically(page, render_html(run, frame, content, script=script).encode())
    seal(folder)
    return page


def write_worlds(folder: Path, names: Sequence[str]) -> Path:
    """Writes claims.md of the runs of these names in a folder, one of each world, and the claims of
    each anew, since its second run may have grown; returns the path. Raises UserError for a run
    that is not there."""
    worlds = [_world(folder / name) for name in names]
    path = folder / "claims.md"
    write_atomically(path, claims_markdown(worlds).encode())
    return path


def _world(folder: Path) -> World:
    run = load_run(folder)
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
    decisions = decide(frame, estimates, run.margins, races=run.races)
    world = World(run, findings(Cells.of(run, frame, decisions)))
    write_claims(run, world.findings)
    seal(folder)
    return world


def content_of(run: Run, frame: pd.DataFrame, estimates: Estimates) -> Content:
    """What the page shows; estimates: of each metric, by row number of the frame."""
    decisions = decide(frame, estimates, run.margins, races=run.races)
    fronts = {
        m: front_of(frame, m, values, reaches=decisions.reaches)
        for m, values in estimates.items()
        if metric_spec(m).names_a_best
    }
    purchases = at_budgets(run, frame, estimates, decisions=decisions)
    return Content(
        decisions=decisions,
        budgets=budget_records(run, frame, purchases, decisions=decisions),
        equal_cost=equal_cost_records(run, frame, estimates, decisions=decisions),
        iso_cost=iso_cost(frame, purchases, estimates),
        decision_figures=decision_figures(records(frame), decisions),
        observations={
            metric: observations(frame, metric, values, decisions=decisions)
            for metric, values in estimates.items()
        },
        figures={
            m: figures(frame, m, values, decisions=decisions, front=fronts.get(m))
            for m, values in estimates.items()
        },
        returns={
            m: returns(frame, m, values, decisions=decisions) for m, values in estimates.items()
        },
        fronts={m: front_lines(front, m, estimates[m]) for m, front in fronts.items()},
        exploration=exploration(run, frame, estimates, decisions=decisions),
        latency_split=latency_split(frame, decisions),
        frequency_bands=frequency_bands(frame, estimates, decisions),
        blocks=gallery(run, frame),
    )


def _write_sheets(blocks: Sequence[Block], folder: Path) -> None:
    """gallery_<panel>.png; panels whose names look alike as file names get a number."""
    taken: set[str] = set()
    for panel, sheet in sheets(blocks).items():
        stem = f"gallery_{slug(panel)}"
        name = stem if stem not in taken else f"{stem}_{len(taken)}"
        taken.add(name)
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG")
        write_atomically(folder / f"{name}.png", buffer.getvalue())
