"""verify.json: everything measured and judged, as plain data for pages and other tools."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from denoisebench.bench.machine import environment
from denoisebench.bench.schedulers.known_defects import known_defects, table_for
from denoisebench.bench.schedulers.not_run import NOT_RUN
from denoisebench.bench.verify import measures
from denoisebench.bench.verify.findings import Finding, findings, gone
from denoisebench.bench.verify.judge import LIMITS, VERDICTS, severity, worst
from denoisebench.bench.verify.problems import BANDS
from denoisebench.bench.verify.subject import Subject
from denoisebench.bench.verify.verify import VerifiedCase

SCHEMA = 1
_SHOWN = ("name", "effect", "advice", "issues")  # of a known defect


def make_record(
    subjects: Sequence[Subject], rows: Sequence[VerifiedCase], seconds: float
) -> dict[str, Any]:
    """The content of verify.json; seconds: how long measuring took."""
    aliases = {subject.name: subject.aliases for subject in subjects}
    table = known_defects(version("diffusers"))
    deviations = findings(rows, aliases, table)
    known = {id(one.check): one.known.name for one in deviations if one.known}
    catalogue = {subject.name for subject in subjects if not subject.own}
    from_catalogue = [row for row in rows if row.scheduler in catalogue]
    lost = gone(from_catalogue, deviations, aliases, table=table)
    return {
        "schema": SCHEMA,
        "diffusers": version("diffusers"),
        "table": table_for(version("diffusers")),
        "environment": environment(),
        "seconds": seconds,
        "bands": list(BANDS),
        "not_run": NOT_RUN,
        "notes": [note for subject in subjects for note in subject.notes],
        "usual_steps": measures.USUAL_STEPS,
        "many_steps": measures.MANY_STEPS,
        "limits": {name: asdict(limit) for name, limit in LIMITS.items()},
        "schedulers": [_summary(subject, rows, deviations, known=known) for subject in subjects],
        "new": [_finding(finding) for finding in deviations if not finding.known],
        "gone": [{"scheduler": defect.scheduler, **_shown(defect.known)} for defect in lost],
        "known": _known(deviations),
        "rows": [_row(row, known) for row in rows],
    }


def passed(record: dict[str, Any]) -> bool:
    """Whether every deviation is listed, and every listed defect is still there."""
    return not record["new"] and not record["gone"]


def _row(row: VerifiedCase, known: Mapping[int, str]) -> dict[str, Any]:
    """A case, each check with the listed defect that it is of, empty for none."""
    checks = [{**asdict(check), "known": known.get(id(check), "")} for check in row.checks]
    return {**row.as_dict(), "checks": checks}


def _summary(
    subject: Subject,
    rows: Sequence[VerifiedCase],
    deviations: Sequence[Finding],
    *,
    known: Mapping[int, str],
) -> dict[str, Any]:
    """A scheduler in one line, with the numbers of the case that shows its order best."""
    cases = [row for row in rows if row.scheduler == subject.name]
    best = (row for row in cases if row.numbers.get("order") or row.grid == "karras")
    shown = next(best, cases[0])
    listed = [finding.known for finding in deviations if finding.row.scheduler == subject.name]
    numbers = shown.numbers
    return {
        "name": subject.name,
        "label": subject.spec.label,
        "class_name": subject.spec.class_name,
        "made_from": subject.made_from,  # whose listed defects are inherited
        "order": subject.spec.order,
        "stochastic": subject.spec.stochastic,
        "path": shown.path,
        "grid": shown.grid,
        "measured_order": numbers.get("order"),
        "nfe": _nfe(numbers["scan"], measures.USUAL_STEPS),
        "stated_nfe": subject.spec.expected_nfe(measures.USUAL_STEPS),
        "parts": numbers.get("parts"),
        "gains": numbers.get("gains"),
        "wrong_mode": numbers.get("wrong_mode"),
        "verdict": shown.verdict,
        "decided_by": _decided_by(shown, known),
        "verdicts": {v: [row.verdict for row in cases].count(v) for v in VERDICTS},
        "known": list(dict.fromkeys(defect.name for defect in listed if defect)),
        "new": sum(defect is None for defect in listed),
    }


def _decided_by(row: VerifiedCase, known: Mapping[int, str]) -> dict[str, Any] | None:
    """The check that decides the verdict: the one farthest beyond its limit."""
    first = max((check for check in row.checks if check.bad), key=severity, default=None)
    return {**asdict(first), "known": known.get(id(first), "")} if first else None


def _nfe(scan: list[dict[str, Any]], steps: int) -> int | None:
    return next((record.get("nfe") for record in scan if record["steps"] == steps), None)


def _known(deviations: Sequence[Finding]) -> list[dict[str, Any]]:
    """Each listed defect that was measured, with its schedulers and its worst number."""
    by_name: dict[str, list[Finding]] = {}
    for finding in deviations:
        if finding.known:
            by_name.setdefault(finding.known.name, []).append(finding)
    return [_known_entry(of_defect) for of_defect in by_name.values()]


def _known_entry(of_defect: list[Finding]) -> dict[str, Any]:
    return {
        **_shown(of_defect[0].known),
        "schedulers": list(dict.fromkeys(finding.row.scheduler for finding in of_defect)),
        "verdict": worst([finding.check.verdict for finding in of_defect]),
        "worst": _finding(max(of_defect, key=lambda finding: severity(finding.check))),
        "cases": len(of_defect),
    }


def _shown(known: Any) -> dict[str, Any]:
    return {name: getattr(known, name) for name in _SHOWN}


def _finding(finding: Finding) -> dict[str, Any]:
    row = finding.row
    where = {"scheduler": row.scheduler, "path": row.path, "grid": row.grid}
    return {**where, "prediction_type": row.prediction_type, **asdict(finding.check)}
