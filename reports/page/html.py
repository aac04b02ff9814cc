"""report.html: one file that loads nothing from anywhere. Knows the page's words, no statistics.

Names and prompts come from users. Every text goes through Jinja's autoescape and every chart
through its `tojson`; a content security policy lets only this page's own scripts run.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from denoisebench.bench.errors import without_passwords
from denoisebench.bench.records.columns import LOST, UNSCORED, WHOLE
from denoisebench.bench.records.names import FAILED_METRIC, cell_name
from denoisebench.bench.records.run import Run
from denoisebench.metrics.specs import drawn_in_full, leading, metric_spec
from denoisebench.reports.charts import Figure
from denoisebench.reports.decide.answer import answers, snippet
from denoisebench.reports.decide.budget_words import budget_row
from denoisebench.reports.decide.decisions import Decisions
from denoisebench.reports.decide.defaults_yaml import default_records
from denoisebench.reports.decide.equal_cost_words import equal_cost_rows
from denoisebench.reports.decide.headline import LastSteps, Observation, Setting
from denoisebench.reports.decide.no_default import no_default
from denoisebench.reports.decide.returns import Return, return_lines
from denoisebench.reports.decide.words import (
    margin_words,
    plateau_lines,
    race_tables,
    recommendation_cards,
)
from denoisebench.reports.formats import MISSING, duration, number, plus_minus, times
from denoisebench.reports.page.gallery import Block, tile_uri
from denoisebench.reports.page.looks import families, looks_of
from denoisebench.reports.page.on_page import on_page, subtitle_of
from denoisebench.reports.page.samples import samples_of
from denoisebench.reports.rows.cautions import all_cautions, curve_notes, timings_are_even
from denoisebench.reports.rows.frame import (
    NOT_DONE,
    frame_metrics,
    has_guidance,
    records,
    with_status,
)
from denoisebench.reports.rows.services import with_services_named
from denoisebench.reports.rows.signs import LATEX, MARKDOWN
from denoisebench.reports.rows.table import cells_table

_HERE = Path(__file__).parent
_NAMED = r"scheduler=\S+: "  # at the start of a reason that is named in another column
_STYLES = ("report.css", "explore.css", "gallery.css")
# Each uses what those before it define.
_MODULES = (
    "charts.js",
    "explore_spec.js",
    "explore.js",
    "copy.js",
    "table.js",
    "gallery.js",
)
# Figures that stand in the chart to ask, and beside the page as files.
_EXPLORED = ("_vs_steps", "_vs_nfe", "_vs_seconds", "_vs_strength")


@dataclass(frozen=True)
class Content:
    """What a page shows, beside the run and its frame."""

    decisions: Decisions
    budgets: list[dict[str, Any]]  # records of the best cells at a budget
    equal_cost: list[dict[str, Any]]  # records of what caches and precisions are worth
    iso_cost: Figure | None
    decision_figures: dict[str, Figure]  # by panel
    observations: dict[str, list[Observation]]  # by metric
    figures: dict[str, list[Figure]]  # by metric
    returns: dict[str, list[Return]]  # by metric
    fronts: dict[str, list[dict[str, str]]]  # by metric, lines of pareto.front_lines
    exploration: dict[str, Any] | None  # of the chart to ask
    latency_split: Figure | None
    frequency_bands: Figure | None
    blocks: Sequence[Block]  # of the gallery


def render_html(run: Run, frame: pd.DataFrame, content: Content, *, script: str) -> str:
    """script: defines window.vegaEmbed."""
    supported = frame[frame["status"] != "unsupported"]
    rows = records(frame)
    return (
        page_environment(_HERE)
        .get_template("report.html.j2")
        .render(
            name=run.name,
            nonce=secrets.token_urlsafe(16),
            bundle=inline_script(script),
            summary=_summary(frame),
            claims=run.claims,
            answers=_answers(run, frame, content),
            no_default="" if content.decisions.recommendations else no_default(run, frame),
            facts=_facts(frame),
            margins=margin_words(content.decisions),
            plateaus=plateau_lines(rows, content.decisions),
            races=race_tables(run.races),
            cards=recommendation_cards(rows, content.decisions),
            budgets=_budgets(run, content),
            iso_cost=content.iso_cost,
            equal_cost=equal_cost_rows(content.equal_cost),
            metrics=_sections(frame, content, main=True),
            further=_sections(frame, content, main=False),
            exploration=content.exploration,
            files=[
                figure
                for drawn in content.figures.values()
                for figure in drawn
                if figure.name.endswith(_EXPLORED)
            ],
            latency_split=content.latency_split,
            frequency_bands=content.frequency_bands,
            legend=families(looks_of(with_services_named(frame))),
            curve_notes=curve_notes(frame, run.curve_notes),
            samples=samples_of(frame, content.blocks, defaults=_default_rows(content)),
            columns=cells_table(supported, content.decisions.gates),
            statuses=supported["status"].tolist(),
            addresses=_addresses(supported, content.exploration),
            whole=WHOLE,
            failures=with_status(frame, *NOT_DONE).to_dict("records"),
            unsupported=_unsupported(frame),
            cautions=all_cautions(frame, run.warnings),
            environment=run.environment,
            config=_config(run),
        )
    )


def _budgets(run: Run, content: Content) -> list[dict[str, str]]:
    return [budget_row(record, run.budget) for record in content.budgets if run.budget]


def _addresses(cells: pd.DataFrame, exploration: dict[str, Any] | None) -> list[str]:
    """Where each cell is pinned in the chart to ask, with its samples; empty where it is not."""
    if exploration is None:
        return [""] * len(cells)
    known = exploration["cells"]
    places = dict(zip(zip(known["key"], known["samples"], strict=True), known["id"], strict=True))
    keys = zip(cells["key"], cells["samples"], strict=True)
    return [f"#explore?pin={places[key]}" if key in places else "" for key in keys]


def _default_rows(content: Content) -> list[int]:
    rows = [part.chosen_row for part in content.decisions.recommendations]
    return [row for row in rows if row is not None]


def _answers(run: Run, frame: pd.DataFrame, content: Content) -> list[dict[str, Any]]:
    """What to run: a sentence, the lines that do it, and the chart of the decision."""
    recommendations = content.decisions.recommendations
    defaults = default_records(run, records(frame), content.decisions)
    blocks = []
    for part in answers(defaults, is_even=timings_are_even(frame)):
        decided = [recommendations[place] for place in part.places]
        panels = dict.fromkeys(recommendation.panel for recommendation in decided)
        drawn = [content.decision_figures.get(panel) for panel in panels]
        blocks.append(
            {
                "about": part.about,
                "head": _capital(part.head),
                "rest": _capital(part.rest),
                "snippet": snippet(defaults[part.places[0]], defaults, path=_beside(run.folder)),
                "figures": [figure for figure in drawn if figure is not None],
            }
        )
    return blocks


def _beside(folder: Path) -> str:
    """defaults.yaml of a run as it is reached from where the page is made; a page that is made
    elsewhere names no folder of this machine."""
    path = folder.resolve() / "defaults.yaml"
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _unsupported(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What cannot be run: a line for each model, task and reason, with all that it is true of."""
    cells = with_status(frame, "unsupported")
    reasons = cells["message"].str.replace(_NAMED, "", regex=True)
    grouped = cells.groupby(["model", "task", reasons], sort=False)
    return [
        {
            "model": model,
            "task": task,
            "schedulers": ", ".join(group["scheduler"].unique()),
            "steps": ", ".join(str(n) for n in sorted(group["steps"].unique())),
            "message": reason,
        }
        for (model, task, reason), group in grouped
    ]


def page_environment(folder: Path, *styles: Path) -> jinja2.Environment:
    """The templates of a folder, with the style and the script that all pages share, and styles of
    its own."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"tile_uri": tile_uri, "on_page": on_page, "subtitle_of": subtitle_of}
    sheets = [*(_HERE / name for name in _STYLES), *styles]
    environment.globals["style"] = "\n".join(sheet.read_text() for sheet in sheets)
    environment.globals["escapes"] = {"Markdown": MARKDOWN, "LaTeX": LATEX}
    environment.globals["script"] = inline_script(page_script())
    return environment


def page_script() -> str:
    """The page's own script: its modules in one scope, which the charts' library cannot see."""
    code = "\n".join((_HERE / name).read_text() for name in _MODULES)
    return f'"use strict";\n(() => {{\n{code}}})();\n'


def inline_script(code: str) -> str:
    """Code that cannot end its own script element."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", code, flags=re.IGNORECASE)


def _summary(frame: pd.DataFrame) -> str:
    """`24 cells: 3 schedulers, 4 step counts, 2 guidance scales. 1 failed.`"""
    counts = {"model": "model", "scheduler": "scheduler", "steps": "step count"}
    counts |= {"guidance": "guidance scale"} if has_guidance(frame).any() else {}
    counts |= {"seed": "seed"}
    counts |= {"task": "task", "strength": "strength"} if _has_inputs(frame) else {}
    known = frame.assign(guidance=frame["guidance"].where(has_guidance(frame)))
    parts = [_count(known[name].nunique(), word) for name, word in counts.items()]
    lost = [
        f" {len(with_status(frame, *LOST))} failed.",
        f" {_lacking(len(with_status(frame, UNSCORED)))}.",
        f" {len(with_status(frame, 'missing'))} not run.",
        f" {len(with_status(frame, 'unsupported'))} not supported.",
    ]
    text = f"{_count(len(frame), 'cell')}: {', '.join(parts)}."
    return text + "".join(part for part in lost if not part.startswith(" 0 "))


def _lacking(count: int) -> str:
    return f"{count} {'lacks' if count == 1 else 'lack'} {FAILED_METRIC}"


def _has_inputs(frame: pd.DataFrame) -> bool:
    return bool((frame["task"] != "txt2img").any())


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def _facts(frame: pd.DataFrame) -> dict[str, str]:
    """What was swept: every value of every axis."""
    size = frame["width"].astype(str) + " x " + frame["height"].astype(str) + " pixels"
    facts = {
        "Model": _values(frame["model"]),
        "Task": _values(frame["task"]),
        "Schedulers": _values(frame["scheduler"]),
        "Steps": _values(frame["steps"].sort_values()),
        "Guidance": _values(frame["guidance"][has_guidance(frame)].sort_values()) or "no effect",
        **({"Strength": _values(frame["strength"].sort_values())} if _has_inputs(frame) else {}),
        "Noise seed": _values(frame["seed"]),
        "Samples per cell": _values(frame["samples"]),
        "Prompts": _values(frame["prompts"]),
        "Image size": _values(size),
        "Number format": _values(frame["dtype"]),
        "Latency batch": _values(frame["latency_batch_size"].dropna()) or "not measured",
        "Computed by": _values(frame["engine"]),
    }
    if frame["calibration_s"].notna().any():
        low, high = frame["calibration_s"].min(), frame["calibration_s"].max()
        facts["Calibration workload"] = f"{duration(low)} to {duration(high)} over all cells"
    return facts


def _values(column: pd.Series) -> str:
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in column.unique())


def _sections(frame: pd.DataFrame, content: Content, *, main: bool) -> list[dict[str, Any]]:
    """Those of the metrics that are drawn in full, or of all others."""
    metrics = frame_metrics(frame)
    gating = content.decisions.gates
    full, lead = drawn_in_full(metrics, gating), leading(metrics, gating)
    return [
        _metric_section(metric, frame, content)
        | {"leads": metric in lead, "front": content.fronts.get(metric, [])}
        for metric in metrics
        if (metric in full) == main
    ]


def _metric_section(metric: str, frame: pd.DataFrame, content: Content) -> dict[str, Any]:
    """Title, direction, headline rows and figures of one metric."""
    spec = metric_spec(metric)
    return {
        "metric": metric,
        "label": spec.label,
        "meaning": spec.meaning,
        "direction": spec.direction,
        "rows": _headlines(content.observations[metric]),
        "figures": [f for f in content.figures[metric] if not f.name.endswith(_EXPLORED)],
        "returns": return_lines(content.returns[metric]),
    }


def _headlines(observations: Sequence[Observation]) -> list[dict[str, Any]]:
    """Rows of the table at the top."""
    return [
        {
            "panel": seen.panel,
            "best": _setting(seen.best),
            "last_steps": _last_steps(seen.last_steps),
            "default": _default(seen),
            "no_default": seen.no_default,
        }
        for seen in observations
    ]


def _last_steps(last: LastSteps | None) -> str:
    """`8 → 16: 0.31 ± 0.12`"""
    if last is None:
        return MISSING
    gain = plus_minus(last.gain.value, last.gain.se)
    return f"{last.steps_from} → {last.steps_to}: {gain}"


def _default(seen: Observation) -> dict[str, Any] | None:
    default = seen.default
    if default is None:
        return None
    unit = "" if default.cost == "latency_p50_s" else " (in NFE)"
    return {
        **_setting(default.setting),
        "is_best": default.is_best,
        "loss": plus_minus(default.loss.value, default.loss.se),
        "ratio": f"{times(default.cost_ratio, 2)}{unit}",
    }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "name": cell_name(vars(setting)),
        "value": plus_minus(setting.value, setting.se),
        "latency": duration(setting.latency_p50_s),
        "nfe": number(setting.nfe, 0),
    }


def _config(run: Run) -> str:
    """The resolved config, with user names and passwords in addresses left out."""
    path = run.folder / "config.yaml"
    return without_passwords(path.read_text()) if path.exists() else ""
