"""The record of `denoisebench verify` as a table in a terminal and as Markdown."""

import math
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from denoisebench.reports.formats import MISSING

_STYLES = {"conforms": "green", "deviates": "yellow", "defect": "red"}
_UPSTREAM = "https://github.com/huggingface/diffusers/issues"


def headings(record: dict[str, Any]) -> list[str]:
    bands = [f"{band:g}" for band in record["bands"]]
    return [
        "scheduler",
        "grid",
        "order",
        "NFE",
        "integrator",
        "last jump",
        "timesteps",
        *(f"gain {band}" for band in bands),
        "wrong mode",
        "verdict",
        "all cases ✓ / ~ / ✗",
        "found in them",
    ]


def line(summary: dict[str, Any], bands: int) -> list[str]:
    """The texts of a scheduler's line, in the order of `headings`."""
    parts, gains = summary["parts"] or {}, summary["gains"] or [None] * bands
    counts = " / ".join(str(summary["verdicts"][verdict]) for verdict in _STYLES)
    mark = " (inherited)" if summary["made_from"] else ""
    names = [f"{name}{mark}" for name in summary["known"]]
    names += [f"{summary['new']} new"] if summary["new"] else []
    return [
        summary["name"],
        summary["grid"],
        order_text(summary),
        nfe_text(summary),
        *(_text(parts.get(name), "{:.1e}") for name in ("integrator", "last_jump", "timesteps")),
        *(_text(gain, "{:.2f}") for gain in gains),
        _text(summary["wrong_mode"], "{:.1%}"),
        verdict_text(summary),
        counts,
        ", ".join(names),
    ]


def order_text(summary: dict[str, Any]) -> str:
    """`2.03 of 2`."""
    if summary["stochastic"]:
        return "noisy"
    measured = summary["measured_order"]
    order = f"{measured['value']:.2f}" if measured else MISSING
    return f"{order} of {summary['order']}" if summary["order"] else order


def nfe_text(summary: dict[str, Any]) -> str:
    """`39 of 39`: counted evaluations, and those that the catalogue states."""
    return f"{_text(summary['nfe'], '{}')} of {summary['stated_nfe']}"


def verdict_text(summary: dict[str, Any]) -> str:
    """`defect: timesteps 3.7`."""
    verdict: str = summary["verdict"]
    check = summary["decided_by"]
    if not check:
        return verdict
    inherited = ", inherited" if is_inherited(check, summary) else ""
    return f"{verdict}: {check['name']} {_short(check['value'])}{inherited}"


def is_inherited(check: dict[str, Any], summary: dict[str, Any]) -> bool:
    """Whether a check is of a listed defect of the class that a scheduler is made from."""
    return bool(summary["made_from"] and check["known"])


def inheritance(record: dict[str, Any]) -> list[str]:
    """A line for each scheduler that is made from a class of diffusers: what it inherits of that,
    and how it does by itself."""
    return [
        f"{one['name']}: inherited from {one['made_from']}: "
        f"{', '.join(one['known']) or 'nothing'}; of its own: {_count(one['new'])}"
        for one in record["schedulers"]
        if one["made_from"]
    ]


def _count(new: int) -> str:
    return f"{new} {'check deviates' if new == 1 else 'checks deviate'}" if new else "nothing"


def where(finding: dict[str, Any]) -> str:
    return f"{finding['scheduler']} ({finding['path']}, {finding['grid']})"


def number_text(finding: dict[str, Any], limits: dict[str, Any]) -> str:
    """`timesteps 3.7 (at N = 30), limit 0.75`."""
    note = f" ({finding['note']})" if finding["note"] else ""
    limit = limits[finding["name"]]["conforms"]
    return f"{finding['name']} {_short(finding['value'])}{note}, limit {limit:g}"


def issue_links(issues: list[int]) -> list[tuple[str, str]]:
    return [(f"diffusers {number}", f"{_UPSTREAM}/{number}") for number in issues]


def verification_text(record: dict[str, Any]) -> RenderableType:
    """The record as a table and its conclusions, for the terminal."""
    table = Table(title=Text(_title(record)), title_justify="left")
    for heading in (
        "scheduler",
        "order",
        "NFE",
        "error parts",
        "gains",
        "verdict",
        "found in all cases",
    ):
        table.add_column(heading, overflow="fold")
    for summary in record["schedulers"]:
        name, _, order, nfe, *numbers, verdict, cases, names = line(summary, len(record["bands"]))
        parts, gains = " / ".join(numbers[:3]), " ".join(numbers[3:7])
        coloured = Text(verdict, style=_STYLES[summary["verdict"]])
        table.add_row(name, order, nfe, parts, gains, coloured, cases.replace(" ", ""), names)
    return Group(table, *(Text(text, style=style) for text, style in _conclusions(record)))


def _title(record: dict[str, Any]) -> str:
    return (
        f"diffusers {record['diffusers']} at {record['usual_steps']} steps: error parts = "
        "integrator / last jump / timesteps, gains at variances "
        + ", ".join(f"{band:g}" for band in record["bands"])
    )


def _conclusions(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"{len(record['rows'])} cases measured in {record['seconds']:.1f} s", ""
    yield from ((note, "") for note in [*record["notes"], *inheritance(record)])
    if record["table"] != record["diffusers"]:
        yield f"no table for this diffusers yet: compared with {record['table']}'s", "yellow"
    for finding in record["new"]:
        number = number_text(finding, record["limits"])
        yield f"not listed: {where(finding)}: {finding['verdict']}: {number}", "red"
    for lost in record["gone"]:
        yield f"listed, but gone: {lost['scheduler']}: {lost['name']}", "red"
    if not record["new"] and not record["gone"]:
        listed = ", ".join(known["name"] for known in record["known"]) or "none"
        yield f"all that deviates is listed for this version: {listed}", "green"


def markdown(record: dict[str, Any]) -> str:
    """The text of docs/schedulers.md."""
    return "\n".join(_markdown_lines(record)) + "\n"


def _markdown_lines(record: dict[str, Any]) -> Iterator[str]:
    environment = record["environment"]
    yield "# Schedulers, measured"
    yield ""
    yield (
        f"Made by `make schedulers` (`denoisebench verify`, {record['seconds']:.0f} s) with "
        f"diffusers {record['diffusers']}, torch {environment['torch']}, Python "
        f"{environment['python']}, on {environment['processor']}. Do not edit: make it again."
    )
    yield from ("", *_READING.splitlines(), "")
    yield from _markdown_table(
        headings(record), [line(s, len(record["bands"])) for s in record["schedulers"]]
    )
    yield from ("", "## Known defects, and what to do", "")
    for known in record["known"]:
        yield from _markdown_defect(known, record["limits"])
    yield from ("## Classes of diffusers that are not run", "", _NOT_RUN, "")
    yield from _markdown_table(["class", "why"], [[*item] for item in record["not_run"].items()])
    yield from ("", "## Limits", "")
    limits = [
        [name, limit["what"], f"{limit['conforms']:g}", f"{limit['deviates']:g}"]
        for name, limit in record["limits"].items()
    ]
    yield from _markdown_table(["check", "of what", "conforms up to", "deviates up to"], limits)


def _markdown_defect(known: dict[str, Any], limits: dict[str, Any]) -> Iterator[str]:
    links = ", ".join(f"[{text}]({address})" for text, address in issue_links(known["issues"]))
    yield f"### {known['name']}"
    yield ""
    yield f"{_sentence(known['effect'])} **{_sentence(known['advice'])}**"
    yield ""
    yield f"- Seen in: {', '.join(known['schedulers'])} ({known['cases']} cases)."
    yield f"- Measured: {where(known['worst'])}: {number_text(known['worst'], limits)}."
    if links:
        yield f"- Upstream: {links}."
    yield ""


def _markdown_table(names: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'|'.join(' --- ' for _ in names)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _text(value: float | None, form: str) -> str:
    return MISSING if value is None else form.format(value)


def _short(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "not finite"


_READING = """\
Data are Gaussian, so the ideal denoiser and the exact result are known in closed form.

- **order**: the order of convergence measured before the last step, and the published one.
- **NFE**: denoiser evaluations counted at 20 steps, and those that the capability table states
  (`denoisebench list schedulers`).
- **integrator, last jump, timesteps**: parts of the error at 20 steps, in standard deviations of
  the data. They come from the solver; from the last step to clean data; from timesteps rounded to
  whole numbers, which the model believes.
- **gain**: standard deviation of the result over the true one, for data of variance 10 (coarse
  detail) to 0.01 (fine). Below one looks soft, above one gritty. Noisy schedulers run 100 steps.
- **wrong mode**: samples of a mixture that end in another mode than the exact flow takes them to.

Numbers and verdict are those of the named grid. The last two columns are about all noise schedules,
grids and prediction types: how many conform, deviate or have a defect, and which defects were
found. The gain of a step in practice depends on the model: sweep it."""

_NOT_RUN = (
    "All other scheduler classes that diffusers exports are in the table above. A class of your "
    "own is verified by `denoisebench verify own.class_name=package.module.Class`."
)
