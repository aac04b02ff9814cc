"""verify.html, schedulers.md and figures/ of `denoisebench verify`, from its record alone."""

import secrets
from pathlib import Path
from typing import Any

from denoisebench.bench.paths import write_atomically
from denoisebench.reports.charts import Figure, javascript_bundle, to_png, to_svg
from denoisebench.reports.formats import MISSING
from denoisebench.reports.page.html import inline_script, page_environment
from denoisebench.reports.page.on_page import in_columns
from denoisebench.reports.verify.figures import verify_figures
from denoisebench.reports.verify.tables import (
    headings,
    inheritance,
    is_inherited,
    issue_links,
    line,
    markdown,
    number_text,
    where,
)

_HERE = Path(__file__).parent
_MARKS = {"conforms": "✓", "deviates": "~", "defect": "✗"}


def write_verification(record: dict[str, Any], folder: Path) -> Path:
    """Returns the path of the page."""
    figures = verify_figures(record)
    for figure in figures:
        svg = to_svg(figure)
        write_atomically(folder / "figures" / f"{figure.name}.svg", svg.encode())
        write_atomically(folder / "figures" / f"{figure.name}.png", to_png(svg))
    write_atomically(folder / "schedulers.md", markdown(record).encode())
    page = folder / "verify.html"
    write_atomically(page, _render(record, figures).encode())
    return page


def _render(record: dict[str, Any], figures: list[Figure]) -> str:
    environment = page_environment(_HERE)
    environment.filters["without_title"] = _without_title
    environment.globals |= {
        "where": where,
        "number_text": number_text,
        "issue_links": issue_links,
        "marks": _MARKS,
    }
    return environment.get_template("verify.html.j2").render(
        nonce=secrets.token_urlsafe(16),
        bundle=inline_script(javascript_bundle()),
        record=record,
        figures=figures,
        headings=headings(record),
        lines=[(summary, line(summary, len(record["bands"]))) for summary in record["schedulers"]],
        notes=[*record["notes"], *inheritance(record)],
        matrices=[_matrix(record, summary) for summary in record["schedulers"]],
        counts=_counts(record),
    )


def _without_title(figure: Figure) -> dict[str, Any]:
    """The specification for a page that has the title as HTML, which wraps; its data as columns."""
    return in_columns({name: value for name, value in figure.spec.items() if name != "title"})


def _counts(record: dict[str, Any]) -> dict[str, int]:
    verdicts = [row["verdict"] for row in record["rows"]]
    return {verdict: verdicts.count(verdict) for verdict in _MARKS}


def _matrix(record: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """Verdicts of a scheduler: a row for each grid, a column for each path and prediction type."""
    scheduler = summary["name"]
    rows = [row for row in record["rows"] if row["scheduler"] == scheduler]
    columns = dict.fromkeys((row["path"], row["prediction_type"]) for row in rows)
    cells = {(row["grid"], row["path"], row["prediction_type"]): row for row in rows}
    grids = dict.fromkeys(row["grid"] for row in rows)
    return {
        "scheduler": scheduler,
        "columns": [" ".join(column).replace("_", " ") for column in columns],
        "rows": [
            (grid, [_cell(cells.get((grid, *column)), summary) for column in columns])
            for grid in grids
        ],
    }


def _cell(row: dict[str, Any] | None, summary: dict[str, Any]) -> dict[str, str]:
    if row is None:
        return {"verdict": "", "mark": "", "title": "not verified"}
    if "unsupported" in row["numbers"]:
        return {"verdict": "", "mark": MISSING, "title": row["numbers"]["unsupported"]}
    bad = [check for check in row["checks"] if check["verdict"] != "conforms"]
    title = "; ".join(_title(check, summary) for check in bad)
    return {"verdict": row["verdict"], "mark": _MARKS[row["verdict"]], "title": title or "conforms"}


def _title(check: dict[str, Any], summary: dict[str, Any]) -> str:
    inherited = " (inherited)" if is_inherited(check, summary) else ""
    return f"{check['name']} {check['value']:.3g} {check['note']}".strip() + inherited
